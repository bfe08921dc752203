"""The study list and a study's page, as somebody uses them."""

import zipfile

import pytest
from playwright.sync_api import Page, Route, expect

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


def test_pictures_and_the_number_of_studies_follow_once_the_typing_pauses(page: Page) -> None:
    def uncounted(route: Route) -> None:
        """Let the list come as it does where there are thousands."""
        answer = route.fetch()
        text = answer.text().replace('<section id="list"', '<section data-uncounted id="list"')
        route.fulfill(response=answer, body=text.replace("<strong>1</strong>", "more than <strong>2,000</strong>"))

    page.goto("/")
    page.route("**/?*part=list*", uncounted)
    page.locator("#q").fill("demo-mr")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator(".count")).to_have_text("1 study")
    expect(page.locator("#list")).not_to_have_attribute("data-uncounted", "")
    expect(page.locator("tbody img")).to_have_js_property("naturalWidth", 112)


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


def test_labels_are_given_on_the_page_of_a_study_too(page: Page) -> None:
    page.goto("/?q=demo-us")
    page.locator("tbody .name").click()
    page.get_by_role("button", name="Add a label to Demo, US").click()
    page.keyboard.type("teaching")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Remove label teaching").click()
    expect(page.locator(".labels .label")).to_have_count(0)


def test_what_is_chosen_stays_chosen_over_searches_and_is_labelled_at_once(page: Page) -> None:
    page.goto("/?q=demo-mr")
    page.get_by_role("checkbox", name="Choose Demo, MR").check()
    page.locator("#q").fill("demo-us")
    page.get_by_role("checkbox", name="Choose Demo, US").check()
    expect(page.locator("#chosen-told")).to_have_text("2 studies chosen")
    page.get_by_role("toolbar", name="Chosen").get_by_role("button", name="Label").click()
    page.get_by_label("Label", exact=True).last.fill("both")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("#notices")).to_contain_text("2 studies")
    page.goto("/?label=both")
    expect(page.locator("tbody .name")).to_have_text(["Demo, US", "Demo, MR"])


def test_all_of_a_page_are_chosen_and_left_at_once(page: Page) -> None:
    page.goto("/")
    page.get_by_role("checkbox", name="Choose all").check()
    expect(page.locator("#chosen-told")).to_have_text("5 studies chosen")
    expect(page.get_by_role("button", name="Move to a tier")).to_have_count(0)  # the settings name none
    page.get_by_role("checkbox", name="Choose Demo, MR").uncheck()
    expect(page.locator("#all")).to_have_js_property("indeterminate", True)
    page.get_by_role("button", name="Choose none").click()
    expect(page.locator("#chosen")).to_be_hidden()
    expect(page.locator("[name=chosen]:checked")).to_have_count(0)


def test_all_studies_that_are_chosen_are_downloaded_as_one_archive(page: Page) -> None:
    page.goto("/?q=demo-c")
    page.get_by_role("checkbox", name="Choose all").check()
    with page.expect_download() as download:
        page.get_by_role("toolbar", name="Chosen").get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == "studies.zip"
    with zipfile.ZipFile(download.value.path()) as archive:
        assert len({name.partition("/")[0] for name in archive.namelist()}) == page.locator("[name=chosen]").count() > 1


def test_an_image_is_chosen_by_its_place_for_its_tags(page: Page) -> None:
    page.goto("/?q=demo-ct")
    page.locator("tbody .name").click()
    page.get_by_role("button", name="Tags of").first.click()
    expect(page.locator("#instances")).to_have_text("of 12")
    page.locator("#tag-search").fill("(0020,0013)")
    expect(page.locator("#tag-rows tr:visible")).to_have_count(1)
    expect(page.locator("#tag-rows tr:visible")).to_contain_text("1")
    page.locator("#instance").fill("7")
    expect(page.locator("#tag-rows tr:visible")).to_contain_text("7")


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


def test_a_series_is_deleted_and_its_study_with_the_last(page: Page) -> None:
    page.goto("/?q=demo-mr")
    page.locator("tbody .name").click()
    page.get_by_role("button", name="Delete T1 axial").click()
    page.get_by_role("button", name="Keep it").click()
    for title, left in (("T1 axial", 2), ("T2 axial", 1)):
        page.get_by_role("button", name=f"Delete {title}").click()
        page.get_by_role("button", name="Delete 2 images").click()
        expect(page.locator(".strip")).to_have_count(left)
        expect(page.get_by_role("button", name=f"Delete {title}")).to_have_count(0)
    page.get_by_role("button", name="Delete FLAIR sagittal").click()
    page.get_by_role("button", name="Delete 2 images").click()
    page.wait_for_url("/")
    expect(page.locator("tbody tr")).to_have_count(3)


def test_chosen_studies_are_deleted_only_when_somebody_is_sure(page: Page) -> None:
    page.goto("/?q=demo-us")
    page.get_by_role("checkbox", name="Choose all").check()
    page.get_by_role("toolbar", name="Chosen").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("dialog")).to_contain_text("Demo, US")
    page.get_by_role("button", name="Keep them").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("toolbar", name="Chosen").get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete 1 study").click()
    expect(page.get_by_role("heading", name="Nothing fits")).to_be_visible()
    expect(page.locator("#chosen")).to_be_hidden()


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
