"""Tests of services.removal: what goes, what a crash in the middle leaves, and what may come again."""

import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from archimage.errors import IndexUnavailableError, InvalidInstanceUIDError, NotFoundError
from archimage.model.records import Removed
from archimage.services.journal_record import JournalRecord
from archimage.services.recovery import complete, rewrite
from archimage.services.removal import RemovalService, sweep
from archimage.storage.filesystem import FilesystemBlobStore
from archimage.storage.journal import committed, replay
from tests.attacks.datasets import SERIES_INSTANCE_UID, STUDY_INSTANCE_UID, dataset, new_uid
from tests.attacks.server import wait_until
from tests.contract.index_contract import record
from tests.services.parts import LIMIT, Open, Parts, expected, recovered

STUDY = "1.2.826.0.1.3680043.8.499.1"
SERIES = "1.2.826.0.1.3680043.8.499.2"


def store(parts: Parts, uid: str = "", *, study: str = STUDY, series: str = SERIES, size: int = 100) -> str:
    """Store an object; return its UID."""
    uid = uid or new_uid()
    replaced = {STUDY_INSTANCE_UID: study.encode(), SERIES_INSTANCE_UID: series.encode()}
    parts.service.store(expected(uid), [dataset(uid, pixels=b"p" * size, replaced=replaced)])
    return uid


def path_of(parts: Parts, uid: str) -> Path:
    """Return the file of an instance."""
    stored = parts.index.lookup(uid)
    assert stored is not None
    return parts.directory / "objects" / stored.path


def recover_all(parts: Parts) -> int:
    """Do what a start does after a crash; return how many objects were mended."""
    mended = recovered([replay(parts.journal_directory)], parts.blobs, parts.index)
    assert sweep(parts.index, parts.blobs, parts.derived) == 0
    return mended


def payloads(parts: Parts) -> Iterator[bytes]:
    """Read what the journals hold."""
    return committed(parts.directory)


@pytest.fixture
def removal(parts: Parts) -> Iterator[RemovalService]:
    """The service over an archive."""
    with closing(RemovalService(parts.index, parts.blobs, parts.derived, lambda: payloads(parts))) as service:
        yield service


@pytest.mark.parametrize("size", [100, 2 * LIMIT], ids=["journalled", "streamed"])
def test_what_was_removed_is_gone_with_its_file_and_its_directories(
    parts: Parts, removal: RemovalService, size: int
) -> None:
    uid, other = store(parts, size=size), store(parts, study="1.5", size=size)
    assert removal.remove_instance(STUDY, SERIES, uid) == Removed(1, 1, 1)
    assert parts.index.lookup(uid) is None
    assert [path.name for path in (parts.directory / "objects").iterdir()] == ["1.5"]
    assert parts.kept(other) is not None
    parts.assert_agreement()


def test_a_study_a_series_and_an_instance_are_removed_with_all_below(parts: Parts, removal: RemovalService) -> None:
    for series in ("1.5.1", "1.5.2", "1.5.3"):
        uids = [store(parts, study="1.5", series=series) for _ in range(3)]
    kept = store(parts, study="1.6")
    assert removal.remove_instance("1.5", "1.5.3", uids[0]) == Removed(0, 0, 1)
    assert removal.remove_series("1.5", "1.5.3") == Removed(0, 1, 2)
    assert removal.remove_study("1.5") == Removed(1, 2, 6)
    assert [stored.sop_instance_uid for page in parts.index.all_instances() for stored in page] == [kept]
    parts.assert_agreement()


def test_what_is_not_there_or_not_below_cannot_be_removed(parts: Parts, removal: RemovalService) -> None:
    uid = store(parts)
    for uids in (("9.9",), (STUDY, "9.9"), ("9.9", SERIES), (STUDY, "9.9", uid), ("9.9", SERIES, uid)):
        with pytest.raises(NotFoundError):
            (removal.remove_study, removal.remove_series, removal.remove_instance)[len(uids) - 1](*uids)
    with pytest.raises(InvalidInstanceUIDError):
        removal.remove_study("../..")
    assert parts.kept(uid) is not None


