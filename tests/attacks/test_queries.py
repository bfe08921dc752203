"""Queries and retrievals made to hurt: metacharacters, bombs, endless lists, unknown destinations, peers that stop."""

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from archimage.index.sqlite import SqliteIndex
from archimage.model.records import InstanceRecord
from archimage.net.dispatch import Incoming, Operation, ServiceClass
from archimage.protocol.command import CommandField, c_cancel_rq
from archimage.protocol.negotiation import ANY, SupportedContext
from archimage.protocol.status import Status, is_pending
from archimage.protocol.uids import STUDY_ROOT_FIND, STUDY_ROOT_GET, STUDY_ROOT_MOVE
from tests.attacks.datasets import (
    PATIENT_ID,
    PATIENT_NAME,
    STUDY_INSTANCE_UID,
    dataset,
    identifier,
    new_uid,
)
from tests.attacks.server import Server, running, wait_until
from tests.attacks.wire import CT, FIND_CONTEXT, GET_CONTEXT, MOVE_CONTEXT, Peer, querying
from tests.net.background import listening

_STUDIES = 20_000
_LIMIT = 15_000
_PATIENCE_S = 3
_SETTINGS = {
    "dicom__idle_timeout_s": _PATIENCE_S,
    "dicom__artim_timeout_s": 1,
    "query__max_results": _LIMIT,
    "nodes": "KNOWN=127.0.0.1:1",
}


def _record(number: int) -> InstanceRecord:
    values = {
        "patient_id": f"ID{number}",
        "patient_name": f"Many^{number}",
        "study_instance_uid": f"1.2.9.{number}",
        "series_instance_uid": f"1.2.9.{number}.1",
        "sop_instance_uid": f"1.2.9.{number}.1.1",
        "sop_class_uid": CT,
        "modality": "CT",
    }
    return InstanceRecord(values, "1.2.840.10008.1.2.1", f"{number}.dcm", 1, 0, secrets.token_bytes(16), 0.0, "")


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose index knows of many studies, none of which has a file."""
    directory = tmp_path_factory.mktemp("queries") / "one" / "two" / "data"
    with closing(SqliteIndex(directory / "index.db")) as index:
        for start in range(0, _STUDIES, 1_000):
            index.add([_record(number) for number in range(start, start + 1_000)])
    with running(directory, settings=_SETTINGS) as server:
        yield server


@pytest.fixture
def server(process: Server) -> Iterator[Server]:
    """The module's server, which goes on answering."""
    process.echo()
    before = process.footprint()
    yield process
    process.check_answers(before)


@pytest.fixture
def peer(server: Server) -> Iterator[Peer]:
    """An association for queries."""
    with Peer.associated(server.port, querying(), timeout_s=30.0) as peer:
        yield peer


def _study(**keys: tuple[str, bytes]) -> bytes:
    tags = {"patient_id": PATIENT_ID, "patient_name": PATIENT_NAME, "study": STUDY_INSTANCE_UID}
    return identifier("STUDY", {STUDY_INSTANCE_UID: ("UI", b"")} | {tags[name]: key for name, key in keys.items()})


# Row 38.


@pytest.mark.parametrize(
    "text",
    [b"' OR 1=1 --", b"'; DROP TABLE study; --", b'" OR ""="', b"%", b"_D1", b"ID1%", b"[a-z]", b"ID1' UNION SELECT 1"],
    ids=repr,
)
def test_what_means_something_to_sql_is_literal(peer: Peer, text: bytes) -> None:
    assert peer.find(_study(patient_id=("LO", text))) == ([], 0)
    assert len(peer.find(_study(patient_id=("LO", b"ID1")))[0]) == 1


@pytest.mark.parametrize("pattern", [b"*a" * 30, b"*?" * 30 + b"x", b"?*" * 1_000 + b"!", b"*" * 4_000 + b"!"], ids=len)
def test_a_wildcard_bomb_is_answered_in_time(peer: Peer, pattern: bytes) -> None:
    started = time.monotonic()
    matches, status = peer.find(_study(patient_name=("PN", pattern)))
    assert (matches, status in (Status.SUCCESS, Status.OUT_OF_RESOURCES, Status.IDENTIFIER_MISMATCH)) == ([], True)
    assert time.monotonic() - started <= 5


def test_a_list_of_ten_thousand_uids_is_answered_or_refused(peer: Peer) -> None:
    uids = "\\".join(f"1.2.9.{number}" for number in range(10_000)).encode()[:65_534].rsplit(b"\\", 1)[0]
    matches, status = peer.find(_study(study=("UI", uids)))
    if status:
        assert status in (Status.OUT_OF_RESOURCES, Status.IDENTIFIER_MISMATCH)
    else:
        assert len(matches) == uids.count(b"\\") + 1


def test_more_matches_than_the_limit_end_in_a_refusal(peer: Peer) -> None:
    matches, status = peer.find(_study())
    assert (len(matches), status) == (_LIMIT, Status.OUT_OF_RESOURCES)


