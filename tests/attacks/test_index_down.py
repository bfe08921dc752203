"""The index out of reach: 0xA700 within five seconds, and well again within ten."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from archimage.protocol.status import Status, is_success
from tests.attacks.datasets import dataset, new_uid, one_image
from tests.attacks.server import Server, wait_until
from tests.attacks.wire import Peer, querying

_REFUSED_WITHIN_S = 5.0
_HEALED_WITHIN_S = 10.0
_SENDERS = 4


@pytest.fixture(scope="module")
def settings() -> dict[str, object]:
    """Patience with a server that is slow on purpose."""
    return {"dicom__idle_timeout_s": 30}


@contextmanager
def _locked(server: Server, mode: str) -> Iterator[None]:
    """Hold the index as another process would."""
    path = server.directory / "index.db"
    with closing(sqlite3.connect(path, isolation_level=None, timeout=5)) as connection:
        if mode == "exclusive":
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("CREATE TABLE IF NOT EXISTS held (row)")
        yield
        connection.execute("ROLLBACK")


def _store(server: Server) -> tuple[int, float]:
    uid = new_uid()
    with Peer.associated(server.port, timeout_s=30.0) as peer:
        started = time.monotonic()
        status = peer.store(uid, dataset(uid))
        return status, time.monotonic() - started


def test_stores_are_refused_in_time_while_the_index_is_locked_and_taken_after(server: Server) -> None:
    answers: list[tuple[int, float]] = []

    def send() -> None:
        answers.extend(_store(server) for _ in range(2))

    with _locked(server, "writer"):
        senders = [threading.Thread(target=send) for _ in range(_SENDERS)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join(60)
        assert server.echo() <= 1
    assert len(answers) == 2 * _SENDERS
    assert {status for status, _ in answers} == {Status.OUT_OF_RESOURCES}
    assert max(took for _, took in answers) <= _REFUSED_WITHIN_S
    assert wait_until(lambda: is_success(_store(server)[0]), _HEALED_WITHIN_S)


def test_queries_are_refused_in_time_while_the_index_cannot_be_read_and_answered_after(server: Server) -> None:
    uid = new_uid()
    with Peer.associated(server.port, querying(), timeout_s=30.0) as peer:
        assert peer.store(uid, dataset(uid)) == 0
        aside = server.directory / "index.aside"
        path = server.directory / "index.db"
        path.rename(aside)
        try:
            started = time.monotonic()
            assert peer.find(one_image(uid)) == ([], Status.OUT_OF_RESOURCES)
            assert time.monotonic() - started <= _REFUSED_WITHIN_S
            assert peer.store(new_uid(), b"\0" * 8) != 0
        finally:
            aside.rename(path)
        assert wait_until(lambda: len(peer.find(one_image(uid))[0]) == 1, _HEALED_WITHIN_S)
        assert _store(server)[0] == 0
