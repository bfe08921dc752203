"""The study list and a study's page, as somebody uses them."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import HOSTILE_STUDY

_CT = "tbody tr:has-text('DEMO-CT')"


def test_the_list_shows_the_newest_study_first_with_pictures(page: Page) -> None:
    page.goto("/")
    expect(page.locator("tbody tr")).to_have_count(5)
    expect(page.locator("tbody .name").first).to_have_text("Demo, US")
    expect(page.locator(f"{_CT} img")).to_have_js_property("naturalWidth", 112)


def test_typing_narrows_the_list_and_the_address_keeps_it(page: Page) -> None:
    page.goto("/")
    page.keyboard.press("/")
    page.keyboard.type("demo-mr")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page).to_have_url("/?q=demo-mr")
    page.reload()
    expect(page.locator("tbody .name")).to_have_text(["Demo, MR"])
    page.locator("#clear").click()
    expect(page.locator("tbody tr")).to_have_count(5)


def test_filters_and_sorting_change_the_list_without_leaving_the_page(page: Page) -> None:
    page.goto("/")
    page.get_by_label("Modality").select_option("CT")
    expect(page.locator("tbody tr")).to_have_count(2)
    page.get_by_label("From").fill("2000-01-01")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.locator("#clear").click()
    page.get_by_role("link", name="Study date").click()
    expect(page.locator("th[aria-sort=ascending]")).to_contain_text("Study date")
    expect(page.locator("tbody tr").first).to_have_attribute("data-study", HOSTILE_STUDY)


def test_a_search_that_finds_nothing_says_so(page: Page) -> None:
    page.goto("/")
    page.locator("#q").fill("nobody of this name")
    expect(page.get_by_role("heading", name="Nothing fits")).to_be_visible()
    page.get_by_role("link", name="Show all studies").click()
    expect(page.locator("tbody tr")).to_have_count(5)


def test_a_study_is_opened_with_the_keyboard_alone(page: Page) -> None:
    page.goto("/")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Demo, CR")).to_be_visible()


def test_labels_are_given_and_taken(page: Page) -> None:
    page.goto("/")
    page.get_by_role("button", name="Add a label to Demo, CT").click()
    page.keyboard.type("<b>urgent")
    page.keyboard.press("Enter")
    expect(page.locator(f"{_CT} .label a")).to_have_text("<b>urgent")
    page.reload()
    page.locator(f"{_CT} .label a").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("button", name="Remove label <b>urgent").click()
    expect(page.locator(f"{_CT} .label")).to_have_count(0)


def test_tags_are_shown_as_a_tree_and_searched(page: Page) -> None:
    page.goto("/")
    page.locator(f"{_CT} .name").click()
    page.get_by_role("button", name="Tags of").first.click()
    expect(page.locator("#tag-rows")).to_contain_text("(0010,0010)")
    page.locator("#tag-search").fill("patient's name")
    expect(page.locator("#tag-rows tr:visible")).to_have_count(1)
    expect(page.locator("#tag-rows tr:visible")).to_contain_text("Demo^CT")


def test_a_study_is_deleted_only_when_somebody_is_sure(page: Page) -> None:
    page.goto("/?q=demo-cr")
    page.locator("tbody .name").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Keep it").click()
    expect(page.locator("#sure")).to_be_hidden()
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Delete 2 images").click()
    page.wait_for_url("/")
    expect(page.locator("tbody tr")).to_have_count(4)


@pytest.mark.parametrize("path", ["/", f"/studies/{HOSTILE_STUDY}", f"/viewer?study={HOSTILE_STUDY}"])
def test_markup_that_peers_sent_is_text(page: Page, path: str) -> None:
    page.goto(path)
    expect(page.locator("body")).to_contain_text("<script>alert(1)</script>")
    expect(page.locator("plaintext")).to_have_count(0)


def test_hostile_values_in_the_tag_browser_are_text(page: Page) -> None:
    page.goto(f"/studies/{HOSTILE_STUDY}")
    page.get_by_role("button", name="Tags of").click()
    page.locator("#tag-search").fill("(0010,0010)")
    expect(page.locator("#tag-rows tr:visible")).to_have_count(1)
    expect(page.locator("#tag-rows tr:visible")).to_contain_text("<script>alert(1)</script>^\"'><plaintext>")
    expect(page.locator("plaintext")).to_have_count(0)


def test_the_theme_is_remembered(page: Page) -> None:
    page.goto("/")
    before = page.locator("body").evaluate("body => getComputedStyle(body).backgroundColor")
    page.get_by_role("button", name="Light or dark").click()
    page.reload()
    assert page.locator("body").evaluate("body => getComputedStyle(body).backgroundColor") != before