def test_two_who_remove_the_same_at_once_remove_it_once(parts: Parts, removal: RemovalService) -> None:
    store(parts)
    answers: list[object] = []

    def remove() -> None:
        try:
            answers.append(removal.remove_study(STUDY))
        except NotFoundError as error:
            answers.append(type(error))

    threads = [threading.Thread(target=remove) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(map(str, answers)) == sorted(map(str, [Removed(1, 1, 1), *[NotFoundError] * 3]))


# Crashes.


@pytest.mark.parametrize("size", [100, 2 * LIMIT], ids=["journalled", "streamed"])
def test_the_journal_does_not_bring_back_what_was_removed(parts: Parts, removal: RemovalService, size: int) -> None:
    uid = store(parts, size=size)
    removal.remove_study(STUDY)
    assert recover_all(parts) == 0
    assert parts.index.lookup(uid) is None
    parts.assert_agreement()


def test_files_that_a_crash_has_left_are_deleted_by_the_next_start(parts: Parts) -> None:
    uids = [store(parts) for _ in range(3)]
    with parts.index.writing() as index:
        assert index.remove(STUDY).instances == 3
    assert len(list(parts.blobs.paths())) == 3
    recover_all(parts)
    assert [parts.index.lookup(uid) for uid in uids] == [None] * 3
    parts.assert_agreement()


def test_a_removal_that_was_not_committed_has_not_happened(parts: Parts) -> None:
    uid = store(parts)

    def interrupted() -> None:
        with parts.index.writing() as index:
            index.remove(STUDY)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    recover_all(parts)
    assert parts.kept(uid) is not None
    parts.assert_agreement()


def test_what_is_stored_again_stays_though_files_and_records_of_before_are_about(parts: Parts) -> None:
    uid = store(parts)
    with parts.index.writing() as index:
        index.remove(STUDY)
    store(parts, uid)
    path = path_of(parts, uid)
    recover_all(parts)
    assert parts.kept(uid) is not None
    path.unlink()  # as if neither file nor row of the second time had reached the disk
    parts.index.remove([uid])
    assert recover_all(parts) == 1
    assert parts.kept(uid) is not None
    parts.assert_agreement()


def test_a_replaced_object_does_not_come_back_in_place_of_the_removed_one(opened: Open) -> None:
    parts = opened(replace=True)
    uid = store(parts, size=100)
    store(parts, uid, size=200)
    with closing(RemovalService(parts.index, parts.blobs, parts.derived, lambda: payloads(parts))) as removal:
        removal.remove_study(STUDY)
    assert recover_all(parts) == 0
    assert parts.index.lookup(uid) is None
    parts.assert_agreement()


def test_what_another_process_has_in_its_journal_does_not_come_back(parts: Parts, removal: RemovalService) -> None:
    uid = store(parts)
    shutil.copytree(parts.journal_directory, parts.directory / "journal" / "1")
    removal.remove_study(STUDY)
    with closing(FilesystemBlobStore(parts.directory, "1")) as blobs:
        assert recovered([replay(parts.directory / "journal" / "1")], blobs, parts.index) == 0
    assert parts.index.lookup(uid) is None
    parts.assert_agreement()


def test_what_was_acknowledged_wins_over_a_row_whose_removal_a_power_cut_has_lost(parts: Parts) -> None:
    uid = store(parts)
    ((payload, _),) = replay(parts.journal_directory)
    with parts.index.writing() as index:
        index.remove(STUDY)
    store(parts, uid, size=300)
    # The index as it was flushed last: with the first object's row, and without its removal.
    parts.index.remove([uid])
    parts.index.add([JournalRecord.decode(payload).record])
    with closing(sqlite3.connect(parts.directory / "index.db")) as connection, connection:
        connection.execute("DELETE FROM removal")
    assert recover_all(parts) == 2  # the first is made whole too, before the second takes its place
    assert len(parts.kept(uid) or b"") > 300
    parts.assert_agreement()


def test_an_object_that_is_removed_while_it_is_rewritten_stays_away(
    parts: Parts, removal: RemovalService, monkeypatch: pytest.MonkeyPatch
) -> None:
    uid = store(parts)
    create = parts.blobs.create

    def create_late() -> object:
        removal.remove_study(STUDY)
        return create()

    monkeypatch.setattr(parts.blobs, "create", create_late)
    rewrite(replay(parts.journal_directory), parts.blobs, parts.index)
    assert parts.index.lookup(uid) is None
    parts.assert_agreement()


# Disks and indexes that fail.


def test_an_index_that_does_not_answer_removes_nothing(parts: Parts, removal: RemovalService) -> None:
    uid = store(parts)
    with closing(sqlite3.connect(parts.directory / "index.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(IndexUnavailableError):
            removal.remove_study(STUDY)
        other.execute("ROLLBACK")
    assert parts.kept(uid) is not None
    assert removal.remove_study(STUDY) == Removed(1, 1, 1)
    parts.assert_agreement()


def test_a_file_that_cannot_be_deleted_is_told_and_deleted_later(parts: Parts, removal: RemovalService) -> None:
    uid = store(parts)
    path = path_of(parts, uid)
    path.unlink()
    path.mkdir()  # a directory in its place is one of the few things that root cannot unlink
    assert removal.remove_study(STUDY) == Removed(1, 1, 1, files_due=True)
    assert parts.index.lookup(uid) is None
    path.rmdir()
    path.write_bytes(b"left")
    removal.resume()
    parts.assert_agreement()


def test_what_another_form_has_replaced_stays_for_its_readers_while_others_remove_and_start(
    parts: Parts, removal: RemovalService
) -> None:
    uid = store(parts)
    parts.blobs.put("original.dcm", b"object")
    with parts.index.writing() as index:
        index.note_replaced(uid, due="original.dcm")
    fill(parts, 600)
    removal.remove_study("1.1")
    assert wait_until(lambda: len(list(parts.blobs.paths())) == 2, 20)
    parts.blobs.put("left.dcm", b"object")
    with parts.index.writing() as index:
        index.note_replaced("1.2.3", due="left.dcm")  # of an instance that is there no more
    removal.resume(alone=False)
    assert "original.dcm" in set(parts.blobs.paths())
    assert "left.dcm" not in set(parts.blobs.paths())
    removal.remove_study(STUDY)  # nobody is to read it then
    assert list(parts.blobs.paths()) == []


def test_a_start_that_is_alone_deletes_what_another_form_has_replaced(parts: Parts, removal: RemovalService) -> None:
    uid = store(parts)
    parts.blobs.put("original.dcm", b"object")
    with parts.index.writing() as index:
        index.note_replaced(uid, due="original.dcm")
    removal.resume(alone=True)
    parts.assert_agreement()


# Many.


def fill(parts: Parts, count: int) -> None:
    """Make as many small objects of one study, without a journal."""
    records = [record("P", 1, 1, number) for number in range(count)]
    for one in records:
        parts.blobs.put(one.path, b"object")
    parts.index.add(records)


def test_many_files_are_deleted_after_the_answer_while_others_store(parts: Parts, removal: RemovalService) -> None:
    fill(parts, 1000)
    assert removal.remove_study("1.1") == Removed(1, 1, 1000, files_due=True)
    assert list(parts.index.all_instances()) == []
    uids = [store(parts) for _ in range(20)]
    assert wait_until(lambda: len(list(parts.blobs.paths())) == 20, 20)
    assert removal.remove_study(STUDY) == Removed(1, 1, len(uids))
    parts.assert_agreement()


def test_what_a_stopped_sweep_leaves_is_deleted_by_the_next_start(parts: Parts) -> None:
    fill(parts, 1000)
    with closing(RemovalService(parts.index, parts.blobs, parts.derived, lambda: payloads(parts))) as first:
        first.remove_study("1.1")
    with closing(RemovalService(parts.index, parts.blobs, parts.derived, lambda: payloads(parts))) as second:
        second.resume()
    parts.assert_agreement()


def removals(parts: Parts) -> list[tuple[int, str | None]]:
    """Read the list of removals."""
    with closing(sqlite3.connect(parts.directory / "index.db")) as connection:
        return connection.execute("SELECT pk, file_path FROM removal ORDER BY pk").fetchall()


def test_removals_are_forgotten_once_no_journal_holds_anything_from_before(
    parts: Parts, removal: RemovalService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archimage.services.removal._REMEMBERED", 600)
    store(parts)
    fill(parts, 600)
    removal.remove_study("1.1")
    assert wait_until(lambda: {path for _, path in removals(parts)} == {None}, 20)
    assert len(removals(parts)) == 600  # the object in the journal is older than all of them
    parts.journal.seal().recycle()
    fill(parts, 600)
    removal.remove_study("1.1")
    assert wait_until(lambda: removals(parts) == [(1200, None)], 20)
    uid = store(parts)
    removal.remove_study(STUDY)
    assert recover_all(parts) == 0
    assert parts.index.lookup(uid) is None


def test_what_came_again_after_its_removal_is_added_again_with_its_file(parts: Parts, removal: RemovalService) -> None:
    uid = store(parts, size=2 * LIMIT)
    removal.remove_study(STUDY)
    store(parts, uid, size=2 * LIMIT)
    parts.index.remove([uid])  # as if the index had lost it
    assert complete(lambda: replay(parts.journal_directory), parts.blobs, parts.index) == 1
    assert path_of(parts, uid).stat().st_size > 2 * LIMIT
    parts.assert_agreement()
