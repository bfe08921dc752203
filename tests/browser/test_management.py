"""Uploading, nodes, and what goes on, as somebody uses them."""

import json
import socket
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from archimage.dicom.demo import demo_files
from archimage.protocol.pdu import Abort
from tests.attacks.server import Server
from tests.attacks.wire import Peer, request
from tests.interop.peers import free_port


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two files that the archive does not have, and one that is no DICOM."""
    found = tmp_path_factory.mktemp("folder")
    for number, file in enumerate(islice(demo_files(14), 2)):
        (found / f"{number}.dcm").write_bytes(file)
    (found / "notes.txt").write_text("not DICOM")
    return found


def test_a_folder_is_uploaded_and_every_file_accounted_for(page: Page, folder: Path) -> None:
    page.goto("/upload")
    page.locator("#folder").set_input_files(folder)
    expect(page.locator("#sum")).to_contain_text("3 of 3 files")
    expect(page.locator("#rows tr")).to_have_count(3)
    expect(page.locator("#rows")).to_contain_text("not DICOM, left out")
    expect(page.locator("#whole")).to_have_js_property("value", 1)


def test_files_are_dropped_and_each_tells_how_far_it_is(page: Page) -> None:
    page.goto("/upload")
    client = page.context.new_cdp_session(page)
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 2_000_000}
    client.send("Network.emulateNetworkConditions", slow)
    page.evaluate(
        """() => {
          const dataTransfer = new DataTransfer();
          for (const name of ["a.bin", "b.bin"]) dataTransfer.items.add(new File([new Uint8Array(3e6)], name));
          const drop = new DragEvent("drop", {dataTransfer, bubbles: true, cancelable: true});
          document.getElementById("drop").dispatchEvent(drop);
        }"""
    )
    bar = page.get_by_role("progressbar", name="Progress of b.bin")
    expect(bar).to_be_visible()
    seen = bar.evaluate(
        """bar => new Promise(resolve => {
          const isOn = () => (bar.value > 0 && bar.value < 1) || !bar.isConnected;
          const look = () => isOn() ? resolve(bar.value) : setTimeout(look, 5);
          look();
        })"""
    )
    assert 0 < seen < 1
    expect(page.locator("#sum")).to_contain_text("2 of 2 files")
    expect(page.locator("#rows")).to_contain_text("not DICOM, left out")


def test_a_node_that_does_not_answer_says_why(browser: Browser, origin: str) -> None:
    page = browser.new_context(base_url=origin).new_page()
    port = free_port()
    page.goto("/nodes")
    page.get_by_label("AE title").fill("SILENT")
    page.get_by_label("Host").fill("127.0.0.1")
    page.get_by_label("Port").fill(str(port))
    page.get_by_label("Description").fill("<b>nobody</b>")
    page.get_by_role("button", name="Add").click()
    page.get_by_role("button", name="Echo SILENT").click()
    expect(page.locator(".said")).to_contain_text(f"cannot connect to SILENT at 127.0.0.1:{port}")
    expect(page.locator("#rows")).to_contain_text("<b>nobody</b>")
    page.get_by_role("button", name="Edit SILENT").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("AE title").fill("back\\slash")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("alert")).to_contain_text("AE title")
    dialog.get_by_label("AE title").fill("STILL_SILENT")
    dialog.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Remove STILL_SILENT").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.locator("#none")).to_be_visible()
    page.context.close()


def test_a_node_that_answers_says_how_fast(page: Page, server: Server) -> None:
    page.goto("/nodes")
    page.get_by_label("AE title").fill("PACS_SCP")
    page.get_by_label("Host").fill("127.0.0.1")
    page.get_by_label("Port").fill(str(server.port))
    page.get_by_role("button", name="Add").click()
    page.get_by_role("button", name="Echo PACS_SCP").click()
    expect(page.locator(".said")).to_contain_text("answers, ")
    page.get_by_role("button", name="Remove PACS_SCP").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.locator("#rows tr")).to_have_count(0)


@pytest.fixture
def node(origin: str, server: Server) -> Iterator[str]:
    """The AE title of a node that answers: the archive itself."""
    with _known(origin, "PACS_SCP", server.port) as known:
        yield known


@contextmanager
def _known(origin: str, ae_title: str, port: int) -> Iterator[str]:
    """Let the archive know a node on this machine for a while."""
    body = json.dumps({"ae_title": ae_title, "host": "127.0.0.1", "port": port}).encode()
    headers = {"Content-Type": "application/json"}
    urllib.request.urlopen(urllib.request.Request(f"{origin}/api/v1/nodes", body, headers), timeout=20)  # noqa: S310
    yield ae_title
    gone = urllib.request.Request(f"{origin}/api/v1/nodes/{ae_title}", method="DELETE")  # noqa: S310 - ours
    urllib.request.urlopen(gone, timeout=20)  # noqa: S310 - ours


def test_a_study_is_sent_and_told_of(page: Page, node: str) -> None:
    page.goto("/?q=demo-mr")
    page.locator("tbody .name").click()
    page.get_by_role("button", name="Send", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("To")).to_have_value(node)
    dialog.get_by_role("button", name="Send", exact=True).click()
    expect(dialog.locator(".words")).to_contain_text("6 images")
    expect(dialog.locator(".words")).to_have_class("words good")


def test_a_study_is_exported_and_downloaded(page: Page) -> None:
    page.goto("/?q=demo-mr")
    page.locator("tbody .name").click()
    page.get_by_text("More…").click()
    page.get_by_role("button", name="Export", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Export", exact=True).click()
    expect(dialog.locator(".words")).to_contain_text("6 written")
    with page.expect_download() as download:
        dialog.get_by_role("link", name="Download the export").click()
    with zipfile.ZipFile(download.value.path()) as found:
        assert len(found.namelist()) == 6
    page.goto("/jobs")
    expect(page.get_by_role("link", name="Download export")).to_be_visible()
    page.get_by_role("button", name="Verify all").click()
    page.get_by_role("dialog").get_by_role("button", name="Verify", exact=True).click()
    expect(page.get_by_role("dialog").locator(".words")).to_contain_text("all as they came")


def test_chosen_studies_that_cannot_be_sent_say_why(page: Page, origin: str) -> None:
    port = free_port()
    with _known(origin, "SILENT", port):
        page.goto("/?q=demo-mr")
        page.get_by_role("checkbox", name="Choose all").check()
        page.get_by_role("toolbar", name="Chosen").get_by_role("button", name="Send").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("button", name="Send", exact=True).click()
        expect(dialog.get_by_role("status")).to_contain_text(f"cannot connect to SILENT at 127.0.0.1:{port}")
        dialog.get_by_role("button", name="Cancel sending").click()  # else it is tried again for hours
        expect(dialog.locator(".words")).to_have_text("It was cancelled.")


def test_sending_without_a_node_leads_to_the_nodes(page: Page) -> None:
    page.goto("/?q=demo-mr")
    page.locator("tbody .name").click()
    page.get_by_role("button", name="Send T1 axial").click()
    page.get_by_role("dialog").get_by_role("link", name="Nodes").click()
    expect(page.get_by_role("heading", name="Remote nodes")).to_be_visible()


def test_what_a_node_keeps_is_found_and_brought_here(page: Page, node: str) -> None:
    page.goto("/nodes")
    page.get_by_role("link", name=f"Search {node}").click()
    page.get_by_label("Name").fill("demo, mr")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("#told")).to_have_text("1 study")
    page.get_by_role("button", name="Series of Demo, MR").click()
    expect(page.locator(".brought li")).to_contain_text(["T1 axial", "T2 axial", "FLAIR sagittal"])
    page.get_by_role("button", name="Retrieve Demo, MR").click()
    expect(page.locator(".words.good")).to_contain_text("6 images")
    page.get_by_role("link", name="Open the study").click()
    expect(page.get_by_role("heading", name="Demo, MR")).to_be_visible()


def test_a_search_of_a_node_that_fails_says_why(browser: Browser, origin: str) -> None:
    page = browser.new_context(base_url=origin).new_page()
    port = free_port()
    with _known(origin, "SILENT", port):
        page.goto("/query?node=SILENT")
        page.get_by_role("button", name="Search").click()
        expect(page.locator("#told")).to_contain_text(f"cannot connect to SILENT at 127.0.0.1:{port}")
    page.context.close()


def test_an_association_is_aborted_only_when_somebody_is_sure(page: Page, server: Server) -> None:
    with Peer.associated(server.port, request(calling="FOREVER")) as peer:
        page.goto("/activity")
        expect(page.locator("#associations")).to_contain_text("FOREVER at 127.0.0.1")
        page.get_by_role("button", name="Abort the association").click()
        page.get_by_role("button", name="Leave it").click()
        assert peer.echo() == 0
        page.get_by_role("button", name="Abort the association").click()
        page.get_by_role("dialog").get_by_role("button", name="Abort").click()
        assert isinstance(peer.receive(), Abort)
        peer.close()
        expect(page.locator("#associations")).to_contain_text("Nobody has an association")
        expect(page.locator("#ended tr").first).to_contain_text("FOREVER at 127.0.0.1: aborted here")


def test_a_task_is_cancelled(page: Page, origin: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, _known(origin, "SILENT", silent.getsockname()[1]):
        page.goto("/?q=demo-mr")
        page.locator("tbody .name").click()
        page.get_by_role("button", name="Send", exact=True).click()
        page.get_by_role("dialog").get_by_role("button", name="Send", exact=True).click()
        page.get_by_role("button", name="Cancel sending").click()
        expect(page.get_by_role("dialog").locator(".words")).to_have_text("It was cancelled.")
        page.goto("/activity")
        expect(page.locator("#tasks tr").first).to_contain_text("cancelled")


def test_what_happens_is_shown_as_it_happens(page: Page, browser: Browser, origin: str) -> None:
    page.goto("/activity")
    expect(page.locator("#associations")).to_contain_text("Nobody has an association")
    other = browser.new_context(base_url=origin).new_page()
    other.goto("/?q=demo-mr")
    other.get_by_role("button", name="Add a label").click()
    other.keyboard.type("seen")
    other.keyboard.press("Enter")
    expect(page.locator("#events")).to_contain_text("has the labels seen")
    other.context.close()
