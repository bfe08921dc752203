"""The rules of access control as somebody looks after them in a browser."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.attacks.server import Server, running

RULES = """
[[rule]]
name = "Whoever sits at this machine"
addresses = ["127.0.0.1"]
allow = ["all"]

[[rule]]
name = "Neurology <b>sees</b> its own"
roles = ["neurologist"]
allow = ["query", "retrieve", "move-to"]
labels = ["neuro"]
destinations = ["NEURO_WS"]
"""


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Server]:
    """A server without users and rules."""
    with running(tmp_path / "data") as server:
        yield server


@pytest.fixture
def page(browser: Browser, trial: Server) -> Iterator[Page]:
    """Its page of access control."""
    context = browser.new_context(base_url=f"http://127.0.0.1:{trial.http_port}")
    found = context.new_page()
    found.goto("/access")
    expect(found.locator("#source")).not_to_be_empty()
    yield found
    context.close()


def test_rules_are_written_shown_and_explained(page: Page, trial: Server) -> None:
    expect(page.locator("#source")).to_contain_text("everybody who reaches this archive may do everything")
    expect(page.get_by_text("There are no rules.")).to_be_visible()
    page.get_by_text("Change the rules").click()
    page.get_by_label("The rules as their file has them").fill(RULES)
    page.get_by_role("button", name="Have these rules hold").click()
    expect(page.locator("#source")).to_contain_text("stand in the file")
    rows = page.locator("#rules tr")
    expect(rows).to_have_count(2)
    expect(rows.nth(1)).to_contain_text("Neurology <b>sees</b> its own")
    expect(rows.nth(1)).to_contain_text("role neurologist")
    expect(rows.nth(1)).to_contain_text("label neuro; sent to NEURO_WS alone")
    assert (trial.directory / "access.toml").read_text() == RULES
    page.get_by_label("Roles").fill("reader, neurologist")
    page.get_by_role("button", name="Tell").click()
    expect(page.locator("#allowed tr")).to_have_count(3)
    expect(page.locator("#allowed tr").last).to_contain_text("NEURO_WS")
    page.get_by_label("Roles").fill("visitor")
    page.get_by_role("button", name="Tell").click()
    expect(page.get_by_text("By these rules that somebody may do nothing.")).to_be_visible()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[rule]]\nname = "a"\nusers = ["ann"]\nallow = ["fly"]', "allow has 'fly'"),
        ('[[rule]]\nname = "a"\nusers = ["ann"]\nallow = ["all"]', "could not change them any more"),
    ],
)
def test_rules_that_are_none_or_lock_out_are_refused_in_words(page: Page, text: str, said: str, trial: Server) -> None:
    page.get_by_text("Change the rules").click()
    page.get_by_label("The rules as their file has them").fill(text)
    page.get_by_role("button", name="Have these rules hold").click()
    expect(page.get_by_role("alert")).to_contain_text(said)
    expect(page.get_by_label("The rules as their file has them")).to_have_value(text)
    assert not (trial.directory / "access.toml").exists()
