"""What peers and people sent stays text on every page, and is there to be seen (row 48 of the attacks)."""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from archimage.dicom.encode import encode_elements
from archimage.index.deliveries import DeliveryTable
from archimage.index.jobs import JobTable
from archimage.index.routing import RoutedTable
from archimage.index.sqlite import SqliteIndex
from archimage.model.jobs import NewJob, Origin
from archimage.model.routing import Routed
from archimage.net.conversation import RemoteNode
from archimage.protocol.items import PresentationContext
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN
from archimage.services.datasets import attribute, made
from archimage.services.deliveries import made as sent
from archimage.web.pages.application import SEGMENTS
from tests.attacks.server import Server, wait_until
from tests.attacks.wire import Peer, request
from tests.browser.conftest import HOSTILE, HOSTILE_STUDY
from tests.hl7.sending import code, connected, message, pid, result, tell
from tests.printing.films import Films, modality
from tests.services.stepping import ended, step, without
from tests.workitems import new_item

_SHOWN = "<script>alert(1)</script>"
_SEEN = {
    "",
    "studies",
    "viewer",
    "upload",
    "nodes",
    "query",
    "activity",
    "changes",
    "commitments",
    "worklist",
    "workitems",
    "print",
    "performed-steps",
    "deliveries",
    "jobs",
    "routing",
    "objects",
    "retention",
    "messages",
}
"""First segments of the pages that the tests below look at."""
_OF_THE_ARCHIVE = {"system", "concurrency", "plugins", "access", "users", "me", "login", "docs", "department", "static"}
"""First segments of what shows nothing that a peer sent."""


def expect_text(page: Page, text: str = _SHOWN) -> None:
    """Expect that the text is there, and that it has become no element."""
    expect(page.locator("body")).to_contain_text(text)
    expect(page.locator("plaintext, body script:not([src]), body img[src='x']")).to_have_count(0)


def ask(address: str, method: str, body: object = None) -> None:
    """Ask the management API for a change."""
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(address, data, {"Content-Type": "application/json"}, method=method)  # noqa: S310
    urllib.request.urlopen(asked, timeout=20).close()  # noqa: S310 - our own server


@pytest.fixture
def node(origin: str, server: Server) -> Iterator[str]:
    """A node whose texts are hostile, and that keeps what this archive does: the archive itself."""
    entry = {"ae_title": "PACS_SCP", "host": "127.0.0.1", "port": server.port, "description": HOSTILE}
    ask(f"{origin}/api/v1/nodes", "POST", entry)
    yield "PACS_SCP"
    ask(f"{origin}/api/v1/nodes/PACS_SCP", "DELETE")


def test_every_page_is_looked_at() -> None:
    assert set(SEGMENTS) == _SEEN | _OF_THE_ARCHIVE


@pytest.mark.parametrize("path", ["/", f"/studies/{HOSTILE_STUDY}", f"/viewer?study={HOSTILE_STUDY}"])
def test_names_and_descriptions(page: Page, path: str) -> None:
    page.goto(path)
    expect_text(page)


def test_labels_in_the_list_the_filter_and_the_study(page: Page, origin: str) -> None:
    label = "<img src=x onerror=alert(3)>"
    place = f"{origin}/api/v1/studies/{HOSTILE_STUDY}/labels/{quote(label, safe='')}"
    ask(place, "PUT")
    for path in ("/", f"/?label={quote(label)}", f"/studies/{HOSTILE_STUDY}"):
        page.goto(path)
        expect_text(page, label)
    ask(place, "DELETE")


def test_what_is_chosen(page: Page) -> None:
    page.goto("/?q=HOSTILE")
    page.locator("tbody [name=chosen]").check()
    page.get_by_role("toolbar", name="Chosen").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("dialog")).to_contain_text(_SHOWN)
    expect_text(page)


def test_what_is_typed_into_the_search(page: Page) -> None:
    page.goto(f"/?q={quote(HOSTILE)}")
    expect(page.locator("#q")).to_have_value(HOSTILE)
    expect(page.locator("plaintext")).to_have_count(0)


