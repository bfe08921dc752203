"""Users in a browser: logging in and out, looking after others and oneself, and sharing a study."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from archimage.app import build
from archimage.config import Config, StorageConfig
from archimage.dicom.demo import demo_files
from archimage.services.accounts import UserChange
from tests.attacks.server import Server, running
from tests.browser.conftest import upload

PASSWORD = "four words nobody expects"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Server]:
    """A server with a study, an administrator and a reader."""
    directory = tmp_path / "data"
    with running(directory) as server:
        upload(server.http_port, next(iter(demo_files(2))))
    with closing(build(Config(storage=StorageConfig(directory=directory)))) as app:
        app.identity.users.add("root", UserChange(PASSWORD, ["administrator"]))
        app.identity.users.add("ann", UserChange(PASSWORD, ["reader"]))
    with running(directory) as server:
        yield server


@pytest.fixture
def page(browser: Browser, served: Server) -> Iterator[Page]:
    """A page of a new visitor."""
    context = browser.new_context(base_url=f"http://127.0.0.1:{served.http_port}")
    yield context.new_page()
    context.close()


def log_in(page: Page, user: str, password: str = PASSWORD) -> None:
    """Fill in the page that is shown."""
    page.get_by_label("User").fill(user)
    page.get_by_label("Password").fill(password)
    page.get_by_role("main").get_by_role("button", name="Log in").click()


def test_who_logs_in_is_led_to_where_he_wanted_to_be_and_can_log_out(page: Page) -> None:
    page.goto("/me")
    expect(page.get_by_text("Nobody has logged in here.")).to_be_visible()
    page.goto("/?q=demo")
    log_in(page, "ann", "not the right one")
    expect(page.get_by_role("alert")).to_contain_text("wrong")
    log_in(page, "ann")
    expect(page).to_have_url("/?q=demo")
    page.get_by_role("link", name="ann", exact=True).click()
    expect(page.locator("#roles")).to_have_text("Roles: reader")
    expect(page.locator("#sessions tr")).to_have_count(1)
    page.get_by_role("button", name="Log out").click()
    expect(page).to_have_url("/login")
    page.goto("/?q=demo")
    expect(page).to_have_url("/login?next=%2F%3Fq%3Ddemo")


def test_an_administrator_enters_changes_and_removes_a_user(page: Page) -> None:
    page.goto("/users")
    log_in(page, "root")
    page.get_by_label("Name", exact=True).fill("carl")
    page.get_by_label("Password").fill("short")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_text("shorter than 12 characters")).to_be_visible()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Roles").fill("reader, editor")
    page.get_by_label("Description").fill("<b>Carl</b>")
    page.get_by_role("button", name="Add").click()
    row = page.locator("#rows tr", has_text="carl")
    expect(row).to_contain_text("editor, reader")
    expect(row).to_contain_text("<b>Carl</b>")
    page.get_by_role("button", name="Edit carl").click()
    page.get_by_label("Disabled").check()
    page.get_by_role("button", name="Save").click()
    expect(row).to_contain_text("disabled")
    page.get_by_role("button", name="Remove carl").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(row).to_have_count(0)


def test_somebody_looks_after_his_password_and_his_tokens(page: Page) -> None:
    page.goto("/me")
    page.get_by_role("main").get_by_role("link", name="Log in").click()
    log_in(page, "ann")
    expect(page).to_have_url("/me")
    page.get_by_label("Password now").fill(PASSWORD)
    page.get_by_label("Another one").fill("four others nobody expects")
    page.get_by_label("Once more").fill("four others nobody expects")
    page.get_by_role("button", name="Change").click()
    expect(page.get_by_text("This is your password now.")).to_be_visible()
    page.get_by_label("What it is for").fill("a script")
    page.get_by_role("button", name="Issue").click()
    secret = page.get_by_role("textbox", name="Token a script").input_value()
    page.get_by_role("button", name="Close").click()
    told = page.context.request.get("/api/v1/me", headers={"Authorization": f"Bearer {secret}"}).json()
    assert told["token"] == "a script"
    page.get_by_role("button", name="Revoke a script").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("You have none.")).to_be_visible()


def test_a_study_is_shared_and_whoever_has_the_link_sees_it_alone(page: Page, browser: Browser) -> None:
    page.goto("/")
    log_in(page, "ann")
    page.locator("tbody .name").first.click()
    page.get_by_role("button", name="Share").click()
    page.get_by_role("button", name="Make a link").click()
    link = page.get_by_role("textbox", name="Link to this study").input_value()
    context = browser.new_context(base_url=link.partition("/share/")[0])
    visitor = context.new_page()
    visitor.goto(link)
    visitor.wait_for_url("**/viewer?study=*")
    expect(visitor.locator(".se").first).to_be_attached()
    assert visitor.context.request.get("/api/v1/users").status == 403
    context.close()
