"""The page of plugins: why one is disabled, and that it is enabled and disabled by people."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.attacks.server import Server, running
from tests.browser.conftest import HOSTILE
from tests.plugins.asking import is_in_state
from tests.plugins.authored import write

_GOOD = "def on_query(query): ...\n"


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of plugins, one of which cannot be loaded and says so with markup."""
    folder = tmp_path_factory.mktemp("plugins")
    write(folder, "good", _GOOD)
    write(folder, "mended", f"raise ValueError({HOSTILE!r})\n")
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, plugins: Path) -> Iterator[Server]:
    """A server with these plugins."""
    settings = {"plugins__directory": plugins, "plugins__failures_allowed": 1}
    with running(tmp_path_factory.mktemp("browser") / "data", settings=settings) as found:
        yield found


def test_plugins_are_shown_enabled_and_disabled(page: Page, server: Server, plugins: Path) -> None:
    assert is_in_state(server, "mended", "disabled")
    page.goto("/plugins")
    rows = page.locator("#rows tr")
    expect(rows).to_have_count(2)
    expect(rows.nth(1)).to_contain_text("disabled")
    expect(rows.nth(1)).to_contain_text(f"ValueError: {HOSTILE}")
    expect(page.locator("plaintext, body script:not([src])")).to_have_count(0)
    write(plugins, "mended", _GOOD)
    page.get_by_role("button", name="Enable mended").click()
    expect(page.get_by_role("button", name="Disable mended")).to_be_visible()
    page.get_by_role("button", name="Disable good").click()
    page.get_by_role("dialog").get_by_role("button", name="Disable").click()
    expect(rows.nth(0)).to_contain_text("somebody disabled it")
    assert is_in_state(server, "mended", "ready")
    page.reload()
    expect(rows.nth(0)).to_contain_text("disabled")
    expect(rows.nth(1)).to_contain_text("on_query")


def test_the_page_of_the_system_leads_to_it(page: Page) -> None:
    page.goto("/system")
    page.get_by_role("link", name="Plugins, how they fare").click()
    expect(page.locator("h1")).to_have_text("Plugins")
