"""What the SQLite adapter does beyond the contract: locks, lost files, full disks, several processes, flushing."""

import os
import resource
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from archimage.errors import IndexUnavailableError, OutOfResourcesError
from archimage.index.sqlite import SqliteIndex
from archimage.model.attributes import BY_COLUMN, Level
from archimage.model.query import Query, Wildcard
from archimage.model.records import FrameTable
from tests.contract.index_contract import condition, record, rows, uids, values

EVERYTHING = Query(Level.IMAGE)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[SqliteIndex]:
    """Open an empty index."""
    opened = SqliteIndex(tmp_path / "index.db")
    yield opened
    opened.close()


def raw(path: Path) -> closing[sqlite3.Connection]:
    """Open the file as a stranger would."""
    return closing(sqlite3.connect(path, isolation_level=None))


def test_frame_tables_come_back(index: SqliteIndex) -> None:
    table = FrameTable(True, (1000, 2000), (500, 600))
    index.add([replace(record("P", 1, 1, 1), frames=table), record("P", 1, 1, 2)])
    assert index.frames("1.1.1.1") == table
    assert index.frames("1.1.1.2") is None
    assert index.frames("none") is None


def test_an_index_keeps_its_rows_when_it_is_opened_again(tmp_path: Path) -> None:
    for number in (1, 2):
        index = SqliteIndex(tmp_path / "a folder" / "ix?#%.db", durable=number == 2)
        index.add([record("P", 1, 1, number)])
        index.sync()
        index.close()
    assert SqliteIndex(tmp_path / "a folder" / "ix?#%.db").count(EVERYTHING) == 2


def test_a_failed_transaction_leaves_nothing_behind(index: SqliteIndex) -> None:
    index.add([record("P", 1, 1, 1)])
    broken = record("P", 2, 1, 1, sop_class_uid=None)
    with pytest.raises(KeyError):
        index.add([record("P", 3, 1, 1), broken])
    assert uids(index) == {"1.1"}
    index.add([record("P", 3, 1, 1)])
    assert uids(index) == {"1.1", "1.3"}


def test_our_own_mistakes_are_not_taken_for_a_lost_index(index: SqliteIndex) -> None:
    nothing: int = None  # type: ignore[assignment]
    with pytest.raises(sqlite3.IntegrityError):
        index.add([replace(record("P", 1, 1, 1), size_bytes=nothing)])


