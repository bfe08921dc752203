"""The system's page, and that of what programs may ask for, as somebody uses them."""

import json
import subprocess

from playwright.sync_api import Page, expect

from archimage import __version__
from archimage.web import description
from tests.interop.peers import tool


def _operations() -> int:
    described = description.of_both()["paths"].values()
    return sum(len(methods) for methods in described)


def test_the_system_says_how_it_is_and_how_it_is_set(page: Page) -> None:
    page.goto("/")
    page.get_by_role("link", name="System").click()
    parts = [f"{part}: ok" for part in ("disk", "index", "intake", "running", "checkpoint", "audit", "objects")]
    expect(page.locator("#health li")).to_have_text(["Everything together: ok", *parts])
    expect(page.locator("#server")).to_contain_text(f"archimage {__version__}")
    expect(page.locator("#storage")).to_contain_text("Studies5")
    expect(page.locator("#growth")).to_contain_text("Came in a day")
    expect(page.locator("#growth")).to_contain_text("objects, ")
    expect(page.locator("#versions")).to_contain_text("pydicom")
    expect(page.locator("#room")).not_to_have_js_property("value", 0)
    expect(page.locator("#settings tr", has_text="dicom.port").first).to_contain_text("0default: 11112flag--dicom-port")
    page.get_by_label("Search settings").fill("journal")
    expect(page.locator("#settings tr")).to_have_count(4)
    page.get_by_label("Only what was set").check()
    expect(page.locator("#none")).to_be_visible()


def test_every_operation_is_listed_found_and_opened(page: Page) -> None:
    page.goto("/system")
    page.get_by_role("link", name="Every operation").click()
    operations = _operations()
    expect(page.locator("#count")).to_have_text(f"{operations} of {operations} operations")
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    expect(page.locator(".inside .curl")).to_have_count(operations)
    page.get_by_label("Search operations").fill("delete studies")
    expect(page.locator("#count")).not_to_contain_text(f"{operations} of {operations}")
    expect(page.locator("summary:visible", has_text="/api/v1/studies/{study_uid}").first).to_be_visible()
    assert page.locator("summary:visible").count() < operations / 4


def test_what_only_reads_can_be_tried_and_its_curl_gives_the_same(page: Page) -> None:
    page.goto("/docs")
    operation = page.locator("details", has=page.locator("summary code", has_text="/api/v1/studies").first).first
    operation.locator("summary").click()
    operation.get_by_label("limit").fill("1")
    operation.get_by_label("patient_name").fill("Demo^*")
    operation.get_by_role("button", name="Try it").click()
    expect(operation.locator(".answer strong")).to_have_text("200 OK")
    shown = json.loads(operation.locator(".answer pre").inner_text())
    command = operation.locator(".curl").inner_text()
    tool("curl")
    copied = subprocess.run(["bash", "-c", f"{command} -sS"], capture_output=True, timeout=30, check=True)
    assert json.loads(copied.stdout) == shown
    assert (len(shown["items"]), shown["total"]) == (1, 4)


def test_a_picture_is_shown_and_a_stream_is_left_in_time(page: Page) -> None:
    page.goto("/docs")
    uids = page.evaluate(
        "fetch('/api/v1/studies?q=demo-cr').then((one) => one.json()).then((one) => one.items[0].study_instance_uid)"
    )
    operation = page.locator("details[id='GET/dicom-web/studies/{study}/thumbnail']")
    operation.locator("summary").click()
    operation.get_by_role("button", name="Try it").click()
    expect(operation.locator(".answer")).to_have_count(0)  # the study is required
    operation.get_by_label("study").fill(uids)
    operation.get_by_role("button", name="Try it").click()
    expect(operation.locator("canvas")).to_be_visible()
    events = page.locator("details[id='GET/api/v1/events']")
    events.locator("summary").click()
    events.get_by_role("button", name="Try it").click()
    expect(events.locator(".answer")).to_contain_text("so far, and more", timeout=20_000)


def test_an_example_of_what_is_sent_is_written_as_curl(page: Page) -> None:
    page.goto("/docs")
    operation = page.locator("details[id='POST/api/v1/nodes']")
    operation.locator("summary").click()
    command = operation.locator(".curl")
    expect(command).to_contain_text('-H \'Content-Type: application/json\' -d \'{"ae_title":"WORKSTATION"')
    expect(operation.get_by_role("button", name="Try it")).to_have_count(0)
