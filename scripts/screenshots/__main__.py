"""`python -m scripts.screenshots ADDRESS USER [NAME ...]`: write pictures of docs/images anew, all without a name.

ADDRESS is that of a server with the demo studies and OHIF.

USER is an administrator, whose password is read from standard input.
"""

import sys
from collections.abc import Collection
from pathlib import Path
from typing import Final

from playwright.sync_api import Page, sync_playwright

_IMAGES: Final = Path(__file__).parents[2] / "docs" / "images"
_CHROMIUM: Final = "/usr/bin/chromium"
_ARGUMENTS: Final = (
    *("--no-sandbox", "--no-first-run", "--disable-background-networking"),
    *("--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
)


def _studies(page: Page) -> None:
    page.goto("/")


def _study(page: Page) -> None:
    page.goto("/?q=demo-mr")
    page.locator("tbody .name").click()
    page.locator(".strip").first.wait_for()


def _viewer(page: Page) -> None:
    page.goto("/?q=demo-ct")
    page.get_by_role("link", name="in the built-in viewer").click()
    page.locator(".se", has_text="W ").wait_for()
    page.wait_for_load_state("networkidle")
    for _ in range(2):
        page.keyboard.press("PageDown")


def _ohif(page: Page) -> None:
    page.set_default_timeout(120_000)
    page.goto("/?q=demo-ct")
    page.locator(".go .button").click()
    page.locator(".cornerstone-canvas").wait_for()
    page.get_by_text("W:").first.wait_for()
    page.wait_for_load_state("networkidle")
    for _ in range(3):
        page.keyboard.press("ArrowDown")


def _upload(page: Page) -> None:
    page.goto("/upload")


def _nodes(page: Page) -> None:
    page.goto("/nodes")


def _query(page: Page) -> None:
    page.goto("/query")


def _activity(page: Page) -> None:
    page.goto("/activity")
    page.locator("#tasks tr").first.wait_for()


def _changes(page: Page) -> None:
    page.goto("/changes")
    page.get_by_role("button", name="Details").first.click()
    page.locator(".before-after").wait_for()


def _commitments(page: Page) -> None:
    page.goto("/commitments")
    page.locator("#rows tr, #none:not([hidden])").first.wait_for()


def _objects(page: Page) -> None:
    page.goto("/objects")
    page.locator("#rows tr, #none:not([hidden])").first.wait_for()


def _retention(page: Page) -> None:
    page.goto("/retention")
    page.locator("#holds tr, #no-holds:not([hidden])").first.wait_for()


def _system(page: Page) -> None:
    page.goto("/system")


def _concurrency(page: Page) -> None:
    page.goto("/concurrency")
    page.locator("#bounds tr").first.wait_for()


def _access(page: Page) -> None:
    page.goto("/access")
    page.locator("#rules tr").first.wait_for()
    page.get_by_label("Roles").fill("reader")
    page.get_by_role("button", name="Tell").click()
    page.locator("#allowed tr").first.wait_for()


def _users(page: Page) -> None:
    page.goto("/users")
    page.locator("#rows tr, #none:not([hidden])").first.wait_for()


def _me(page: Page) -> None:
    page.goto("/me")
    page.locator("#mine:not([hidden]), #nobody:not([hidden])").first.wait_for()


def _login(page: Page) -> None:
    page.goto("/login")


def _docs(page: Page) -> None:
    page.goto("/docs")


def _department(page: Page) -> None:
    page.goto("/department")


def _print(page: Page) -> None:
    page.goto("/print")
    page.get_by_role("button", name="Films").first.click()
    page.locator(".films img").first.wait_for()


def _messages(page: Page) -> None:
    page.goto("/messages")
    page.locator("#state").select_option("")
    page.locator("#rows tr").first.wait_for()


def _worklist(page: Page) -> None:
    page.goto("/worklist")
    page.get_by_role("button", name="Details").first.click()
    page.locator(".facts").wait_for()


def _workitems(page: Page) -> None:
    page.goto("/workitems")
    page.locator("#rows tr").first.wait_for()


def _plugins(page: Page) -> None:
    page.goto("/plugins")
    page.locator("#rows tr").first.wait_for()


def _performed_steps(page: Page) -> None:
    page.goto("/performed-steps")
    page.get_by_role("button", name="Details").first.click()
    page.locator(".below .changed").first.wait_for()


def _deliveries(page: Page) -> None:
    page.goto("/deliveries")
    page.locator("#rows tr").first.wait_for()


def _jobs(page: Page) -> None:
    page.goto("/jobs")
    page.locator("#rows tr").first.wait_for()


def _routing(page: Page) -> None:
    page.goto("/routing")
    page.locator("#rules tr, #no-rules").first.wait_for()


SHOWN: Final = {
    "": ("studies", _studies),
    "studies": ("study", _study),
    "viewer": ("viewer", _viewer),
    "ohif": ("ohif", _ohif),
    "upload": ("upload", _upload),
    "nodes": ("nodes", _nodes),
    "query": ("query", _query),
    "activity": ("activity", _activity),
    "changes": ("changes", _changes),
    "objects": ("objects", _objects),
    "commitments": ("commitments", _commitments),
    "retention": ("retention", _retention),
    "system": ("system", _system),
    "concurrency": ("concurrency", _concurrency),
    "plugins": ("plugins", _plugins),
    "access": ("access", _access),
    "users": ("users", _users),
    "me": ("me", _me),
    "login": ("login", _login),
    "docs": ("docs", _docs),
    "department": ("department", _department),
    "worklist": ("worklist", _worklist),
    "workitems": ("workitems", _workitems),
    "messages": ("messages", _messages),
    "performed-steps": ("performed-steps", _performed_steps),
    "deliveries": ("deliveries", _deliveries),
    "jobs": ("jobs", _jobs),
    "routing": ("routing", _routing),
    "print": ("print", _print),
}
"""For each first segment of the pages' addresses: the name of its picture, and what shows it."""


def write(address: str, user: str, password: str, names: Collection[str]) -> None:
    """Write the pictures of these names, or of each page, as a user sees it."""
    _IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=list(_ARGUMENTS))
        for name, show in SHOWN.values():
            if names and name not in names:
                continue
            page = browser.new_page(base_url=address, color_scheme="dark", viewport={"width": 1280, "height": 720})
            if name != "login":
                page.context.request.post("/login", form={"user": user, "password": password})
            show(page)
            if name != "activity":  # its events never end
                page.wait_for_load_state("networkidle")
            page.screenshot(path=_IMAGES / f"{name}.png")
            page.close()
        browser.close()


if __name__ == "__main__":
    write(sys.argv[1], sys.argv[2], sys.stdin.readline().rstrip("\n"), sys.argv[3:])
