"""Legal holds and rules of retention as somebody meets them on pages."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.attacks.server import Server, running
from tests.browser.conftest import upload
from tests.services.compressing import image
from tests.web.stowing import part10

STUDY, SERIES = 0x0020000D, 0x0020000E
RULES = """
[retention]
spare_days = 0

[[retention.rule]]
name = "CT goes"
action = "delete"
modalities = ["CT"]
"""


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of two studies, and a rule that lets both go."""
    data = tmp_path_factory.mktemp("retention") / "data"
    data.mkdir()
    warm = f'[tiers.warm]\ndirectory = "{data.parent / "warm"}"\n'
    (data / "archimage.toml").write_text(RULES + warm)
    with running(data) as found:
        for study in ("1.2.3.1", "1.2.3.2"):
            replaced = {STUDY: study.encode(), SERIES: f"{study}.1".encode()}
            uid = f"{study}.1.1"
            upload(found.http_port, part10(image(uid, replaced=replaced), uid))
        yield found


@pytest.fixture
def origin(server: Server) -> str:
    """Where the pages are."""
    return f"http://127.0.0.1:{server.http_port}"


def test_what_is_on_hold_survives_the_rules_and_can_be_deleted_once_it_is_released(page: Page) -> None:
    page.goto("/studies/1.2.3.1")
    page.get_by_role("button", name="Place on hold").click()
    page.get_by_label("Reason").fill("Case 7")
    page.get_by_role("dialog").get_by_role("button", name="Place on hold").click()
    expect(page.get_by_role("button", name="Release")).to_be_visible()
    expect(page.get_by_role("button", name="Delete", exact=True)).to_be_disabled()

    page.goto("/retention")
    page.get_by_role("button", name="What would go now?").click()
    expect(page.locator("#plan-sum")).to_contain_text("1 of 2 studies")
    expect(page.locator("#studies")).to_contain_text("stays: on legal hold")
    page.get_by_role("button", name="Carry out now").click()
    page.get_by_role("dialog").get_by_role("button", name="Carry out").click()
    expect(page.locator("#runs")).to_contain_text("done", timeout=20_000)
    expect(page.locator("#runs")).to_contain_text("1 on hold")

    page.goto("/")
    expect(page.locator("tbody .name")).to_have_count(1)
    page.goto("/retention")
    page.get_by_role("button", name="Release study 1.2.3.1").click()
    page.get_by_label("Reason").fill("closed")
    page.get_by_role("dialog").get_by_role("button", name="Release", exact=True).click()
    expect(page.locator("#no-holds")).to_be_visible()
    page.goto("/studies/1.2.3.1")
    expect(page.get_by_role("button", name="Delete", exact=True)).to_be_enabled()


def test_a_study_is_moved_to_a_tier_and_back(page: Page) -> None:
    page.goto("/studies/1.2.3.1")
    for tier in ("warm", "hot"):
        page.get_by_text("More…").click()
        page.get_by_role("button", name="Move to a tier").click()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_label("Tier")).to_have_value(tier)
        dialog.get_by_role("button", name="Move", exact=True).click()
        expect(dialog.locator(".words")).to_contain_text("1 moved", timeout=20_000)
        page.reload()
        expect(page.get_by_text("Lies in tier")).to_have_count(int(tier == "warm"))


def test_all_studies_that_are_chosen_are_moved_to_a_tier_and_back(page: Page) -> None:
    for tier, lie_elsewhere in (("warm", 1), ("hot", 0)):
        page.goto("/")
        page.get_by_role("checkbox", name="Choose all").check()
        page.get_by_role("toolbar", name="Chosen").get_by_role("button", name="Move to a tier").click()
        dialog = page.get_by_role("dialog", name="Move 2 studies to a tier")
        expect(dialog.get_by_label("Tier")).to_have_value("warm")
        dialog.get_by_label("Tier").select_option(tier)
        dialog.get_by_role("button", name="Move", exact=True).click()
        expect(dialog.locator(".words")).to_contain_text("2 moved", timeout=20_000)
        for study in ("1.2.3.1", "1.2.3.2"):
            page.goto(f"/studies/{study}")
            expect(page.get_by_text("Lies in tier")).to_have_count(lie_elsewhere)
