"""The viewer, as somebody uses it: what stands in the canvas, not only that it is there."""

import re
from io import BytesIO

import pydicom
import pytest
from playwright.sync_api import Locator, Page, Route, expect

from archimage.dicom.demo import demo_files

_CANVAS = ".pane canvas"
_GREYS = """canvas => {
  const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let sum = 0, lit = 0;
  for (let at = 0; at < data.length; at += 4) { sum += data[at]; lit += data[at] > 0; }
  return [sum / (data.length / 4), lit / (data.length / 4)];
}"""


def greys(canvas: Locator) -> tuple[float, float]:
    """Return the mean grey level, and which part of the canvas is not black."""
    mean, lit = canvas.evaluate(_GREYS)
    return mean, lit


def open_viewer(page: Page, query: str, *, settled: bool = True) -> None:
    """Open the first study that a search finds; wait for its first image, or until all is there."""
    page.goto(f"/?q={query}")
    page.get_by_role("link", name="View").first.click()
    expect(page.locator(".pane .sw")).to_contain_text("Image 1 /")
    expect(page.locator(".pane .say")).to_be_hidden()
    if settled:
        page.wait_for_load_state("networkidle")


def test_an_image_is_shown_and_changes_with_the_window(page: Page) -> None:
    open_viewer(page, "demo-ct")
    expect(page.locator(".se")).to_contain_text("W 400 · L 40")
    before, lit = greys(page.locator(_CANVAS))
    assert lit > 0.05
    page.keyboard.press("3")
    expect(page.locator(".se")).to_contain_text("W 2500 · L 480")
    mean, _ = greys(page.locator(_CANVAS))
    assert mean != pytest.approx(before, abs=1)


def test_the_first_image_is_fetched_beside_the_script_and_only_once(page: Page) -> None:
    open_viewer(page, "demo-ct")
    fetched = page.evaluate("performance.getEntriesByType('resource').map(one => [one.initiatorType, one.name])")
    ahead = [name for kind, name in fetched if kind == "link" and ("/dicom-web/" in name or "/api/" in name)]
    # the three are asked for at once: which goes first is the browser's affair
    assert sorted(name.rpartition("/")[2] for name in ahead) == [
        "instances?limit=16&offset=0",
        "metadata",
        "octet-stream",
    ]
    assert [name for kind, name in fetched if kind == "fetch" and name in ahead] == []


def test_a_drag_changes_the_window_and_reset_brings_it_back(page: Page) -> None:
    open_viewer(page, "demo-ct")
    page.mouse.move(600, 400)
    page.mouse.down()
    page.mouse.move(700, 450, steps=4)
    page.mouse.up()
    expect(page.locator(".se")).to_contain_text("W 500 · L 90")
    page.keyboard.press("r")
    expect(page.locator(".se")).to_contain_text("W 400 · L 40")


def test_wheel_and_keys_scroll_through_the_stack(page: Page) -> None:
    open_viewer(page, "demo-ct")
    first = page.locator(_CANVAS).evaluate("canvas => canvas.toDataURL()")
    page.keyboard.press("End")
    expect(page.locator(".sw")).to_contain_text("Image 12 / 12")
    page.wait_for_load_state("networkidle")
    assert page.locator(_CANVAS).evaluate("canvas => canvas.toDataURL()") != first
    page.mouse.move(600, 400)
    page.mouse.wheel(0, -120)
    expect(page.locator(".sw")).to_contain_text("Image 11 / 12")
    page.keyboard.press("Home")
    expect(page.locator(".sw")).to_contain_text("Image 1 / 12")


def test_inverting_turns_black_into_white(page: Page) -> None:
    open_viewer(page, "demo-ct")
    before, _ = greys(page.locator(_CANVAS))
    page.keyboard.press("i")
    expect(page.locator(".se")).to_contain_text("inverted")
    page.wait_for_load_state("networkidle")
    after, _ = greys(page.locator(_CANVAS))
    assert after > before + 20


def test_zoom_and_layout(page: Page) -> None:
    open_viewer(page, "demo-mr")
    page.keyboard.press("l")
    expect(page.locator(".pane")).to_have_count(2)
    page.locator(".pane").nth(1).click()
    page.locator(".shot").first.click()
    expect(page.locator(".pane .sw").nth(1)).to_contain_text("Image 1 /")
    zoomed = page.locator(".pane .se").nth(1).inner_text()
    page.keyboard.press("+")
    expect(page.locator(".pane .se").nth(1)).not_to_have_text(zoomed)


