"""The concurrency report of a server that runs: what is in use goes up and down, and what is full does what it says."""

import json
import os
import signal
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final

import pytest

from archimage.protocol.pdu import AssociateAccept, AssociateReject
from archimage.protocol.status import Status
from archimage.web.api.events import MAX_FOLLOWERS
from archimage.web.management import MAX_BODY_BYTES
from tests.attacks.datasets import dataset, new_uid
from tests.attacks.server import Server, running, wait_until
from tests.attacks.wire import CT_CONTEXT, Peer, request

_WITHIN_S: Final = 10.0
_SLOTS: Final = 4
_SETTINGS: Final = {
    "dicom__max_associations": _SLOTS,
    "dicom__max_associations_per_ae": 3,
    "dicom__max_pending_connections": 5,
    "dicom__max_pending_per_address": 5,
}
_EVENTS: Final = b"GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
_POST: Final = b"POST /api/v1/nodes HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with room for few."""
    with running(tmp_path_factory.mktemp("report") / "one" / "data", settings=_SETTINGS) as found:
        yield found


def _ask(server: Server, path: str) -> tuple[int, Any]:
    with closing(HTTPConnection("127.0.0.1", server.http_port, timeout=_WITHIN_S)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def _told(server: Server) -> dict[str, dict[str, Any]]:
    """Return what the report says, by name."""
    status, found = _ask(server, "/api/v1/concurrency")
    assert status == 200
    return {bound["name"]: bound for bound in found["bounds"]}


def _becomes(server: Server, name: str, used: int, state: str) -> bool:
    def true() -> bool:
        found = _told(server)[name]
        return (found["used"], found["state"]) == (used, state)

    return wait_until(true, _WITHIN_S)


def test_it_says_which_process_answers_and_how_many_there_are(server: Server) -> None:
    _, found = _ask(server, "/api/v1/concurrency")
    assert (found["pid"], found["processes"]) == (server.process.pid, 1)


def test_every_pool_tells_its_use_and_so_does_what_peers_fill(server: Server) -> None:
    found = _told(server)
    pools = {name for name, bound in found.items() if bound["kind"] == "threads" and (bound["size"] or 0) > 1}
    named = {"associations", "pending connections", "HTTP connections", "intake queue", "journal segments", "disk"}
    silent = {name for name in pools | named if found[name]["used"] is None}
    of_plugins = {"plugin-load", "plugin-studies"}  # there are none of them without a plugin
    assert silent == {"import"} | of_plugins  # each archive that is unpacked has threads of its own


def test_of_several_processes_it_tells_of_the_one_that_answers(tmp_path: Path) -> None:
    with running(tmp_path / "data", ["--workers", "2"]) as several:
        _, found = _ask(several, "/api/v1/concurrency")
        assert found["processes"] == 2
        assert found["pid"] != several.process.pid
        os.kill(found["pid"], 0)  # there is such a process


def test_associations_are_counted_and_rejected_once_they_are_full(server: Server) -> None:
    assert _becomes(server, "associations", 0, "free")
    with ExitStack() as peers:
        for _ in range(3):
            peers.enter_context(Peer.associated(server.port))
        assert _becomes(server, "associations", 3, "free")
        assert _becomes(server, "associations of one AE title", 3, "full")
        with Peer(server.port) as peer:
            assert peer.associate(request()) == AssociateReject(2, 3, 1)
        peers.enter_context(Peer.associated(server.port, request(calling="OTHER")))
        assert _becomes(server, "associations", _SLOTS, "full")
        with Peer(server.port) as peer:
            assert peer.associate(request(calling="THIRD")) == AssociateReject(2, 3, 2)
    assert _becomes(server, "associations", 0, "free")


def test_pending_connections_are_counted_and_the_oldest_gives_way(server: Server) -> None:
    with ExitStack() as peers:
        silent = [peers.enter_context(Peer(server.port)) for _ in range(5)]
        assert _becomes(server, "pending connections", 5, "full")
        assert _becomes(server, "pending connections of one address", 5, "full")
        late = peers.enter_context(Peer(server.port))
        assert silent[0].ended()
        assert isinstance(late.associate(request()), AssociateAccept)
        assert _becomes(server, "pending connections", 4, "nearly full")
    assert _becomes(server, "pending connections", 0, "free")


def test_a_peer_that_waits_for_no_answer_is_read_from_only_so_far(server: Server) -> None:
    uids = [new_uid() for _ in range(300)]
    with Peer.associated(server.port) as peer:
        with closing(sqlite3.connect(server.directory / "index.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")  # so that nothing is answered
            for uid in uids:
                peer.begin_store(uid)
                peer.send_dataset(CT_CONTEXT, dataset(uid))
            most = _told(server)["objects of an association"]["size"]
            assert not wait_until(lambda: _told(server)["intake queue"]["used"] > most + 1, 1.0)
            other.execute("ROLLBACK")
        assert {peer.status() for _ in uids} == {Status.SUCCESS}


def test_followers_of_events_are_counted_and_answered_503_once_they_are_full(server: Server) -> None:
    with ExitStack() as held:
        for _ in range(MAX_FOLLOWERS):
            follower = held.enter_context(socket.create_connection(("127.0.0.1", server.http_port), _WITHIN_S))
            follower.sendall(_EVENTS)
            assert follower.recv(12) == b"HTTP/1.1 200"
        assert _becomes(server, "event followers", MAX_FOLLOWERS, "full")
        assert _told(server)["HTTP connections"]["used"] == MAX_FOLLOWERS + 1
        status, problem = _ask(server, "/api/v1/events")
        assert (status, bool(problem["next"])) == (503, True)
    assert _becomes(server, "event followers", 0, "free")


def test_http_connections_that_are_full_are_answered_503(tmp_path: Path) -> None:
    with running(tmp_path / "data", settings={"http__max_connections": 3}) as small, ExitStack() as held:
        assert _told(small)["HTTP connections"]["size"] == 3
        for _ in range(2):
            held.enter_context(socket.create_connection(("127.0.0.1", small.http_port), _WITHIN_S))
        assert wait_until(lambda: _ask(small, "/api/v1/concurrency")[0] == 503, _WITHIN_S)
        held.close()
        assert wait_until(lambda: _ask(small, "/api/v1/concurrency")[0] == 200, _WITHIN_S)


def test_with_less_room_than_the_reserve_objects_are_refused_and_all_else_is_served(tmp_path: Path) -> None:
    with running(tmp_path / "data", settings={"storage__reserve_bytes": 1 << 60}) as full:
        assert _told(full)["disk"]["state"] == "full"
        uid = new_uid()
        with Peer.associated(full.port) as peer:
            assert peer.store(uid, dataset(uid)) == Status.OUT_OF_RESOURCES
            assert peer.echo() == 0
        assert _ask(full, "/dicom-web/studies") == (200, [])


def test_a_size_that_is_set_anew_is_told_anew(tmp_path: Path) -> None:
    settings = tmp_path / "archimage.toml"
    settings.write_text("[dicom]\nmax_associations = 7\n", "utf-8")
    with running(tmp_path / "one" / "data", ["--config", str(settings)]) as server:
        assert _told(server)["associations"]["size"] == 7
        settings.write_text("[dicom]\nmax_associations = 9\n", "utf-8")
        server.process.send_signal(signal.SIGHUP)
        assert wait_until(lambda: _told(server)["associations"]["size"] == 9, _WITHIN_S)


def _large(socket_: socket.socket) -> None:
    """Announce a body that is longer than it may be, and send it."""
    length = f"Content-Length: {MAX_BODY_BYTES + 1}\r\n\r\n"
    socket_.sendall(_POST + length.encode() + b" " * (MAX_BODY_BYTES + 1))


def _large_in_chunks(socket_: socket.socket) -> None:
    """Send one of which nobody says how long it is."""
    chunk = b"10000\r\n" + b" " * (64 << 10) + b"\r\n"
    socket_.sendall(_POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * (MAX_BODY_BYTES // (64 << 10) + 1))


@pytest.mark.parametrize("send", [_large, _large_in_chunks])
def test_a_body_for_the_management_api_that_is_too_long_is_answered_413(
    server: Server, send: Callable[[socket.socket], None]
) -> None:
    with socket.create_connection(("127.0.0.1", server.http_port), _WITHIN_S) as connection:
        send(connection)
        assert connection.recv(12) == b"HTTP/1.1 413"
