"""The concurrency report as somebody reads it at night."""

import re
from contextlib import ExitStack
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.attacks.server import running
from tests.attacks.wire import Peer


def test_the_system_page_leads_to_it_and_it_is_searched(page: Page) -> None:
    page.goto("/system")
    page.get_by_role("link", name="Every pool, queue and limit, and what is full").click()
    expect(page).to_have_url(re.compile("/concurrency$"))
    expect(page.get_by_role("status").filter(has_text="Nothing is full.")).to_be_visible()
    page.get_by_label("Search pools, queues and limits").fill("dicom.max_associations")
    rows = page.locator("#bounds tr")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("256")
    page.get_by_label("Search pools, queues and limits").fill("nothing of the kind")
    expect(page.get_by_text("Nothing is called so.")).to_be_visible()


def test_kinds_are_chosen_with_the_keyboard(page: Page) -> None:
    page.goto("/concurrency")
    page.get_by_label("Search pools, queues and limits").focus()
    page.keyboard.press("Tab")
    page.keyboard.type("caches")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.locator("#none")).to_be_visible()  # of no cache it is told how much is in use
    page.keyboard.press("Space")
    expect(page.locator("#bounds tr").first).to_contain_text("metadata cache")


def test_what_is_full_comes_first_and_goes_again(browser: Browser, tmp_path: Path) -> None:
    with running(tmp_path / "data", settings={"dicom__max_associations": 2}) as server, ExitStack() as peers:
        page = browser.new_context(base_url=f"http://127.0.0.1:{server.http_port}").new_page()
        page.goto("/concurrency")
        expect(page.locator("#whose")).to_contain_text(f"process {server.process.pid}, the only one")
        for _ in range(2):
            peers.enter_context(Peer.associated(server.port))
        expect(page.locator("#full")).to_have_text("Full or nearly so: associations.")
        first = page.locator("#bounds tr").first
        expect(first).to_contain_text("local limit exceeded")
        expect(first.get_by_role("meter", name="associations in use")).to_be_visible()
        peers.close()
        expect(page.locator("#full")).to_have_text("Nothing is full.")
        page.context.close()


def test_of_several_processes_it_is_said_that_one_answers(browser: Browser, tmp_path: Path) -> None:
    with running(tmp_path / "data", ["--workers", "2"]) as server:
        page = browser.new_context(base_url=f"http://127.0.0.1:{server.http_port}").new_page()
        page.goto("/concurrency")
        expect(page.locator("#whose")).to_contain_text("of 2; each has its own, and any of them may answer")
        page.context.close()
