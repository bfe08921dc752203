"""Studies and nodes without names, as somebody asks for them."""

import json
import urllib.request
import zipfile
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect


def choose(page: Page) -> None:
    """Open the dialog of a study."""
    page.goto("/?q=demo-cr")
    page.locator("tbody .name", has_text="Demo, CR").first.click()
    page.get_by_role("button", name="De-identify").click()
    expect(page.get_by_role("dialog", name="De-identify this study")).to_be_visible()


def asked(origin: str, path: str) -> Any:
    """Ask the management API."""
    with urllib.request.urlopen(f"{origin}/api/v1{path}", timeout=20) as answer:  # noqa: S310 - ours
        return json.load(answer)


def test_a_copy_is_made_and_opened(page: Page, origin: str) -> None:
    choose(page)
    page.get_by_label("Project").fill("lung-trial")
    page.get_by_label("Dates").select_option("kept")
    page.get_by_label("Descriptions and comments").check()
    page.get_by_role("button", name="Make a copy").click()
    expect(page.get_by_role("dialog")).to_contain_text("2 images", timeout=30_000)  # its workers start first
    page.get_by_role("link", name="Open the copy").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Patient")
    expect(page.locator(".facts")).to_contain_text("2024-03-04")
    expect(page.get_by_role("link", name="lung-trial")).to_be_visible()
    expect(page.get_by_text("DEMO-CR")).to_have_count(0)
    (task,) = [one for one in asked(origin, "/tasks") if one["title"].endswith("lung-trial")]
    assert task["title"] == "De-identify 2 objects for lung-trial"


def test_faces_are_removed_where_that_can_be_done(page: Page, origin: str) -> None:
    choose(page)
    page.get_by_label("Project").fill("no-faces")
    page.get_by_label("Remove faces").check()
    page.get_by_role("button", name="Make a copy").click()
    expect(page.get_by_role("dialog")).to_contain_text("plain CT and MR images alone", timeout=30_000)
    (task,) = [one for one in asked(origin, "/tasks") if one["title"].endswith("no-faces")]
    assert (task["result"]["completed"], task["result"]["failed"]) == (0, 2)


def test_an_archive_is_downloaded_with_the_keyboard_alone(page: Page) -> None:
    choose(page)
    expect(page.get_by_label("Project")).to_be_focused()
    page.keyboard.type("download")
    page.get_by_role("button", name="Download").focus()
    with page.expect_download() as begun:
        page.keyboard.press("Enter")
    assert begun.value.suggested_filename == "download.zip"
    with zipfile.ZipFile(begun.value.path()) as found:
        assert found.testzip() is None
        assert len(found.namelist()) == 2


def test_what_is_wrong_with_a_project_is_said(browser: Browser, origin: str) -> None:
    context = browser.new_context(base_url=origin)  # the browser notes a refusal as an error
    page = context.new_page()
    choose(page)
    page.get_by_label("Project").fill("two words")
    page.get_by_role("button", name="Make a copy").click()
    assert page.get_by_label("Project").evaluate("input => input.validity.patternMismatch")
    page.get_by_label("Project").evaluate("input => input.removeAttribute('pattern')")
    page.get_by_role("button", name="Make a copy").click()
    expect(page.get_by_role("dialog")).to_contain_text("'two words' is no name of a project")
    context.close()


def test_a_node_keeps_its_project_and_options_over_other_changes(page: Page, origin: str) -> None:
    page.goto("/nodes")
    page.get_by_label("AE title").fill("RESEARCH")
    page.get_by_label("Host").fill("192.0.2.9")
    page.get_by_label("De-identify for").fill("lung-trial")
    page.get_by_role("button", name="Add").click()
    expect(page.locator("#rows")).to_contain_text("de-identified for lung-trial")
    page.get_by_role("button", name="Edit RESEARCH").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("What is kept then").click()
    dialog.get_by_label("Dates").select_option("moved back, all of a patient alike")
    dialog.get_by_label("UIDs").check()
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_have_count(0)
    page.get_by_role("button", name="Edit RESEARCH").click()
    dialog.get_by_label("Description", exact=True).fill("the trial's")
    expect(dialog.get_by_label("UIDs")).to_be_checked()
    dialog.get_by_role("button", name="Save").click()
    expect(page.locator("#rows")).to_contain_text("the trial's")
    node = asked(origin, "/nodes/RESEARCH")
    assert (node["deidentify"], node["description"]) == ("lung-trial", "the trial's")
    assert node["deidentify_options"] == ["retain-modified-dates", "retain-uids"]


@pytest.mark.parametrize("width", [360, 1280])
def test_the_dialog_fits(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 640})
    choose(page)
    box = page.get_by_role("dialog").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    assert page.evaluate("document.documentElement.scrollWidth") <= width
