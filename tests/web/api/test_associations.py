"""Associations over HTTP: told as they are and where their time goes, and aborted; and what the log says of each."""

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from archimage.protocol.command import CommandField
from archimage.protocol.pdu import Abort
from archimage.protocol.uids import STUDY_ROOT_MOVE
from tests.attacks.datasets import dataset, identifier, new_uid, one_image
from tests.attacks.server import running, wait_until
from tests.attacks.wire import CT_CONTEXT, MOVE_CONTEXT, Peer, querying, request
from tests.interop.managing import Api
from tests.interop.peers import Served, free_port, serve_both


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Our server as a process."""
    with serve_both(tmp_path_factory.mktemp("archive") / "data") as served:
        yield served


def test_an_open_association_is_listed_and_aborted(ours: Served) -> None:
    api = Api(ours.dicomweb_url)
    assert api.ask("GET", "/associations").json == []
    with Peer.associated(ours.node.port) as peer:
        assert peer.echo() == 0
        (found,) = api.ask("GET", "/associations").json
        assert (found["calling_ae_title"], found["called_ae_title"]) == ("ATTACKER", "PACS_SCP")
        assert (found["address"], found["state"], found["last_operation"]) == ("127.0.0.1", "open", "C-ECHO-RQ")
        assert (found["operations"], found["running"]) == (1, 0)
        assert found["received_bytes"] > 0
        assert found["sent_bytes"] > 0
        assert found["age_s"] > 0
        assert api.ask("DELETE", f"/associations/{found['id']}").status == 204
        assert peer.receive() == Abort(0, 0)
    assert wait_until(lambda: api.ask("GET", "/associations").json == [], 20.0)


@pytest.mark.parametrize(("association_id", "status"), [("1-999", 404), ("x", 400), ("1-1%0d", 400)])
def test_what_is_not_open_cannot_be_aborted(ours: Served, association_id: str, status: int) -> None:
    answer = Api(ours.dicomweb_url).ask("DELETE", f"/associations/{association_id}")
    assert answer.status == status
    assert set(answer.json) == {"error", "next"}


def _ended(api: Api, calling_ae_title: str) -> list[Any]:
    return [one for one in api.ask("GET", "/associations/ended").json if one["calling_ae_title"] == calling_ae_title]


def test_where_the_time_of_an_association_went_is_told_while_it_is_open_and_after(ours: Served) -> None:
    api, pause = Api(ours.dicomweb_url), threading.Event()
    objects = [(uid, dataset(uid, pixels=bytes(200_000))) for uid in (new_uid(), new_uid())]
    with Peer(ours.node.port) as peer:
        pause.wait(0.1)
        peer.associate(querying_as("TIMED"))
        pause.wait(0.2)
        for uid, data in objects:
            peer.begin_store(uid)
            pause.wait(0.15)
            peer.send_dataset(CT_CONTEXT, data)
            assert peer.status() == 0
        (one,) = [one for one in api.ask("GET", "/associations").json if one["calling_ae_title"] == "TIMED"]
        open_now = one["timing"]
        assert open_now["send_s"] == 0
        assert peer.get(one_image(objects[0][0]))[1] == 0
        peer.release()
    assert wait_until(lambda: len(_ended(api, "TIMED")) == 1, 20.0)
    (ended,) = _ended(api, "TIMED")
    timing = ended["timing"]
    assert ended["id"] == one["id"]
    assert 0.05 <= timing["negotiation_s"] < 5  # the server may hear late of what the peer does
    assert 0.1 <= timing["first_byte_s"] < 5
    assert 0.2 <= timing["receive_s"] < 5
    for part in ("wait_s", "sync_s", "index_s", "send_s"):
        assert 0 < timing[part] < 5, part
    assert all(timing[part] == value for part, value in open_now.items() if part != "send_s")
    assert (ended["operations"], ended["last_operation"], ended["reason"]) == (3, "C-GET-RQ", "")
    assert timing["first_byte_s"] + timing["receive_s"] + timing["sync_s"] <= ended["duration_s"] < 10
    assert ended["received_bytes"] > 400_000
    assert ended["sent_bytes"] > 200_000


def querying_as(calling: str) -> Any:
    """Return a request for everything, by an AE title."""
    asked = querying()
    return type(asked)(asked.called_ae_title, calling, asked.contexts, asked.user_information)


def test_one_without_a_request_has_no_first_byte(ours: Served) -> None:
    api = Api(ours.dicomweb_url)
    with Peer.associated(ours.node.port, request(calling="SILENT")) as peer:
        peer.send(Abort(0, 0))
    assert wait_until(lambda: len(_ended(api, "SILENT")) == 1, 20.0)
    (ended,) = _ended(api, "SILENT")
    assert ended["timing"]["first_byte_s"] is None
    assert (ended["operations"], ended["reason"]) == (0, "aborted by the peer")


def test_only_the_last_hundred_are_remembered_the_newest_first(ours: Served) -> None:
    api = Api(ours.dicomweb_url)
    for number in range(105):
        with Peer.associated(ours.node.port, request(calling=f"N{number}")) as peer:
            peer.release()
    assert wait_until(lambda: bool(_ended(api, "N104")), 20.0)
    titles = [one["calling_ae_title"] for one in api.ask("GET", "/associations/ended").json]
    assert titles == [f"N{number}" for number in range(104, 4, -1)]


def test_every_line_of_an_association_carries_its_id_and_one_closes_it(tmp_path: Path) -> None:
    with running(tmp_path / "data", ("--node", f"GONE=127.0.0.1:{free_port()}")) as server:
        api = Api(f"http://127.0.0.1:{server.http_port}")
        uid = new_uid()
        with Peer.associated(server.port, querying_as("MODALITY")) as peer:
            (one,) = api.ask("GET", "/associations").json
            assert peer.store(uid, dataset(uid)) == 0
            assert peer.store(new_uid(), dataset(new_uid())) != 0  # refused before it is written
            assert peer.store(uid, dataset(uid, pixels=b"others")) != 0  # refused by the intake
            assert peer.find(identifier("NONSENSE", {}))[1] != 0
            peer.ask(CommandField.C_MOVE_RQ, MOVE_CONTEXT, STUDY_ROOT_MOVE, one_image(uid), move_destination="GONE")
            assert peer.status() != 0
            peer.send(b"\xff" * 12)
            peer.receive()
        with Peer(server.port) as peer:
            peer.associate(request(calling="A\x1b[31m=1\nlevel"))
        assert wait_until(lambda: "association rejected" in server.log and "association closed" in server.log, 20.0)
        lines = [line for line in server.log.splitlines() if not line.startswith("ready ")]
    events = {re.findall(r'event="?([\w ]+)', line)[0] for line in lines}
    assert events == {
        "object refused",
        "request refused",
        "sending failed",
        "association aborted",
        "association closed",
        "association rejected",
    }
    assert all(line.isprintable() for line in lines)
    ids = [re.findall(r" association=(\S+)", line) for line in lines]
    assert all(len(found) == 1 for found in ids), lines
    assert len({found[0] for found in ids}) == 2
    (closing,) = [line for line in lines if "association closed" in line]
    assert f" association={one['id']} " in closing
    assert " calling=MODALITY " in closing
    assert " operations=5 " in closing
    for part in ("negotiation_s", "first_byte_s", "receive_s", "wait_s", "sync_s", "index_s", "send_s", "duration_s"):
        assert re.search(rf" {part}=[0-9.e-]+( |$)", closing), part
    assert 'reason="the peer broke the protocol' in closing