@pytest.mark.parametrize("data", [b"\xff" * 64, b"\0" * 7, b"\x08\0\x52\0CS\xff\xff", bytes(1 << 21)], ids=len)
def test_an_identifier_that_is_none_is_refused(peer: Peer, data: bytes) -> None:
    matches, status = peer.find(data)
    assert matches == []
    assert status in (Status.UNABLE_TO_PROCESS, Status.IDENTIFIER_MISMATCH, Status.OUT_OF_RESOURCES)
    assert peer.echo() == 0


def test_a_cancelled_query_ends_within_a_second(peer: Peer) -> None:
    message_id = peer.ask(CommandField.C_FIND_RQ, FIND_CONTEXT, STUDY_ROOT_FIND, _study())
    assert is_pending(peer.status())
    peer.send_command(FIND_CONTEXT, c_cancel_rq(message_id), has_dataset=False)
    started = time.monotonic()
    answered = 0
    while is_pending(status := peer.status()):
        answered += 1
    assert (status, answered < _LIMIT - 1) == (Status.CANCEL, True)
    assert time.monotonic() - started <= 1
    assert peer.echo() == 0


class _Silent(Operation):
    """A C-STORE that is never answered; begun tells that its data set has come."""

    def __init__(self, begun: threading.Event) -> None:
        self._begun = begun

    def add(self, _data: memoryview, *, last: bool) -> None:
        """Take nothing."""
        if last:
            self._begun.set()

    async def settle(self) -> None:
        """Do nothing."""

    def abandon(self) -> None:
        """Do nothing."""


def test_a_cancelled_move_ends_within_a_second_though_its_destination_says_nothing(tmp_path: Path) -> None:
    begun = threading.Event()
    handlers: dict[int, Callable[[Incoming], Operation]] = {CommandField.C_STORE_RQ: lambda _: _Silent(begun)}
    silent = ServiceClass((SupportedContext(CT, ANY),), stream_handlers=handlers)
    with listening(silent) as destination:
        node = f"PACS_SCP=127.0.0.1:{destination.port}"
        with (
            running(tmp_path / "one" / "two" / "data", ["--node", node]) as server,
            Peer.associated(server.port) as peer,
        ):
            uid = new_uid()
            assert peer.store(uid, dataset(uid)) == 0
            peer.release()
            _cancel_move(server, begun)


def _cancel_move(server: Server, begun: threading.Event) -> None:
    with Peer.associated(server.port, querying()) as peer:
        everything = _study(study=("UI", b"1.2.826.0.1.3680043.8.499.1"))
        message_id = peer.ask(
            CommandField.C_MOVE_RQ, MOVE_CONTEXT, STUDY_ROOT_MOVE, everything, move_destination="PACS_SCP"
        )
        assert begun.wait(10)
        peer.send_command(MOVE_CONTEXT, c_cancel_rq(message_id), has_dataset=False)
        started = time.monotonic()
        assert peer.status() == Status.CANCEL
        assert time.monotonic() - started <= 1
        assert peer.echo() == 0
        peer.release()


# Row 39.


@pytest.mark.parametrize("destination", ["NOBODY", "127.0.0.1:104", "../x", "$(id)", "known"])
def test_a_destination_that_is_not_configured_is_refused(peer: Peer, destination: str) -> None:
    identified = _study(study=("UI", b"1.2.9.1"))
    peer.ask(CommandField.C_MOVE_RQ, MOVE_CONTEXT, STUDY_ROOT_MOVE, identified, move_destination=destination)
    assert peer.status() == Status.MOVE_DESTINATION_UNKNOWN
    assert peer.echo() == 0


# Row 20.


def _connections(server: Server) -> int:
    sockets = psutil.Process(server.process.pid).net_connections("tcp")
    return len([one for one in sockets if one.status == psutil.CONN_ESTABLISHED])


def _stop_reading(server: Server, context_id: int, field: CommandField, model: str, data: bytes) -> None:
    """Ask for much, read nothing of it, and wait until the server has had enough."""
    before = _connections(server)
    with Peer(server.port, receive_buffer_bytes=4_096) as peer:
        peer.associate(querying())
        peer.ask(field, context_id, model, data)
        assert wait_until(lambda: _connections(server) == before + 1, 2.0)
        assert wait_until(lambda: _connections(server) == before, _PATIENCE_S + 5)


def test_a_peer_that_stops_reading_matches_is_cut_off(server: Server) -> None:
    _stop_reading(server, FIND_CONTEXT, CommandField.C_FIND_RQ, STUDY_ROOT_FIND, _study())


def test_a_peer_that_stops_reading_images_is_cut_off(tmp_path: Path) -> None:
    with running(tmp_path / "one" / "two" / "data", settings=_SETTINGS) as server:
        with Peer.associated(server.port) as sender:
            for _ in range(8):
                uid = new_uid()
                assert sender.store(uid, dataset(uid, pixels=bytes(4 << 20))) == 0
            sender.release()
        server.echo()
        before = server.footprint()
        everything = identifier("STUDY", {STUDY_INSTANCE_UID: ("UI", b"1.2.826.0.1.3680043.8.499.1")})
        _stop_reading(server, GET_CONTEXT, CommandField.C_GET_RQ, STUDY_ROOT_GET, everything)
        server.check_unharmed(before)