def test_names_of_files(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "<img src=x onerror=alert(4)>.dcm"
    file.write_bytes(b"nothing")
    page.goto("/upload")
    page.locator("#files").set_input_files(file)
    expect(page.locator("#sum")).to_contain_text("1 of 1 file")
    expect_text(page, file.name)


def test_nodes_and_the_dialog_that_sends_to_them(page: Page, node: str) -> None:
    page.goto("/nodes")
    expect_text(page)
    page.goto(f"/studies/{HOSTILE_STUDY}")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_role("dialog").locator("option")).to_contain_text(_SHOWN)
    page.get_by_role("dialog").get_by_role("button", name="Send", exact=True).click()
    expect(page.locator(".words.good")).to_contain_text("1 image")
    expect_text(page)
    assert node


def test_changes_and_the_dialogs_that_ask_for_them(page: Page, origin: str) -> None:
    wanted = {"kind": "correct-patient", "patient": {"patient_id": "HOSTILE"}, "reason": HOSTILE}
    ask(f"{origin}/api/v1/changes", "POST", wanted | {"attributes": {"PatientComments": HOSTILE}})
    page.goto("/changes")
    expect_text(page)
    page.get_by_role("button", name="Details").click()
    expect(page.locator(".before-after")).to_contain_text(_SHOWN)
    expect_text(page)
    page.goto("/?q=demo-mr")
    page.locator("tbody .name").click()
    page.get_by_text("Correct…").click()
    page.get_by_role("button", name="Move to another patient").click()
    expect(page.locator(".choices").first).to_contain_text(_SHOWN)
    expect_text(page)


def test_objects_without_a_patient(page: Page, server: Server) -> None:
    uid, sop_class = "1.2.826.0.1.3680043.8.499.49", "1.2.840.10008.5.1.4.38.1"
    elements = [(0x00080016, "UI", sop_class.encode()), (0x00080018, "UI", uid.encode())]
    dataset = encode_elements([*elements, (0x00720002, "SH", HOSTILE.encode())], EXPLICIT_VR_LITTLE_ENDIAN)
    contexts = [PresentationContext(1, sop_class, (EXPLICIT_VR_LITTLE_ENDIAN,))]
    with Peer.associated(server.port, request(contexts, calling="ATTACKER")) as peer:
        assert peer.store(uid, dataset, sop_class_uid=sop_class, context_id=1) == 0
        peer.release()
    page.goto("/objects")
    expect(page.locator("#rows")).to_contain_text("ATTACKER")


def test_holds_and_their_reasons(page: Page, origin: str) -> None:
    place = f"{origin}/api/v1/studies/{HOSTILE_STUDY}/hold"
    ask(place, "PUT", {"reason": HOSTILE})
    for path in ("/retention", f"/studies/{HOSTILE_STUDY}"):
        page.goto(path)
        expect_text(page)
    ask(f"{place}?reason=closed", "DELETE")


def test_messages_and_reports(page: Page, server: Server) -> None:
    hostile = HOSTILE.replace("^", "")
    with connected(server) as client:
        tell(client, message("ADT^A08", hostile, pid("", hostile)))
        about = result("HOSTILE", accession="HOSTILE", patient="HOSTILE")
        assert code(tell(client, about.replace("Head CT", hostile).replace("Normal.", hostile))) == "AA"
    page.goto("/messages")
    expect_text(page)
    page.get_by_role("button", name="Text").click()
    expect(page.locator("pre")).to_contain_text(_SHOWN)
    expect_text(page)
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#rows")).to_contain_text("2 tries")
    page.goto(f"/studies/{HOSTILE_STUDY}")
    expect(page.locator(".report")).to_contain_text(_SHOWN)
    expect_text(page)


def test_what_a_node_keeps(page: Page, node: str) -> None:
    page.goto(f"/query?node={node}")
    page.get_by_label("Patient ID").fill("HOSTILE")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("#told")).to_have_text("1 study")
    expect_text(page)
    page.get_by_role("button", name="Series of").click()
    expect(page.locator(".brought")).to_contain_text(_SHOWN)
    expect_text(page)


def test_the_worklist(page: Page, origin: str) -> None:
    when = {"modality": "CT", "station_ae_titles": ["CT1"], "start_date": "20261201", "start_time": "0900"}
    entry = {"patient_name": HOSTILE, "patient_id": HOSTILE[:64], "accession_number": "<b>1</b>", **when}
    ask(f"{origin}/api/v1/worklist", "POST", {**entry, "step_description": "<script>alert(1)</script>"})
    page.goto("/worklist")
    expect_text(page)
    page.get_by_role("button", name="Details").click()
    expect(page.locator("pre")).to_contain_text(_SHOWN)
    expect_text(page)
    page.get_by_role("button", name="Change").click()
    expect(page.get_by_role("dialog")).to_contain_text("Change")
    expect_text(page)


