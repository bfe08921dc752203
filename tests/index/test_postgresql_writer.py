"""The cursor of who writes to PostgreSQL: what is sent, what is waited for, and what is told of errors."""

import os
import signal
import threading
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import errors

from archimage.index.postgresql_writer import Call, Writer
from tests.attacks.server import wait_until
from tests.servers.postgresql import PostgresqlServer, running

_TWICE = "SELECT $1::bigint * 2"
_LARGE = b"x" * 20_000_000  # more than the sockets have room for


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresqlServer]:
    """Run a server with a table."""
    with running() as started:
        started.execute("CREATE TABLE kept (text text UNIQUE)")
        yield started


@pytest.fixture
def connection(server: PostgresqlServer) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """Connect as the index does."""
    server.execute("TRUNCATE kept")
    connected = psycopg.connect(server.url, autocommit=True)
    yield connected
    connected.close()


@pytest.fixture
def writer(connection: psycopg.Connection[tuple[object, ...]]) -> Writer:
    """Make the cursor of a connection."""
    return Writer(connection)


def kept(connection: psycopg.Connection[tuple[object, ...]]) -> set[object]:
    """Return what the table holds."""
    return {text for (text,) in connection.execute("SELECT text FROM kept")}


def test_a_message_is_answered_with_what_its_last_statement_yields(writer: Writer) -> None:
    assert writer.ask("SELECT 1", Call(_TWICE, (b"21",))).get_value(0, 0) == b"42"


def test_a_statement_is_prepared_once_on_a_connection(
    writer: Writer, connection: psycopg.Connection[tuple[object, ...]]
) -> None:
    for number in range(5):
        assert writer.ask(Call(_TWICE, (b"%d" % number,))).get_value(0, 0) == b"%d" % (2 * number)
    names = connection.execute("SELECT name FROM pg_prepared_statements WHERE from_sql").fetchall()
    assert names == [("archimage_0",)]


@pytest.mark.parametrize("text", ["", "'", "''; DROP TABLE kept; --", "\\", "\\'", "$1", "%s", "Müller^Jörg", "\n\t"])
def test_an_argument_is_text_whatever_stands_in_it(
    writer: Writer, connection: psycopg.Connection[tuple[object, ...]], text: str
) -> None:
    writer.send(Call("INSERT INTO kept VALUES ($1)", (text.encode(),)))
    writer.settle()
    assert kept(connection) == {text}


def test_what_was_sent_comes_before_what_is_done_after_it(
    writer: Writer, connection: psycopg.Connection[tuple[object, ...]]
) -> None:
    writer.ask("BEGIN")
    writer.send(Call("INSERT INTO kept VALUES ($1)", (b"a",)), Call("INSERT INTO kept VALUES ($1)", (b"b",)))
    writer.execute("SELECT count(*) FROM kept")
    assert writer.fetchone() == (2,)
    writer.send(Call("INSERT INTO kept VALUES ($1)", (b"c",)))
    writer.executemany("INSERT INTO kept SELECT %s || max(text) FROM kept", [("d",), ("e",)])
    assert writer.ask("COMMIT").command_status == b"COMMIT"
    assert kept(connection) == {"a", "b", "c", "dc", "edc"}


@pytest.mark.parametrize("use", ["settle", "ask", "send", "execute", "executemany"])
def test_an_error_of_what_was_sent_is_told_by_what_comes_next(writer: Writer, use: str) -> None:
    writer.ask("BEGIN")
    writer.send(Call("INSERT INTO kept VALUES ($1)", (b"a",)), Call("INSERT INTO kept VALUES ($1)", (b"a",)))
    given: dict[str, tuple[object, ...]] = {"settle": (), "executemany": ("SELECT %s", [(1,)])}
    with pytest.raises(errors.UniqueViolation, match="kept_text_key"):
        getattr(writer, use)(*given.get(use, ("SELECT 1",)))


@pytest.mark.parametrize("use", ["settle", "ask"])
def test_a_connection_that_is_lost_is_an_error_of_the_connection(
    server: PostgresqlServer, writer: Writer, use: str
) -> None:
    writer.send("SELECT pg_sleep(20)")
    server.execute(f"SELECT pg_terminate_backend({writer.connection.info.backend_pid})")
    with pytest.raises(psycopg.OperationalError) as raised:
        getattr(writer, use)(*(("SELECT 1",) if use == "ask" else ()))
    assert raised.value.sqlstate in {None, errors.AdminShutdown.sqlstate}


@pytest.mark.parametrize("use", ["send", "ask"])
def test_nobody_waits_with_one_whose_server_does_not_read(
    writer: Writer, connection: psycopg.Connection[tuple[object, ...]], use: str
) -> None:
    answers: list[object] = []
    backend = connection.info.backend_pid

    def measure() -> None:
        getattr(writer, use)(Call("SELECT length($1)", (_LARGE,)))
        writer.settle()
        answers.append("answered")

    os.kill(backend, signal.SIGSTOP)
    try:
        thread = threading.Thread(target=measure)
        thread.start()
        assert not wait_until(lambda: not thread.is_alive(), 0.5)  # this thread runs meanwhile
        assert answers == []
    finally:
        os.kill(backend, signal.SIGCONT)
    thread.join(30)
    assert answers == ["answered"]
