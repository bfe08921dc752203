"""The viewer, as somebody uses it: what stands in the canvas, not only that it is there."""

import pytest
from playwright.sync_api import Locator, Page, expect

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


def open_viewer(page: Page, query: str) -> None:
    """Open the first study that a search finds."""
    page.goto(f"/?q={query}")
    page.get_by_role("link", name="View").first.click()
    expect(page.locator(".pane .sw")).to_contain_text("Image 1 /")
    expect(page.locator(".pane .say")).to_be_hidden()
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
