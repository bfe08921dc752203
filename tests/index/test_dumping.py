"""A dump holds all tables in one state, and an index made of it is the same, whichever database has made either."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from archimage.errors import ConfigError, IntegrityError
from archimage.index.dumping import IndexDumps
from archimage.index.labels import LabelTable
from archimage.index.migrate import upgrade
from archimage.index.relational import RelationalIndex
from archimage.index.schema import REVISION
from archimage.index.sqlite import SqliteIndex
from archimage.index.sqlite_file import make_of
from archimage.model.dumps import Batch, encode, read_batches, read_header
from tests.contract.index_contract import record
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


def _fill(index: RelationalIndex) -> None:
    """Put something into several tables."""
    index.add([record("P", 1, 1, number, patient_name="Müller^Änne") for number in range(1_200)])
    index.add([record("Q", 2, 1, 1)])
    with index.writing() as writer:
        writer.remove("1.2")
    LabelTable(index).add("1.1", "teaching", 5)


def test_an_index_of_either_database_is_dumped_alike(index: RelationalIndex, tmp_path: Path) -> None:
    _fill(index)
    _, *lines = dumped = list(IndexDumps(index).dump())
    assert json.loads(dumped[0])["database"] == index.kind
    make_of(iter(dumped), tmp_path / "back.db")
    with closing(SqliteIndex(tmp_path / "back.db")) as back:
        assert list(IndexDumps(back).dump())[1:] == lines


def test_a_dump_is_of_one_state_whatever_others_write(index: RelationalIndex) -> None:
    _fill(index)
    before = list(IndexDumps(index).dump())
    lines = IndexDumps(index).dump()
    taken = [next(lines), next(lines)]
    index.add([record("Later", 77, 1, 1)])
    assert [*taken, *lines] == before
