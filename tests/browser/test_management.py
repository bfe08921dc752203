"""Uploading, nodes, and what goes on, as somebody uses them."""

from itertools import islice
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from archimage.dicom.demo import demo_files
from tests.attacks.server import Server
from tests.interop.peers import free_port


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two files that the archive does not have, and one that is no DICOM."""
    found = tmp_path_factory.mktemp("folder")
    for number, file in enumerate(islice(demo_files(14), 2)):
        (found / f"{number}.dcm").write_bytes(file)
    (found / "notes.txt").write_text("not DICOM")
    return found


def test_a_folder_is_uploaded_and_every_file_accounted_for(page: Page, folder: Path) -> None:
    page.goto("/upload")
    page.locator("#folder").set_input_files(folder)
    expect(page.locator("#sum")).to_contain_text("3 of 3 files")
    expect(page.locator("#rows tr")).to_have_count(3)
    expect(page.locator("#rows")).to_contain_text("not DICOM, left out")
    expect(page.locator("#whole")).to_have_js_property("value", 1)


def test_a_node_that_does_not_answer_says_why(browser: Browser, origin: str) -> None:
    page = browser.new_context(base_url=origin).new_page()
    port = free_port()
    page.goto("/nodes")
    page.get_by_label("AE title").fill("SILENT")
    page.get_by_label("Host").fill("127.0.0.1")
    page.get_by_label("Port").fill(str(port))
    page.get_by_label("Description").fill("<b>nobody</b>")
    page.get_by_role("button", name="Add").click()
    page.get_by_role("button", name="Echo SILENT").click()
    expect(page.locator(".said")).to_contain_text(f"cannot connect to SILENT at 127.0.0.1:{port}")
    expect(page.locator("#rows")).to_contain_text("<b>nobody</b>")
    page.get_by_role("button", name="Remove SILENT").click()
    expect(page.locator("#none")).to_be_visible()
    page.context.close()


def test_a_node_that_answers_says_how_fast(page: Page, server: Server) -> None:
    page.goto("/nodes")
    page.get_by_label("AE title").fill("PACS_SCP")
    page.get_by_label("Host").fill("127.0.0.1")
    page.get_by_label("Port").fill(str(server.port))
    page.get_by_role("button", name="Add").click()
    page.get_by_role("button", name="Echo PACS_SCP").click()
    expect(page.locator(".said")).to_contain_text("answers, ")
    page.get_by_role("button", name="Remove PACS_SCP").click()
    expect(page.locator("#rows tr")).to_have_count(0)


def test_what_happens_is_shown_as_it_happens(page: Page, browser: Browser, origin: str) -> None:
    page.goto("/activity")
    expect(page.locator("#associations")).to_contain_text("Nobody has an association")
    other = browser.new_context(base_url=origin).new_page()
    other.goto("/?q=demo-mr")
    other.get_by_role("button", name="Add a label").click()
    other.keyboard.type("seen")
    other.keyboard.press("Enter")
    expect(page.locator("#events")).to_contain_text("has the labels seen")
    other.context.close()
