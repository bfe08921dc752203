"""The end of the server: what is being stored is answered within the grace time, everything else is aborted at once."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path

import pytest

from archimage.app import App, build
from archimage.config import Config, StorageConfig
from archimage.net.scp import storage
from archimage.protocol.pdu import Abort
from archimage.protocol.status import Status
from archimage.storage.filesystem import FileWriter
from archimage.threads import WorkerThreads
from tests.attacks.datasets import dataset, new_uid
from tests.attacks.server import wait_until
from tests.attacks.wire import CT_CONTEXT, Peer
from tests.net.background import Background, listening

_LONG_S = 20.0
_SHORT_S = 0.2
_PIXELS = bytes(300_000)
_LONG_PIXELS = bytes(1_500_000)
"""More than a buffer holds: the first of them are written while others come."""
ABORTED = Abort(0, 0)


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[App]:
    """An open archive."""
    with closing(build(Config(storage=StorageConfig(directory=tmp_path)))) as app:
        yield app


@pytest.fixture
def server(archive: App) -> Iterator[Background]:
    """A server that stores into it."""
    with (
        closing(WorkerThreads(4, "ingest")) as threads,
        listening(storage.service(archive.services.store, threads, unknown_sop_classes=False)) as server,
    ):
        yield server


def ending(server: Background, grace_s: float) -> "Future[None]":
    """Have the server end, and return when it does not listen any more."""
    assert server.server is not None
    ended = asyncio.run_coroutine_threadsafe(server.server.close(grace_s), server.loop)
    server.call(lambda: asyncio.sleep(0))
    return ended


def begun(server: Background, uid: str, data: bytes) -> Peer:
    """Send the first half of an object."""
    peer = Peer.associated(server.port)
    peer.begin_store(uid)
    peer.send_dataset(CT_CONTEXT, data[: len(data) // 2], whole=False)
    return peer


def test_an_object_on_its_way_is_stored_and_answered_before_the_abort(server: Background, archive: App) -> None:
    uid = new_uid()
    data = dataset(uid, pixels=_PIXELS)
    with begun(server, uid, data) as peer:
        ended = ending(server, _LONG_S)
        peer.send_dataset(CT_CONTEXT, data[len(data) // 2 :])
        assert peer.status() == Status.SUCCESS
        assert peer.receive() == ABORTED
        peer.close()
        ended.result(_LONG_S / 2)
    assert archive.index.lookup(uid) is not None


def test_who_stores_nothing_is_aborted_at_once(server: Background) -> None:
    uid = new_uid()
    data = dataset(uid, pixels=_PIXELS)
    with begun(server, uid, data) as storing, Peer.associated(server.port) as idle:
        ended = ending(server, _LONG_S)
        started = time.monotonic()
        assert idle.receive() == ABORTED
        assert time.monotonic() - started < _LONG_S / 4
        assert not ended.done()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", server.port), timeout=_LONG_S)
        storing.reset()
        ended.result(_LONG_S / 2)


def test_who_takes_longer_is_aborted_and_leaves_nothing(server: Background, archive: App) -> None:
    uid = new_uid()
    data = dataset(uid, pixels=_PIXELS)
    with begun(server, uid, data) as peer:
        started = time.monotonic()
        ended = ending(server, _SHORT_S)
        assert peer.receive() == ABORTED
        assert time.monotonic() - started >= _SHORT_S
        ended.result(_LONG_S / 2)
    assert archive.index.lookup(uid) is None
    incoming = archive.config.storage.directory / "incoming"
    assert wait_until(lambda: not [path for path in incoming.rglob("*") if path.is_file()], 20.0)


def test_nothing_new_is_begun(server: Background, archive: App) -> None:
    first, second = new_uid(), new_uid()
    data = dataset(first, pixels=_PIXELS)
    with begun(server, first, data) as peer:
        ended = ending(server, _LONG_S)
        peer.send_dataset(CT_CONTEXT, data[len(data) // 2 :])
        later = threading.Thread(target=_store_quietly, args=(peer, second))
        later.start()
        assert peer.status() == Status.SUCCESS
        assert peer.receive() == ABORTED
        later.join()
        peer.close()
        ended.result(_LONG_S / 2)
    assert archive.index.lookup(second) is None


@pytest.mark.parametrize("last", [False, True])
def test_what_a_thread_writes_is_dropped_when_it_is_done_unless_it_was_whole(
    server: Background, archive: App, monkeypatch: pytest.MonkeyPatch, last: bool
) -> None:
    write, begun, go_on = FileWriter.write, threading.Event(), threading.Event()

    def slowly(writer: FileWriter, pieces: Sequence[bytes | memoryview]) -> None:
        begun.set()
        assert go_on.wait(_LONG_S)
        write(writer, pieces)

    monkeypatch.setattr(FileWriter, "write", slowly)
    uid = new_uid()
    with Peer.associated(server.port) as peer:
        peer.begin_store(uid)
        peer.send_dataset(CT_CONTEXT, dataset(uid, pixels=_PIXELS if last else _LONG_PIXELS), whole=last)
        assert begun.wait(_LONG_S)
        ending(server, 0).result(_LONG_S)
        assert list(archive.blobs.incoming())
        go_on.set()
    assert wait_until(lambda: not list(archive.blobs.incoming()), 20.0)
    assert (archive.index.lookup(uid) is not None) is last


def _store_quietly(peer: Peer, uid: str) -> None:
    try:
        peer.begin_store(uid)
        peer.send_dataset(CT_CONTEXT, dataset(uid))
    except OSError:  # the server has gone
        return
