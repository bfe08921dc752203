"""A study's page tells of the digital signatures of its images when somebody asks."""

import pytest
from playwright.sync_api import Page, expect

from tests.attacks.server import Server
from tests.browser.conftest import upload
from tests.web.api.test_signatures import CHANGED, SIGNED, files
from tests.web.stowing import STUDY


@pytest.fixture(scope="module", autouse=True)
def signed(server: Server) -> None:
    """Store a study of which two images are signed, and one of these was changed."""
    for file in files():
        upload(server.http_port, file)


def test_signatures_are_shown_with_signer_time_and_result(page: Page) -> None:
    page.goto(f"/studies/{STUDY}")
    expect(page.locator("#signatures")).to_be_hidden()
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.locator("#signed")).to_have_text("2 of 2 signed images checked")
    rows = page.locator("#signature-rows tr")
    expect(rows).to_have_count(2)
    expect(rows.filter(has_text=CHANGED)).to_contain_text("Changed")
    trusted = rows.filter(has_text=SIGNED)
    expect(trusted).to_contain_text("Not trusted")
    expect(trusted).to_contain_text("CN=Demo Signer")
    expect(trusted).to_contain_text("Creator RSA profile")
    expect(trusted.locator("td").nth(2)).to_contain_text("+0000")
    expect(page.locator("#signatures-title")).to_be_focused()
    expect(page.get_by_role("button", name="Check more")).to_be_hidden()


def test_a_study_without_signatures_says_so(page: Page) -> None:
    page.goto("/?q=demo-mr")
    page.locator("tbody .name").click()
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.locator("#signed")).to_have_text("No image of this study is signed")
    expect(page.locator("#signatures")).to_be_hidden()
