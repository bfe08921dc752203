"""The pages of performed steps and deliveries: what is missing, what was left open, what failed and is tried again."""

import json
import time
import urllib.request
from contextlib import closing

import pytest
from playwright.sync_api import Page, expect

from archimage.index.deliveries import DeliveryTable
from archimage.index.sqlite import SqliteIndex
from archimage.services.datasets import Model
from archimage.services.deliveries import made
from tests.attacks.server import Server
from tests.services.stepping import ended, step


def _tell(origin: str, method: str, path: str, **body: object) -> None:
    data = json.dumps(body).encode()
    asked = urllib.request.Request(  # noqa: S310 - our own server
        f"{origin}/api/v1{path}", data, {"Content-Type": "application/json"}, method=method
    )
    urllib.request.urlopen(asked, timeout=20).close()  # noqa: S310 - our own server


@pytest.fixture
def begun(origin: str) -> Model:
    """Begin two steps, of which one is completed and lacks images."""
    for uid in ("1.2.3.91", "1.2.3.92"):
        told = step(T00400253=f"P{uid[-1]}")
        _tell(origin, "POST", "/performed-steps", sop_instance_uid=uid, dataset=told)
    _tell(origin, "PATCH", "/performed-steps/1.2.3.91", dataset=ended(["1.2.9.1", "1.2.9.2"]))
    return told


def test_what_is_missing_is_shown_and_what_was_left_open_is_ended(page: Page, begun: Model) -> None:
    assert begun
    page.goto("/performed-steps")
    expect(page.locator("#rows > tr:not(.below)")).to_have_count(2)
    expect(page.locator("#rows")).to_contain_text("0 of 2 here")
    page.get_by_role("button", name="Details of step P1").click()
    expect(page.locator(".problems")).to_contain_text("1.2.9.2")
    page.get_by_role("button", name="Discontinue step P2").click()
    page.get_by_role("dialog").get_by_role("button", name="Discontinue").click()
    expect(page.get_by_role("button", name="Discontinue step P2")).to_have_count(0)
    page.get_by_label("State").select_option("DISCONTINUED")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#rows > tr:not(.below)")).to_have_count(1)
    expect(page.locator("#rows")).to_contain_text("discontinued")


def test_what_failed_is_tried_again(page: Page, server: Server) -> None:
    with closing(SqliteIndex(server.directory / "index.db")) as index:
        table = DeliveryTable(index)
        table.add([made("mpps-create", "NOBODY", "1.2.3", "{}", time.time())])
        table.give_up(table.find(limit=1)[0].id, 1.0, "NOBODY refuses it")
    page.goto("/deliveries")
    row = page.locator("#rows tr").first
    expect(row).to_contain_text("Performed step begun")
    expect(row).to_contain_text("NOBODY refuses it")
    page.get_by_role("button", name="Retry delivery").first.click()
    expect(page.locator("#notices")).to_contain_text("is tried again")
    expect(page.locator("#rows tr").first).not_to_contain_text("failed")