def test_work_items(page: Page, origin: str) -> None:
    hostile = made(attribute(0x00080100, "H"), attribute(0x00080102, "99H"), attribute(0x00080104, _SHOWN))
    model = new_item(HOSTILE[:64]) | made(attribute(0x00100010, HOSTILE), attribute(0x00741204, _SHOWN))
    ask(f"{origin}/dicom-web/workitems", "POST", [model | made(attribute(0x00404025, hostile))])
    page.goto("/workitems")
    expect_text(page)
    page.get_by_role("button", name="Details").click()
    page.get_by_text("Data set").click()
    expect(page.get_by_role("dialog").locator("pre")).to_contain_text(_SHOWN)
    expect_text(page)
    page.get_by_role("button", name="Request cancellation").click()
    expect(page.get_by_role("dialog")).to_contain_text(_SHOWN)
    expect_text(page)


def test_performed_steps(page: Page, origin: str) -> None:
    begun = step(T00100010=HOSTILE, T00100020=_SHOWN, T00400253="<b>1</b>", T00400241="<i>")
    told = {**ended(["1.2.9.1"]), **without(begun, 0x00400340)}
    told["00400340"]["Value"][0] |= made(attribute(0x0008103E, _SHOWN))
    told |= made(attribute(0x00400254, _SHOWN))
    ask(f"{origin}/api/v1/performed-steps", "POST", {"dataset": told})
    page.goto("/performed-steps")
    expect_text(page)
    page.get_by_role("button", name="Details of step").click()
    expect(page.locator(".changed")).to_contain_text(_SHOWN)
    expect_text(page)
    page.get_by_role("button", name="Discontinue step").click()
    expect(page.get_by_role("dialog")).to_contain_text("Discontinue")
    expect_text(page)


def test_routing(page: Page, server: Server) -> None:
    with closing(SqliteIndex(server.directory / "index.db")) as index:
        RoutedTable(index).begin(Routed(HOSTILE, HOSTILE, state="failing", error=HOSTILE, changed_at=1.0))
    page.goto("/routing")
    expect_text(page)


def test_deliveries(page: Page, server: Server) -> None:
    with closing(SqliteIndex(server.directory / "index.db")) as index:
        table = DeliveryTable(index)
        table.add([sent("<img src=x>", HOSTILE, HOSTILE, HOSTILE, 0)])
        table.give_up(table.find(limit=1)[0].id, 1.0, HOSTILE)
    page.goto("/deliveries")
    expect_text(page)
    page.get_by_role("button", name="Remove delivery").click()
    expect(page.get_by_role("dialog")).to_contain_text(_SHOWN)
    expect_text(page)
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.locator("#none")).to_be_visible()


def test_jobs(page: Page, server: Server) -> None:
    with closing(SqliteIndex(server.directory / "index.db")) as index:
        JobTable(index).add([NewJob("<img src=x>", HOSTILE, HOSTILE, HOSTILE)], Origin(), 0.0)
    page.goto("/jobs")
    expect_text(page)
    page.get_by_role("button", name="Cancel job").click()
    expect(page.get_by_role("dialog")).to_contain_text(_SHOWN)
    expect_text(page)
    page.get_by_role("dialog").get_by_role("button", name="Cancel it").click()
    expect(page.get_by_role("button", name="Retry job")).to_be_visible()
    expect_text(page)


def test_peers_and_events(page: Page, server: Server) -> None:
    page.goto("/activity")
    expect(page.locator("#associations")).to_contain_text("Nobody")
    with pytest.raises(ConnectionError):  # such a name is refused, which is told
        Peer.associated(server.port, request(calling="<img src=x>"))
    expect(page.locator("#events")).to_contain_text("<img src=x>")
    expect_text(page, "<img src=x>")


def test_prints(page: Page, origin: str, server: Server) -> None:
    with modality(RemoteNode("PACS_SCP", "127.0.0.1", server.port)) as printing:
        printing.begin(FilmSessionLabel=HOSTILE)
        printing.film()
        _, job = printing.print()
    assert wait_until(lambda: Films(origin).job(job)["state"] == "done", 30)
    page.goto("/print")
    expect_text(page)
    page.get_by_role("button", name="Films").first.click()
    expect(page.locator(".films img")).to_have_count(1)
    expect_text(page)
