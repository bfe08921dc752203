"""The page of work items: what is there, how far it is, and what is asked to be cancelled."""

import json
import urllib.request

import pytest
from playwright.sync_api import Page, expect

from archimage.services.datasets import Model, attribute, made
from tests.workitems import new_item

_MINE = "1.2.3.77"


def _tell(origin: str, method: str, path: str, model: Model) -> None:
    data = json.dumps([model]).encode()
    asked = urllib.request.Request(  # noqa: S310 - our own server
        f"{origin}/dicom-web/workitems{path}", data, {"Content-Type": "application/dicom+json"}, method=method
    )
    urllib.request.urlopen(asked, timeout=20).close()  # noqa: S310 - our own server


@pytest.fixture(scope="module")
def kept(origin: str) -> str:
    """Have two work items, of which one is claimed and half done; return where they are."""
    for uid, label in (("1.2.3.91", "Read CT"), ("1.2.3.92", "Plan MR")):
        _tell(origin, "POST", f"?{uid}", new_item() | made(attribute(0x00741204, label)))
    claim = made(attribute(0x00741000, "IN PROGRESS"), attribute(0x00081195, _MINE))
    _tell(origin, "PUT", "/1.2.3.92/state", claim)
    progress = made(attribute(0x00741004, "50"), attribute(0x00741006, "Half planned"))
    _tell(origin, "POST", f"/1.2.3.92?{_MINE}", made(attribute(0x00741002, progress)))
    return origin


def test_an_archive_without_any_says_how_they_come(page: Page) -> None:
    page.goto("/workitems")
    expect(page.locator("#none")).to_contain_text("archimage ups create")
    expect(page.locator("table")).to_be_hidden()


def test_what_is_there_is_listed_and_found(page: Page, kept: str) -> None:
    page.goto(f"{kept}/workitems")
    rows = page.locator("#rows tr")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("Half planned")
    expect(rows.first.get_by_role("progressbar")).to_have_attribute("value", "50")
    expect(rows.last).to_contain_text("2030-01-02 08:00")
    expect(rows.last).to_contain_text("Reading station 1")
    page.get_by_label("State").select_option("SCHEDULED")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("Read CT")
    page.get_by_label("Search").fill("plan")
    expect(page.locator("#unmatched")).to_have_text("No work item fits.")
    expect(page.locator("#none")).to_be_hidden()


def test_what_is_told_of_one_is_never_its_transaction_uid(page: Page, kept: str) -> None:
    page.goto(f"{kept}/workitems")
    page.get_by_role("button", name="Details of Plan MR").click()
    told = page.get_by_role("dialog")
    expect(told).to_contain_text("only who has its Transaction UID may change it")
    told.get_by_text("Data set").click()
    expect(told.locator("pre")).to_contain_text("Half planned")
    assert _MINE not in page.content()
    told.get_by_role("button", name="Close").click()
    expect(told).to_have_count(0)


def test_what_nobody_has_claimed_is_cancelled_for_a_reason(page: Page, kept: str) -> None:
    page.goto(f"{kept}/workitems")
    page.get_by_role("button", name="Details of Read CT").click()
    page.get_by_role("button", name="Request cancellation").click()
    page.get_by_label("Reason").fill("Ordered twice")
    page.get_by_role("dialog").get_by_role("button", name="Request", exact=True).click()
    expect(page.locator("#notices")).to_contain_text("Read CT is canceled.")
    expect(page.locator("#rows tr").last).to_contain_text("canceled")
    page.get_by_role("button", name="Details of Read CT").click()
    page.get_by_text("Data set").click()
    expect(page.get_by_role("dialog").locator("pre")).to_contain_text("Ordered twice")
    expect(page.get_by_role("button", name="Request cancellation")).to_have_count(0)
