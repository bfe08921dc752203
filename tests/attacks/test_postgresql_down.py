"""PostgreSQL out of reach: 0xA700 or 503 within five seconds, and well again within ten."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path

import psycopg
import pytest

from archimage.protocol.status import Status, is_success
from tests.attacks.datasets import dataset, new_uid, one_image
from tests.attacks.server import Server, running, wait_until
from tests.attacks.wire import Peer, querying
from tests.servers import postgresql
from tests.servers.postgresql import PostgresqlServer

_WITHIN_S = 5.0
_HEALED_WITHIN_S = 10.0
_SETTINGS = {"dicom__idle_timeout_s": 30, "index__connections": 8}


@pytest.fixture(scope="module")
def database() -> Iterator[PostgresqlServer]:
    """Run a server of our own."""
    with postgresql.running() as started:
        yield started


@dataclass
class _Asked:
    """An archive, and what it has acknowledged."""

    server: Server
    acknowledged: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory, database: PostgresqlServer) -> Iterator[_Asked]:
    """Run an archive whose index is there."""
    directory: Path = tmp_path_factory.mktemp("a") / "b" / "c" / "data"
    with running(directory, settings={**_SETTINGS, "index__url": database.url}) as started:
        yield _Asked(started)


def _store(asked: _Asked) -> tuple[int, float]:
    uid = new_uid()
    with Peer.associated(asked.server.port, timeout_s=30.0) as peer:
        started = time.monotonic()
        status = peer.store(uid, dataset(uid))
        took_s = time.monotonic() - started
    if is_success(status):
        asked.acknowledged.append(uid)
    return status, took_s


def _find(asked: _Asked) -> tuple[int, float]:
    with Peer.associated(asked.server.port, querying(), timeout_s=30.0) as peer:
        started = time.monotonic()
        _, status = peer.find(one_image(new_uid()))
        return status, time.monotonic() - started


def _search(asked: _Asked) -> tuple[int, float]:
    with closing(HTTPConnection("127.0.0.1", asked.server.http_port, timeout=30)) as connection:
        started = time.monotonic()
        connection.request("GET", f"/dicom-web/studies?StudyInstanceUID={new_uid()}")
        response = connection.getresponse()
        response.read()
        return response.status, time.monotonic() - started


def _stopped(database: PostgresqlServer) -> Callable[[], None]:
    database.stop()
    return database.start


def _killed(database: PostgresqlServer) -> Callable[[], None]:
    database.kill()
    return database.start


def _silent(database: PostgresqlServer) -> Callable[[], None]:
    database.pause()
    return database.resume


def _end_all(database: PostgresqlServer) -> None:
    database.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = 'pacs'",
        database="postgres",
    )


@pytest.mark.parametrize("broken", [_stopped, _killed, _silent], ids=lambda one: one.__name__.strip("_"))
def test_all_doors_refuse_in_time_and_are_well_again(
    asked: _Asked, database: PostgresqlServer, broken: Callable[[PostgresqlServer], Callable[[], None]]
) -> None:
    assert is_success(_store(asked)[0])
    mend = broken(database)
    try:
        for ask, refusal in ((_store, Status.OUT_OF_RESOURCES), (_find, Status.OUT_OF_RESOURCES), (_search, 503)):
            status, took_s = ask(asked)
            assert status == refusal
            assert took_s <= _WITHIN_S
    finally:
        mend()
    assert wait_until(lambda: is_success(_store(asked)[0]), _HEALED_WITHIN_S)
    assert wait_until(lambda: _search(asked)[0] in {200, 204}, _HEALED_WITHIN_S)
    assert is_success(_find(asked)[0])


def test_a_read_only_database_refuses_objects_and_answers_searches(asked: _Asked, database: PostgresqlServer) -> None:
    database.execute("ALTER DATABASE pacs SET default_transaction_read_only = on")
    _end_all(database)
    try:
        status, took_s = _store(asked)
        assert status == Status.OUT_OF_RESOURCES
        assert took_s <= _WITHIN_S
        assert wait_until(lambda: is_success(_find(asked)[0]), _HEALED_WITHIN_S)
    finally:
        database.execute("ALTER DATABASE pacs RESET default_transaction_read_only")
        _end_all(database)
    assert wait_until(lambda: is_success(_store(asked)[0]), _HEALED_WITHIN_S)


def test_a_database_without_a_free_connection_refuses_in_time(asked: _Asked, database: PostgresqlServer) -> None:
    """Others have taken every connection; the superuser's reserve, which the archive here may use too, as well."""
    taken: list[psycopg.Connection[object]] = []
    try:
        assert wait_until(lambda: _all_are_taken(database, taken), 20.0)
        for ask, refusal in ((_store, Status.OUT_OF_RESOURCES), (_search, 503)):
            status, took_s = ask(asked)
            assert status == refusal
            assert took_s <= _WITHIN_S
    finally:
        for one in taken:
            one.close()
    assert wait_until(lambda: is_success(_store(asked)[0]), _HEALED_WITHIN_S)


def test_everything_that_was_acknowledged_is_there_in_the_end(asked: _Asked) -> None:
    assert is_success(_store(asked)[0])
    rows = {row.sop_instance_uid: row.path for row in asked.server.rows()}
    assert not set(asked.acknowledged) - rows.keys()
    assert set(rows.values()) == asked.server.files()


def _all_are_taken(database: PostgresqlServer, taken: list[psycopg.Connection[object]]) -> bool:
    """End what the archive has, take what is free, and tell whether nothing of the archive came between."""
    if taken:
        taken[0].execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'pacs'")
        taken[0].commit()
    with suppress(psycopg.OperationalError):
        while True:
            taken.append(psycopg.connect(database.url_of("postgres")))
    row = taken[0].execute("SELECT count(*) FROM pg_stat_activity WHERE datname = 'pacs'").fetchone()
    taken[0].commit()
    return row == (0,)