def test_a_cine_plays_colour_images_and_stops(page: Page) -> None:
    open_viewer(page, "demo-us")
    _, lit = greys(page.locator(_CANVAS))
    assert lit > 0.02
    page.keyboard.press(" ")
    expect(page.locator("[data-do=cine]")).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".sw")).not_to_contain_text("Image 1 /")
    page.keyboard.press(" ")
    expect(page.locator("[data-do=cine]")).to_have_attribute("aria-pressed", "false")


def test_keys_are_explained(page: Page) -> None:
    open_viewer(page, "demo-ct")
    page.keyboard.press("?")
    expect(page.get_by_role("heading", name="Keys and gestures")).to_be_visible()


def drag(page: Page, start: tuple[int, int], end: tuple[int, int]) -> None:
    """Drag with the left button."""
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=4)
    page.mouse.up()


def test_a_length_is_measured_in_millimetres_and_stays_with_its_image(page: Page) -> None:
    open_viewer(page, "demo-ct")
    page.keyboard.press("a")  # a pixel of the image, 0.8 mm, is one of the screen
    expect(page.locator(".se")).to_contain_text("100 %")
    before = page.locator(_CANVAS).evaluate("canvas => canvas.toDataURL()")
    page.keyboard.press("m")
    drag(page, (600, 400), (700, 400))
    expect(page.locator(".pane")).to_have_attribute("aria-label", re.compile(r", 80\.0 mm$"))
    assert page.locator(_CANVAS).evaluate("canvas => canvas.toDataURL()") != before
    page.keyboard.press("ArrowDown")
    expect(page.locator(".pane")).to_have_attribute("aria-label", re.compile("image 2 of 12$"))
    page.keyboard.press("ArrowUp")
    expect(page.locator(".pane")).to_have_attribute("aria-label", re.compile(r", 80\.0 mm$"))
    page.keyboard.press("Delete")
    expect(page.locator(".pane")).to_have_attribute("aria-label", re.compile("image 1 of 12$"))


def test_turning_and_mirroring_move_the_letters_with_the_patient(page: Page) -> None:
    open_viewer(page, "demo-ct")
    sides = page.locator(".side")
    expect(sides).to_have_text(["R", "A"])
    page.keyboard.press("t")
    expect(sides).to_have_text(["P", "R"])
    page.keyboard.press("h")
    expect(sides).to_have_text(["A", "R"])
    page.keyboard.press("v")
    expect(sides).to_have_text(["A", "L"])
    page.keyboard.press("r")
    expect(sides).to_have_text(["R", "A"])


def test_the_value_under_the_pointer_is_told_in_hounsfield_units(page: Page) -> None:
    open_viewer(page, "demo-ct")
    page.mouse.move(135, 420)  # beside the image
    expect(page.locator(".se")).not_to_contain_text("HU")
    image = pydicom.dcmread(BytesIO(next(demo_files(12))))
    values = image.pixel_array.astype(int) + int(image.RescaleIntercept)
    box = page.locator(".pane").bounding_box()
    assert box is not None
    scale = min(box["width"], box["height"]) / 512
    air, muscle, bone = (20, 60), (300, 180), (225, 140)
    assert -1024 <= values[air] < -950
    assert 0 < values[muscle] < 100
    assert values[bone] > 300
    for row, column in (air, muscle, bone):
        x, y = (column + 0.5 - 256) * scale, (row + 0.5 - 256) * scale
        page.mouse.move(box["x"] + box["width"] / 2 + x, box["y"] + box["height"] / 2 + y)
        expect(page.locator(".se")).to_have_text(re.compile(rf"^{values[row, column]} HU"))


def test_windows_are_those_of_the_image_and_of_its_modality(page: Page) -> None:
    open_viewer(page, "demo-ct")
    page.keyboard.press("2")
    expect(page.locator(".se")).to_contain_text("W 1500 · L -600")
    page.get_by_label("Window preset").select_option("all")
    expect(page.locator(".se")).not_to_contain_text("W 1500")
    page.keyboard.press("0")
    expect(page.locator(".se")).to_contain_text("W 400 · L 40")
    options = page.get_by_label("Window preset").locator("option")
    own = ["SOFT TISSUE (400 / 40)", "LUNG (1500 / -600)", "BONE (1800 / 400)"]
    modality = ["Soft tissue (400 / 40)", "Lung (1500 / -600)", "Bone (2500 / 480)", "Brain (80 / 40)"]
    assert options.all_inner_texts()[:8] == ["Preset", *own, *modality]
    open_viewer(page, "demo-mr")
    expect(options).to_have_text(["Preset", "BRAIN (1400 / 700)", "All values"])


