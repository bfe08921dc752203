"""A dump holds all tables in one state, and an index made of it is the same, whichever database has made either."""

import itertools
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from archimage.errors import ConfigError, IntegrityError
from archimage.index.dumping import IndexDumps
from archimage.index.migrate import upgrade
from archimage.index.postgresql import PostgresqlIndex
from archimage.index.schema import REVISION
from archimage.index.sqlite import SqliteIndex
from archimage.index.sqlite_file import make_of
from archimage.model.dumps import Batch, encode, read_batches, read_header
from tests.contract.index_contract import record
from tests.servers.postgresql import PostgresqlServer
from tests.services.archive import fill

FULL_TEXT = ("patient_text", "study_text")
_numbers = itertools.count()


@contextmanager
def database_of(server: PostgresqlServer) -> Iterator[str]:
    """Make a database for the block; tell its address."""
    name = f"dumped{next(_numbers)}"
    server.execute(f"CREATE DATABASE {name}")
    yield server.url_of(name)
    server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[SqliteIndex]:
    """An index that holds something."""
    with closing(fill(tmp_path)) as index:
        yield index


def test_an_index_that_is_made_of_a_dump_is_dumped_the_same(filled: SqliteIndex, tmp_path: Path) -> None:
    lines = list(IndexDumps(filled).dump())
    make_of(iter(lines), tmp_path / "other.db")
    with closing(SqliteIndex(tmp_path / "other.db")) as other:
        assert list(IndexDumps(other).dump()) == lines
        assert other.counts() == filled.counts()
        other.add([record("P", 7, 1, 1)])
        assert other.counts().instances == filled.counts().instances + 1


def test_no_table_is_left_out(filled: SqliteIndex, tmp_path: Path) -> None:
    named = {json.loads(line)["table"] for line in IndexDumps(filled).dump() if line.startswith(b'{"table"')}
    with closing(sqlite3.connect(tmp_path / "index.db")) as connection:
        there = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    made = {name for name in there if name.startswith((*FULL_TEXT, "sqlite_"))}
    assert named == there - made - {"alembic_version"}


def test_a_dump_is_of_one_state_and_keeps_nobody_from_writing(
    filled: SqliteIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = list(IndexDumps(filled).dump())
    told: list[bytes] = []
    for number, line in enumerate(IndexDumps(filled).dump()):
        told.append(line)
        if number % 7 == 0:
            filled.add([record("Q", number + 100, 1, 1)])
    assert told == before
    assert len(list(IndexDumps(filled).dump())) > len(before)


def test_a_dump_of_a_newer_schema_is_refused(filled: SqliteIndex, tmp_path: Path) -> None:
    head, *lines = IndexDumps(filled).dump()
    newer = encode({**json.loads(head), "revision": "9999"})
    with pytest.raises(ConfigError, match="newer archimage"):
        make_of(iter([newer, *lines]), tmp_path / "other.db")


def test_a_dump_of_an_older_schema_is_brought_up_to_date(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'old.db'}")
    with engine.begin() as connection:
        upgrade(connection, "0012")
    engine.dispose()
    lines = [
        {"dump": 1, "revision": "0012", "database": "SQLite 3.0"},
        {"table": "label", "columns": ["study_instance_uid", "name"]},
        ["1.2", "teaching"],
        {"end": "label", "rows": 1},
        {"end": "", "tables": 1},
    ]
    make_of(map(encode, lines), tmp_path / "other.db")
    with closing(SqliteIndex(tmp_path / "other.db")) as index:
        told = list(IndexDumps(index).dump())
    assert read_header(iter(told)).revision == REVISION
    assert encode(["1.2", "teaching"]) in told


@pytest.mark.parametrize("cut", [0, 1, 5, -1, -2])
def test_a_dump_that_is_not_whole_is_refused(filled: SqliteIndex, tmp_path: Path, cut: int) -> None:
    lines = list(IndexDumps(filled).dump())[:cut]
    with pytest.raises(IntegrityError, match=r"not whole|no dump|lacks|damaged"):
        make_of(iter(lines), tmp_path / "other.db")


def test_a_row_that_is_missing_is_missed(filled: SqliteIndex) -> None:
    lines = [line for line in IndexDumps(filled).dump() if not line.startswith(b"[1,")]
    with pytest.raises(IntegrityError, match="lacks rows"):
        list(read_batches(lines[1:]))


def test_bytes_and_any_text_come_back() -> None:
    row: list[Any] = [b"\0\xff", 'Müller^Jörg\u2028\n"', None, 1 << 40, 0.1, "{}"]
    lines = [{"table": "t", "columns": list("abcdef")}, row, {"end": "t", "rows": 1}, {"end": "", "tables": 1}]
    assert list(read_batches(map(encode, lines))) == [Batch("t", list("abcdef"), [row])]


def test_what_was_dumped_of_sqlite_goes_into_postgresql_and_back(
    filled: SqliteIndex, tmp_path: Path, postgresql: PostgresqlServer
) -> None:
    head, *lines = IndexDumps(filled).dump()
    with database_of(postgresql) as url, closing(PostgresqlIndex(url)) as database:
        database.fill(iter([head, *lines]))
        database.add([record("P", 7, 1, 1)])  # its keys are counted on
        database.remove(["1.7.1.1"])
        with pytest.raises(ConfigError, match="not empty"):
            database.fill(iter([head, *lines]))
        other, *again = IndexDumps(database).dump()
    assert json.loads(other)["database"].startswith("PostgreSQL")
    assert again == lines
    make_of(iter([other, *again]), tmp_path / "back.db")
    with closing(SqliteIndex(tmp_path / "back.db")) as index:
        assert list(IndexDumps(index).dump())[1:] == lines


def test_a_dump_of_postgresql_is_of_one_state(postgresql: PostgresqlServer, filled: SqliteIndex) -> None:
    with database_of(postgresql) as url, closing(PostgresqlIndex(url)) as database:
        database.fill(IndexDumps(filled).dump())
        before, told = list(IndexDumps(database).dump()), list[bytes]()
        for number, line in enumerate(IndexDumps(database).dump()):
            told.append(line)
            if number == 3:
                database.add([record("Q", 100, 1, 1)])
        assert told == before
        assert len(list(IndexDumps(database).dump())) > len(before)


def test_postgresql_takes_no_dump_of_an_older_schema(postgresql: PostgresqlServer, filled: SqliteIndex) -> None:
    head, *lines = IndexDumps(filled).dump()
    older = encode({**json.loads(head), "revision": "0012"})
    with database_of(postgresql) as url, closing(PostgresqlIndex(url)) as database:
        with pytest.raises(ConfigError, match="index copy"):
            database.fill(iter([older, *lines]))
        with pytest.raises(IntegrityError):
            database.fill(iter([head, *lines[:-1]]))
        assert database.counts().instances == 0
