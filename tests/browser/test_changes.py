"""Correcting, moving and merging as somebody does it, and the trail of that."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.attacks.server import Server, running
from tests.browser.conftest import HOSTILE, HOSTILE_STUDY, hostile, upload
from tests.services.compressing import image
from tests.web.stowing import part10

STUDY, SERIES, NAME, ID = 0x0020000D, 0x0020000E, 0x00100010, 0x00100020


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of two patients; one has a study whose texts are hostile."""
    with running(tmp_path_factory.mktemp("changes") / "data") as found:
        for study, patient in (("1.2.3.1", "ANN"), ("1.2.3.2", "ANN"), ("1.2.3.3", "BOB")):
            values = {STUDY: study, SERIES: f"{study}.1", NAME: f"Demo^{patient}", ID: patient}
            replaced = {tag: value.encode() for tag, value in values.items()}
            uid = f"{study}.1.1"
            upload(found.http_port, part10(image(uid, replaced=replaced), uid))
        upload(found.http_port, hostile(part10(image("1.2.3.4.1.1"), "1.2.3.4.1.1")))
        yield found


@pytest.fixture
def origin(server: Server) -> str:
    """Where the pages are."""
    return f"http://127.0.0.1:{server.http_port}"


def choose(page: Page, study: str, name: str) -> None:
    """Open a dialog of a study's page."""
    page.goto(f"/studies/{study}")
    page.get_by_text("Correct…").click()
    page.get_by_role("button", name=name).click()
    expect(page.get_by_role("dialog", name=name)).to_be_visible()


def go(page: Page) -> None:
    """Look at what will be, and have it done."""
    page.get_by_label("Why").fill("a test")
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("button", name=re.compile("^Change ")).click()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_name_is_corrected_and_stands_in_the_list(page: Page) -> None:
    choose(page, "1.2.3.1", "Correct patient")
    page.get_by_label("Name", exact=True).fill("Demo^Corrected=山田")
    page.get_by_label("Birth date").fill("1970-01-31")
    page.get_by_label("Why").fill("typing error")
    page.get_by_role("button", name="Preview").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("2 objects in 2 studies will be written anew")
    expect(dialog.get_by_role("row", name="Patient Name Demo^ANN Demo^Corrected=山田")).to_be_visible()
    expect(dialog.get_by_role("row", name="Patient Birth Date none 1970-01-31")).to_be_visible()
    page.get_by_role("button", name="Change 2 objects").click()
    expect(page.get_by_role("heading", name="Demo, Corrected (山田)")).to_be_visible()
    page.goto("/?q=corrected")
    expect(page.locator("tbody tr")).to_have_count(2)
    page.goto("/changes")
    expect(page.locator("#rows")).to_contain_text("typing error")
    expect(page.locator("#rows")).to_contain_text("done")
    page.get_by_role("button", name="Details of change 1").click()
    expect(page.locator(".before-after").get_by_role("row", name="Patient Name")).to_contain_text("Demo^ANN")
    page.get_by_role("link", name="1.2.3.2").click()
    expect(page.get_by_role("heading", name="Demo, Corrected (山田)")).to_be_visible()


def test_a_dialog_is_used_with_the_keyboard_alone(page: Page) -> None:
    page.goto("/studies/1.2.3.1")
    page.get_by_text("Correct…").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Correct study")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Description")).to_be_focused()
    page.keyboard.type("Demo chest")
    page.get_by_label("Why").focus()
    page.keyboard.type("it had none")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("1 object in 1 study")
    page.get_by_role("button", name="Change 1 object").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".facts")).to_contain_text("Demo chest")


def test_what_is_wrong_is_said_and_can_be_put_right(page: Page) -> None:
    choose(page, "1.2.3.1", "Correct study")
    page.get_by_label("Why").fill("a test")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("alert")).to_have_text("Nothing is different yet.")
    page.get_by_label("Description").fill("right")
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("button", name="Back").click()
    expect(page.get_by_label("Description")).to_have_value("right")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_refusal_names_the_value(browser: Browser, origin: str) -> None:
    context = browser.new_context(base_url=origin)  # the browser notes a refusal as an error
    page = context.new_page()
    choose(page, "1.2.3.1", "Correct study")
    page.get_by_label("Time").fill("25")
    page.get_by_label("Why").fill("a test")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("alert")).to_contain_text("attributes.StudyTime: it is no time")
    context.close()


def test_a_study_is_moved_to_somebody_who_is_looked_for(page: Page) -> None:
    choose(page, "1.2.3.1", "Move to another patient")
    page.get_by_role("searchbox", name="Search", exact=True).fill("bob")
    expect(page.get_by_role("radio")).to_have_count(2)
    page.get_by_role("radio", name="Demo^BOB").check()
    page.get_by_label("Why").fill("mixed up")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("dialog")).to_contain_text(
        "The other patient has another name: Demo^BOB instead of Demo^ANN."
    )
    page.get_by_role("button", name="Change 1 object").click()
    expect(page.get_by_role("heading", name="Demo, BOB")).to_be_visible()


def test_a_study_is_moved_to_somebody_new(page: Page) -> None:
    choose(page, "1.2.3.1", "Move to another patient")
    page.get_by_role("radio", name="A patient who is not here yet").check()
    page.get_by_label("Name", exact=True).fill("Demo^New")
    page.get_by_label("Patient ID").fill("NEW")
    go(page)
    expect(page.get_by_role("heading", name="Demo, New")).to_be_visible()
    page.goto("/studies/1.2.3.2")
    expect(page.get_by_role("heading", name="Demo, ANN")).to_be_visible()


def test_two_patients_become_one(page: Page) -> None:
    choose(page, "1.2.3.3", "Merge into another patient")
    page.get_by_role("radio", name="Demo^ANN").check()
    go(page)
    page.goto("/?q=ann")
    expect(page.locator("tbody tr")).to_have_count(3)
    page.goto("/studies/1.2.3.3")
    page.get_by_text("Correct…").click()
    page.get_by_role("link", name="What was changed before").click()
    expect(page.locator("#rows")).to_contain_text("Patients merged")
    page.get_by_role("link", name="Show all").click()
    expect(page.locator("#all")).to_be_hidden()


def test_markup_in_texts_stays_text(page: Page) -> None:
    choose(page, HOSTILE_STUDY, "Correct patient")
    expect(page.get_by_label("Name", exact=True)).to_have_value(HOSTILE)
    page.get_by_label("Name", exact=True).fill("Demo^Harmless")
    page.get_by_label("Why").fill(HOSTILE)
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("dialog")).to_contain_text(HOSTILE)
    page.get_by_role("button", name="Change 1 object").click()
    expect(page.get_by_role("heading", name="Demo, Harmless")).to_be_visible()
    page.goto("/changes")
    expect(page.locator("#rows")).to_contain_text(HOSTILE)


@pytest.mark.parametrize(
    "name", ["Correct patient", "Correct study", "Move to another patient", "Merge into another patient"]
)
def test_every_dialog_fits_on_a_telephone(page: Page, name: str) -> None:
    page.set_viewport_size({"width": 360, "height": 640})
    choose(page, "1.2.3.1", name)
    box = page.get_by_role("dialog").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 360
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
