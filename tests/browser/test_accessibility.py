"""Pages that everybody can use: axe-core finds nothing serious, and a telephone is wide enough."""

import json
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from archimage.web.pages.application import SEGMENTS
from tests.browser.conftest import HOSTILE_STUDY
from tests.workitems import new_item

_AXE = Path(__file__).parents[2] / "node_modules/axe-core/axe.min.js"
_PATHS = (
    *("/", "/?q=nobody", "/?sort=nothing", "/upload", "/nodes", "/query", "/activity", "/changes", "/system", "/docs"),
    *("/department", "/commitments", "/objects", "/retention"),
    "/worklist",
    *("/performed-steps", "/deliveries", "/routing", "/workitems", "/jobs"),
    "/print",
    "/messages",
    "/concurrency",
    "/plugins",
    *("/access", "/users", "/me", "/login"),
    *(f"/studies/{HOSTILE_STUDY}", f"/viewer?study={HOSTILE_STUDY}"),
)


@pytest.fixture
def axe() -> str:
    """The checker."""
    if not _AXE.exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("axe-core is missing: make peers")
    return _AXE.read_text("utf-8")


@pytest.fixture(params=["light", "dark"])
def checked(browser: Browser, origin: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page that takes the checker in, which its policy would refuse."""
    context = browser.new_context(bypass_csp=True, base_url=origin, color_scheme=request.param)
    yield context.new_page()
    context.close()


def test_every_page_is_checked() -> None:
    assert {path[1:].partition("?")[0].partition("/")[0] for path in _PATHS} | {"static"} == set(SEGMENTS)


@pytest.mark.parametrize("path", _PATHS)
def test_nothing_serious_is_found(checked: Page, axe: str, path: str) -> None:
    checked.goto(path)
    checked.wait_for_load_state("load" if path == "/activity" else "networkidle")  # its events never end
    checked.add_script_tag(content=axe)
    assert_nothing_serious(checked)


@pytest.mark.parametrize("name", ["Correct patient", "Correct study", "Move to another patient"])
def test_nothing_serious_is_found_in_dialogs_and_previews(checked: Page, axe: str, name: str) -> None:
    checked.goto("/?q=demo-cr")
    checked.locator("tbody .name").click()
    checked.get_by_text("Correct…").click()
    checked.add_script_tag(content=axe)
    assert_nothing_serious(checked)
    checked.get_by_role("button", name=name).click()
    if name.startswith("Move"):
        checked.get_by_role("radio", name="Demo^CT").check()
    else:
        checked.get_by_role("dialog").get_by_role("textbox").first.fill("Demo^Other")
    assert_nothing_serious(checked)
    checked.get_by_label("Why").fill("a test")
    checked.get_by_role("button", name="Preview").click()
    checked.locator(".before-after").wait_for()
    assert_nothing_serious(checked)


def test_nothing_serious_is_found_in_a_work_item(checked: Page, axe: str, origin: str) -> None:
    item = json.dumps([new_item()]).encode()
    headers = {"Content-Type": "application/dicom+json"}
    asked = urllib.request.Request(f"{origin}/dicom-web/workitems", item, headers)  # noqa: S310 - our own server
    urllib.request.urlopen(asked, timeout=20).close()  # noqa: S310 - our own server
    checked.goto("/workitems")
    checked.get_by_role("button", name="Details").first.click()
    checked.get_by_text("Data set").click()
    checked.add_script_tag(content=axe)
    assert_nothing_serious(checked)
    checked.get_by_role("button", name="Request cancellation").click()
    assert_nothing_serious(checked)


def test_nothing_serious_is_found_where_a_study_is_de_identified(checked: Page, axe: str) -> None:
    checked.goto("/?q=demo-cr")
    checked.locator("tbody .name").first.click()
    checked.get_by_role("button", name="De-identify").click()
    checked.add_script_tag(content=axe)
    assert_nothing_serious(checked)


def assert_nothing_serious(page: Page) -> None:
    """Have the checker look at what there is."""
    found: dict[str, Any] = page.evaluate("() => axe.run()")
    grave = [one for one in found["violations"] if one["impact"] in {"serious", "critical"}]
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in grave] == []


@pytest.mark.parametrize("path", [path for path in _PATHS if path != "/?sort=nothing"])
def test_a_telephone_shows_pages_without_scrolling_sideways(page: Page, path: str) -> None:
    page.set_viewport_size({"width": 360, "height": 720})
    page.goto(path)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
