"""A dump holds all tables in one state, and an index made of it is the same, whichever database has made either."""

import json
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, text

from archimage.errors import ConfigError, IntegrityError
from archimage.index import dumping
from archimage.index.dumping import IndexDumps, load
from archimage.index.migrate import upgrade
from archimage.index.schema import REVISION
from archimage.index.sqlite import SqliteIndex
from archimage.index.sqlite_file import make_of
from archimage.model.dumps import Batch, encode, read_batches, read_header
from tests.contract.index_contract import record
from tests.interop.peers import free_port
from tests.services.archive import fill

FULL_TEXT = ("patient_text", "study_text")


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


class Postgresql:
    """A PostgreSQL that can be read in one state."""

    kind = "PostgreSQL"

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Lend a connection that sees one state."""
        with self._engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
            yield connection


@pytest.fixture
def postgresql() -> Iterator[Engine]:
    """An empty PostgreSQL of its own."""
    programs = Path("/usr/lib/postgresql/15/bin")
    if not programs.exists():
        pytest.skip("PostgreSQL is missing: apt-get install postgresql")
    with tempfile.TemporaryDirectory() as directory:
        shutil.chown(directory, "postgres", "postgres")
        yield from _started(programs, Path(directory), free_port())


def _started(programs: Path, place: Path, port: int) -> Iterator[Engine]:
    """Run it."""

    def run(program: str, *arguments: str) -> None:
        command = ["runuser", "-u", "postgres", "--", str(programs / program), *arguments]
        subprocess.run(command, check=True, timeout=60, capture_output=True, cwd="/")

    data = str(place / "data")
    run("initdb", "-D", data, "-U", "pacs", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8")
    options = f"-c listen_addresses=127.0.0.1 -p {port} -k {place}"
    run("pg_ctl", "-D", data, "-w", "-l", str(place / "log"), "-o", options, "start")
    engine = create_engine(f"postgresql+psycopg://pacs@127.0.0.1:{port}/postgres")
    try:
        yield engine
    finally:
        engine.dispose()
        run("pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")


def test_what_was_dumped_of_sqlite_goes_into_postgresql_and_back(
    filled: SqliteIndex, tmp_path: Path, postgresql: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    head, *lines = IndexDumps(filled).dump()

    def make(connection: Connection, revision: str = REVISION) -> None:
        """Make the tables of today's schema, as a migration of this database would."""
        dumping._described().create_all(connection)
        connection.execute(text("ALTER TABLE series_content ALTER COLUMN change TYPE bigint"))
        connection.execute(text("CREATE TABLE IF NOT EXISTS alembic_version (version_num text)"))
        if not connection.execute(text("SELECT 1 FROM alembic_version")).first():
            connection.execute(text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": revision})

    with monkeypatch.context() as patched, postgresql.begin() as connection:
        patched.setattr("archimage.index.migrate.upgrade", make)
        load(iter([head, *lines]), connection)
    with postgresql.begin() as connection:
        added = "INSERT INTO removal (sop_instance_uid) VALUES ('1.2.3') RETURNING pk"
        number = connection.execute(text(added)).scalar_one()
        connection.execute(text("DELETE FROM removal WHERE pk = :pk"), {"pk": number})
    other, *again = IndexDumps(Postgresql(postgresql)).dump()
    assert json.loads(other)["database"] == "PostgreSQL"
    assert again == lines
    make_of(iter([other, *again]), tmp_path / "back.db")
    with closing(SqliteIndex(tmp_path / "back.db")) as index:
        assert list(IndexDumps(index).dump())[1:] == lines