def test_a_window_without_a_name_is_counted(page: Page) -> None:
    def unnamed(route: Route) -> None:
        """Tell of the images without what their windows are called."""
        answer = route.fetch()
        datasets = [{tag: value for tag, value in one.items() if tag != "00281055"} for one in answer.json()]
        route.fulfill(response=answer, json=datasets)

    page.route("**/metadata", unnamed)
    open_viewer(page, "demo-mr")
    expect(page.get_by_label("Window preset").locator("option")).to_have_text(
        ["Preset", "Of the image 1 (1400 / 700)", "All values"]
    )


def test_panes_scroll_together_when_they_are_told_to(page: Page) -> None:
    open_viewer(page, "demo-ct")
    page.keyboard.press("l")
    page.locator(".pane").nth(1).click()
    page.locator(".shot").first.click()
    expect(page.locator(".sw").nth(1)).to_contain_text("Image 1 / 12")
    expect(page.locator(".loaded").nth(0)).to_have_attribute("title", "12 of 12 images are here")
    expect(page.locator(".loaded").nth(1)).to_have_attribute("title", "12 of 12 images are here")
    page.locator(".pane").nth(1).focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator(".sw").nth(1)).to_contain_text("Image 2 / 12")
    expect(page.locator(".sw").nth(0)).to_contain_text("Image 1 / 12")
    page.keyboard.press("y")
    page.keyboard.press("PageDown")
    expect(page.locator(".sw").nth(1)).to_contain_text("Image 12 / 12")
    expect(page.locator(".sw").nth(0)).to_contain_text("Image 12 / 12")


def test_panes_whose_positions_are_not_known_yet_scroll_by_as_many_images(page: Page) -> None:
    page.route("**/series/*/metadata", lambda _route: None)  # what tells all positions does not come
    open_viewer(page, "demo-ct", settled=False)
    page.keyboard.press("l")
    page.locator(".pane").nth(1).click()
    page.locator(".shot").first.click()
    expect(page.locator(".sw").nth(1)).to_contain_text("Image 1 / 12")
    for image in (2, 3):
        page.keyboard.press("ArrowDown")
        expect(page.locator(".sw").nth(1)).to_contain_text(f"Image {image} / 12")
        expect(page.locator(".sw").nth(1)).to_contain_text("mm")
    expect(page.locator(".loaded").nth(1)).to_have_attribute("title", "12 of 12 images are here")
    page.keyboard.press("y")
    page.keyboard.press("ArrowDown")
    expect(page.locator(".sw").nth(1)).to_contain_text("Image 4 / 12")
    expect(page.locator(".sw").nth(0)).to_contain_text("Image 2 / 12")


def test_a_pane_without_a_series_says_what_to_do(page: Page) -> None:
    open_viewer(page, "demo-us")  # a study of one series
    page.keyboard.press("l")
    expect(page.locator(".say").nth(1)).to_contain_text("choose a series")


def test_texts_are_hidden_for_who_looks_over_a_shoulder(page: Page) -> None:
    open_viewer(page, "demo-ct")
    expect(page.locator(".nw")).to_contain_text("Demo, CT")
    page.keyboard.press("o")
    expect(page.locator(".nw")).to_be_hidden()
    expect(page.locator(".se")).to_be_visible()


def test_loading_is_told_until_the_series_is_there(page: Page) -> None:
    open_viewer(page, "demo-ct")
    expect(page.locator(".loaded")).to_be_hidden()
    expect(page.locator(".loaded")).to_have_attribute("title", "12 of 12 images are here")


def test_two_fingers_zoom(page: Page) -> None:
    open_viewer(page, "demo-ct")
    before = page.locator(".se").inner_text()
    page.locator(".pane").evaluate(
        """pane => {
          pane.setPointerCapture = () => {};
          const touch = (type, pointerId, clientX) => pane.dispatchEvent(
            new PointerEvent(type, {pointerId, clientX, clientY: 400, pointerType: "touch", bubbles: true}));
          touch("pointerdown", 11, 500); touch("pointerdown", 12, 600);
          touch("pointermove", 12, 700);
          touch("pointerup", 11, 500); touch("pointerup", 12, 700);
        }"""
    )
    expect(page.locator(".se")).not_to_have_text(before)
    zoomed = int(re.search(r"(\d+) %", page.locator(".se").inner_text())[1])  # type: ignore[index]
    assert zoomed == pytest.approx(2 * int(re.search(r"(\d+) %", before)[1]), abs=3)  # type: ignore[index]