def test_a_locked_index_is_unavailable_in_time_and_heals(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    index = SqliteIndex(path, busy_timeout_s=0.2)
    with raw(path) as other:
        other.execute("BEGIN IMMEDIATE")
        started = time.monotonic()
        with pytest.raises(IndexUnavailableError, match="locked"):
            index.add([record("P", 1, 1, 1)])
        assert time.monotonic() - started < 2
        assert index.count(EVERYTHING) == 0  # readers are not disturbed
        other.execute("ROLLBACK")
    index.add([record("P", 1, 1, 1)])
    assert index.count(EVERYTHING) == 1


def test_a_writer_of_the_same_process_is_waited_for_in_time(tmp_path: Path) -> None:
    index = SqliteIndex(tmp_path / "index.db", busy_timeout_s=0.1)
    with index._transaction(), ThreadPoolExecutor(1) as pool, pytest.raises(IndexUnavailableError, match="busy"):
        pool.submit(index.add, [record("P", 1, 1, 1)]).result(10)
    index.add([record("P", 1, 1, 1)])
    assert index.count(EVERYTHING) == 1


def test_an_index_that_is_gone_is_unavailable_and_heals(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    index = SqliteIndex(path)
    index.add([record("P", 1, 1, 1)])
    index.close()
    path.rename(tmp_path / "away.db")
    for call in (lambda: index.add([record("P", 1, 1, 2)]), lambda: index.count(EVERYTHING), index.sync):
        with pytest.raises(IndexUnavailableError, match="reached"):
            call()
    assert not path.exists()
    (tmp_path / "away.db").rename(path)
    index.add([record("P", 1, 1, 2)])
    assert index.count(EVERYTHING) == 2


def test_an_index_that_is_exchanged_while_open_is_opened_anew(tmp_path: Path) -> None:
    for name in ("index", "other"):
        made = SqliteIndex(tmp_path / f"{name}.db")
        made.add([record(name, 1, 1, 1)])
        made.close()
    index = SqliteIndex(tmp_path / "index.db")
    index.add([record("index", 1, 1, 2)])
    assert index.count(EVERYTHING) == 2
    for tail in ("-wal", "-shm"):
        (tmp_path / f"index.db{tail}").unlink()
    (tmp_path / "other.db").replace(tmp_path / "index.db")
    assert values(index, Level.PATIENT, "patient_id") == [("other",)]
    index.add([record("other", 1, 1, 2)])
    assert index.count(EVERYTHING) == 2


def test_the_generation_that_is_told_at_once_is_that_of_all_processes(tmp_path: Path) -> None:
    index, other = (SqliteIndex(tmp_path / "index.db") for _ in range(2))
    seen = {index.generation()}
    for number, writer in enumerate((index, other)):
        assert index.generation_at_once() in seen
        writer.add([record("P", 1, 1, number)])
        assert index.generation_at_once() not in seen
        seen.add(index.generation())
    other.close()
    index.close()


def test_no_generation_is_told_at_once_of_an_index_that_was_exchanged_or_closed(tmp_path: Path) -> None:
    index, other = (SqliteIndex(tmp_path / f"{name}.db") for name in ("index", "other"))
    other.close()
    (tmp_path / "index.db").rename(tmp_path / "away.db")
    assert index.generation_at_once() is None
    (tmp_path / "other.db").rename(tmp_path / "index.db")
    assert index.generation_at_once() is None
    assert index.generation() == index.generation_at_once()
    index.close()
    assert index.generation_at_once() is None


def test_a_locked_file_that_is_not_an_index_yet_is_unavailable_in_time(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    with raw(path) as other:
        other.execute("CREATE TABLE other (x)")
        for lock in ("BEGIN EXCLUSIVE", "BEGIN; SELECT * FROM other"):
            other.executescript(lock)
            with pytest.raises(IndexUnavailableError, match="locked"):
                SqliteIndex(path, busy_timeout_s=0.1)
            other.execute("ROLLBACK")
    SqliteIndex(path).add([record("P", 1, 1, 1)])


def test_an_index_that_lost_a_table_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    index = SqliteIndex(path)
    with raw(path) as other:
        other.execute("DROP TABLE series_content")
    with pytest.raises(IndexUnavailableError, match="no such table"):
        rows(index, Query(Level.STUDY, requested=(BY_COLUMN["sop_classes_in_study"],)))
    with pytest.raises(IndexUnavailableError, match="no such table"):
        index.add([record("P", 1, 1, 1)])


def test_a_file_that_is_no_index_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(IndexUnavailableError, match="not a database"):
        SqliteIndex(path)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(IndexUnavailableError):
        SqliteIndex(tmp_path / "file" / "index.db")


@contextmanager
def file_size_limit(size_bytes: int) -> Iterator[None]:
    """Let no file of this process grow beyond a size, as a quota would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_without_room_nothing_is_taken_reads_are_served_and_it_heals(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    index = SqliteIndex(path)
    index.add([record("P", 1, 1, 1)])
    log = path.with_name("index.db-wal")
    many = [record("P", 2, 1, number, content_description="x" * 1000) for number in range(1000)]
    with file_size_limit(log.stat().st_size), pytest.raises((IndexUnavailableError, OutOfResourcesError)):
        index.add(many)
    assert index.count(EVERYTHING) == 1
    index.add(many)
    assert index.count(EVERYTHING) == 1001


def test_a_full_database_is_out_of_resources(index: SqliteIndex) -> None:
    many = [record("P", 2, 1, number, content_description="x" * 1000) for number in range(1000)]
    with index._transaction() as cursor:
        cursor.execute("PRAGMA max_page_count = 1")
    with pytest.raises(OutOfResourcesError, match="no room"):
        index.add(many)
    index.add(many)
    assert index.count(EVERYTHING) == 1000


class Flushing:
    """Stands for a disk: counts what is flushed, and fails when told to."""

    def __init__(self) -> None:
        self.flushed: list[str] = []
        self.broken = False

    def __call__(self, descriptor: int) -> None:
        """Take the place of os.fsync."""
        if self.broken:
            raise OSError(5, "Input/output error")
        self.flushed.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)


def test_sync_flushes_the_log_and_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Flushing()
    monkeypatch.setattr(os, "fsync", disk)
    index = SqliteIndex(tmp_path / "index.db")
    index.add([record("P", 1, 1, 1)])
    index.sync()
    assert disk.flushed == ["index.db-wal", tmp_path.name]
    relaxed = SqliteIndex(tmp_path / "other.db", durable=False)
    relaxed.add([record("P", 1, 1, 1)])
    relaxed.sync()
    assert len(disk.flushed) == 2


def test_after_a_failed_flush_only_a_whole_checkpoint_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Flushing()
    monkeypatch.setattr(os, "fsync", disk)
    path = tmp_path / "index.db"
    index = SqliteIndex(path)
    index.add([record("P", 1, 1, number) for number in range(500)])
    disk.broken = True
    with pytest.raises(IndexUnavailableError):
        index.sync()
    disk.broken = False
    reading = iter(index.find(EVERYTHING))
    next(reading)
    index.add([record("P", 1, 1, 600)])
    with pytest.raises(IndexUnavailableError, match="flushed"):
        index.sync()
    list(reading)
    index.sync()
    assert disk.flushed == []
    assert path.with_name("index.db-wal").stat().st_size == 0
    index.add([record("P", 1, 1, 601)])
    index.sync()
    assert disk.flushed == ["index.db-wal", tmp_path.name]


def test_a_long_log_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archimage.index.sqlite.WAL_MAX_BYTES", 1)
    index = SqliteIndex(tmp_path / "index.db")
    index.add([record("P", 1, 1, 1)])
    index.sync()
    assert (tmp_path / "index.db-wal").stat().st_size == 0


def test_two_openers_see_what_each_other_removes(tmp_path: Path) -> None:
    one, two = (SqliteIndex(tmp_path / "index.db") for _ in range(2))
    one.add([record("P", 1, 1, 1)])
    two.remove(["1.1.1.1"])
    two.add([record("Q", 9, 1, 1)])  # takes the keys that the removed rows had
    one.add([record("P", 1, 1, 2)])
    assert values(two, Level.IMAGE, "patient_id", "sop_instance_uid") == [("P", "1.1.1.2"), ("Q", "1.9.1.1")]


def test_what_is_remembered_of_series_is_bounded(index: SqliteIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archimage.index.ingest._KNOWN_MAX", 2)
    for number in (1, 2):
        index.add([record("P", study, 1, number) for study in range(5)])
    assert values(index, Level.STUDY, "number_of_study_related_instances") == [("2",)] * 5


def test_names_vanish_with_the_last_who_bears_them(tmp_path: Path) -> None:
    index = SqliteIndex(tmp_path / "index.db")
    index.add([record("P", 1, 1, 1, patient_name="Doe"), record("Q", 2, 1, 1, referring_physician_name="Doe")])

    def kept() -> int:
        with raw(tmp_path / "index.db") as connection:
            return int(connection.execute("SELECT count(*) FROM name_key").fetchone()[0])

    index.remove(["1.1.1.1"])
    assert kept() > 0
    assert uids(index, condition("referring_physician_name", Wildcard("d*"))) == {"1.2"}
    index.remove(["1.2.1.1"])
    assert kept() == 0


def test_readers_see_whole_transactions_while_a_writer_writes(tmp_path: Path) -> None:
    index = SqliteIndex(tmp_path / "index.db")
    done = threading.Event()

    def read() -> int:
        reads = 0
        while not done.is_set() or not reads:
            asked = (BY_COLUMN["number_of_study_related_instances"],)
            for row in rows(index, Query(Level.STUDY, requested=asked)):
                assert int(row["number_of_study_related_instances"]) % 4 == 0
            reads += 1
        return reads

    with ThreadPoolExecutor(4) as pool:
        readers = [pool.submit(read) for _ in range(3)]
        try:
            for start in range(0, 400, 4):
                index.add([record("P", 1, 1, number) for number in range(start, start + 4)])
        finally:
            done.set()
        assert all(reader.result(60) for reader in readers)
    assert index.count(EVERYTHING) == 400


WORKER = """
import sys
from pathlib import Path
from archimage.index.sqlite import SqliteIndex
from tests.contract.index_contract import record
index = SqliteIndex(Path(sys.argv[1]), busy_timeout_s=60)
for number in range(50):
    index.add([record("P", 1, 1, int(sys.argv[2]) * 1000 + number), record("P", 2, int(sys.argv[2]), number)])
    if number % 10 == 9:
        index.remove([f"1.2.{sys.argv[2]}.{old}" for old in range(number + 1)])
        index.sync()
index.close()
"""


def test_several_processes_create_and_fill_one_index(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    command = [sys.executable, "-c", WORKER, str(path)]
    workers = [subprocess.Popen([*command, str(number)]) for number in (1, 2, 3)]
    try:
        assert [worker.wait(90) for worker in workers] == [0, 0, 0]
    finally:
        for worker in workers:
            worker.kill()
    index = SqliteIndex(path)
    asked = (BY_COLUMN["number_of_study_related_instances"], BY_COLUMN["number_of_study_related_series"])
    assert rows(index, Query(Level.STUDY, requested=asked)) == [
        {
            "patient_id": "P",
            "study_instance_uid": "1.1",
            "number_of_study_related_instances": "150",
            "number_of_study_related_series": "1",
        }
    ]
