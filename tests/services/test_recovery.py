"""Tests of services.recovery and services.checkpoint: from the journal to whole files and rows."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from archimage.errors import StorageError
from archimage.services.checkpoint import Checkpointer
from archimage.services.journal_record import JournalRecord
from archimage.services.recovery import rewrite
from archimage.storage.filesystem import FilesystemBlobStore
from archimage.storage.journal import replay
from tests.attacks.datasets import dataset, new_uid
from tests.attacks.server import wait_until
from tests.services.parts import LIMIT, Open, Parts, expected, recovered


def _store(parts: Parts, size: int = 100) -> str:
    uid = new_uid()
    parts.service.store(expected(uid), [dataset(uid, pixels=b"p" * size)])
    return uid


def _recover(parts: Parts) -> int:
    return recovered([replay(parts.journal_directory)], parts.blobs, parts.index)


def _path(parts: Parts, uid: str) -> Path:
    stored = parts.index.lookup(uid)
    assert stored is not None
    return parts.directory / "objects" / stored.path


def _name(parts: Parts) -> str:
    """Return the name under which the only object of the journal came in."""
    ((payload, _),) = replay(parts.journal_directory)
    return JournalRecord.decode(payload).name


def test_a_whole_archive_needs_no_mending(parts: Parts) -> None:
    uid = _store(parts)
    assert _recover(parts) == 0
    assert parts.kept(uid) == dataset(uid, pixels=b"p" * 100)


@pytest.mark.parametrize("damage", [b"", b"short", None], ids=["empty", "cut", "gone"])
def test_a_file_that_is_not_whole_is_made_again(parts: Parts, damage: bytes | None) -> None:
    uid = _store(parts)
    path = _path(parts, uid)
    if damage is None:
        shutil.rmtree(path.parent)
    else:
        path.write_bytes(damage)
    assert _recover(parts) == 1
    assert parts.kept(uid) == dataset(uid, pixels=b"p" * 100)
    parts.assert_agreement()


def test_a_file_of_the_right_size_and_other_bytes_is_made_again(parts: Parts) -> None:
    uid = _store(parts)
    path = _path(parts, uid)
    path.write_bytes(bytes(path.stat().st_size))
    assert _recover(parts) == 1
    assert parts.kept(uid) == dataset(uid, pixels=b"p" * 100)


def test_a_row_that_is_lost_is_made_again(parts: Parts) -> None:
    uid = _store(parts)
    parts.index.remove([uid])
    assert _recover(parts) == 1
    assert parts.kept(uid) == dataset(uid, pixels=b"p" * 100)
    parts.assert_agreement()


def test_a_large_object_whose_rename_is_lost_is_placed_again(parts: Parts) -> None:
    uid = _store(parts, 2 * LIMIT)
    _path(parts, uid).rename(parts.directory / "incoming" / "0" / _name(parts))
    parts.index.remove([uid])
    assert _recover(parts) == 1
    assert parts.kept(uid) == dataset(uid, pixels=b"p" * 2 * LIMIT)
    parts.assert_agreement()


def test_what_was_never_acknowledged_is_dropped(parts: Parts) -> None:
    parts.service.begin(expected("1.2.3")).write([dataset("1.2.3")[:200]])
    lost = _store(parts, 2 * LIMIT)
    _path(parts, lost).unlink()
    parts.index.remove([lost])
    assert _recover(parts) == 0
    parts.assert_agreement()
    assert parts.index.lookup(lost) is None


def test_a_replacement_that_was_interrupted_is_completed(opened: Open) -> None:
    parts = opened(replace=True)
    uid = new_uid()
    first, second = dataset(uid, pixels=b"11"), dataset(uid, pixels=b"22")
    old = parts.service.store(expected(uid), [first]).record
    kept = (parts.directory / "objects" / old.path).read_bytes()
    new = parts.service.store(expected(uid), [second]).record
    # As if neither the removal of the old file nor the new file and row had reached the disk.
    (parts.directory / "objects" / new.path).unlink()
    (parts.directory / "objects" / old.path).write_bytes(kept)
    parts.index.add([old])
    assert _recover(parts) == 1
    assert parts.kept(uid) == second
    parts.assert_agreement()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["older first", "newer first"])
@pytest.mark.parametrize("index_lost", [False, True], ids=["index kept", "index lost"])
def test_of_two_replacements_in_two_journals_the_newer_one_stays(
    opened: Open, order: tuple[int, int], index_lost: bool
) -> None:
    parts = opened(replace=True)
    uid = new_uid()
    parts.service.store(expected(uid), [dataset(uid, pixels=b"11")])
    older = parts.service.store(expected(uid), [dataset(uid, pixels=b"22")]).record
    parts.service.store(expected(uid), [dataset(uid, pixels=b"33")])
    journals = list(replay(parts.journal_directory))[1:]
    if index_lost:  # a power cut took what of the index was not flushed yet, the notes of replacements too
        with closing(sqlite3.connect(parts.directory / "index.db")) as database, database:
            database.execute("DELETE FROM removal")
        parts.index.add([older])
    recovered((iter([journals[number]]) for number in order), parts.blobs, parts.index)
    assert parts.kept(uid) == dataset(uid, pixels=b"33")
    parts.assert_agreement()


def test_a_large_object_that_was_not_whole_when_its_record_was_flushed_leaves_nothing(parts: Parts) -> None:
    uid = _store(parts, 2 * LIMIT)
    file = parts.directory / "incoming" / "0" / _name(parts)
    _path(parts, uid).rename(file)
    parts.index.remove([uid])
    with file.open("r+b") as cut:
        cut.truncate(LIMIT)
    assert _recover(parts) == 0
    assert parts.index.lookup(uid) is None
    parts.assert_agreement()


def test_rewriting_makes_every_object_of_the_journal_anew(parts: Parts) -> None:
    small, large, removed = _store(parts), _store(parts, 2 * LIMIT), _store(parts)
    parts.index.remove([removed])
    for uid in (small, large):
        _path(parts, uid).write_bytes(b"lost")
    rewrite(replay(parts.journal_directory), parts.blobs, parts.index)
    assert parts.kept(small) == dataset(small, pixels=b"p" * 100)
    # A large object was synced itself: its flush did not fail.
    assert _path(parts, large).read_bytes() == b"lost"


def test_rewriting_that_fails_leaves_nothing_in_incoming(parts: Parts) -> None:
    uid = _store(parts)
    shutil.rmtree(parts.directory / "objects")
    (parts.directory / "objects").write_text("in the way")
    with pytest.raises(Exception, match="place"):
        rewrite(replay(parts.journal_directory), parts.blobs, parts.index)
    assert list(parts.blobs.incoming()) == []
    assert parts.index.lookup(uid) is not None


# Checkpoints.


def test_a_checkpoint_empties_the_journal_when_it_asks_and_at_the_end(parts: Parts) -> None:
    with closing(Checkpointer(parts.journal, parts.blobs, parts.index)):
        for _ in range(15):
            _store(parts, 90_000)
        assert wait_until(lambda: sum(1 for _ in replay(parts.journal_directory)) < 15, 10.0)
        last = _store(parts)
    assert list(replay(parts.journal_directory)) == []
    assert parts.kept(last) == dataset(last, pixels=b"p" * 100)


def test_a_flush_that_fails_makes_the_objects_anew_and_keeps_the_journal(parts: Parts) -> None:
    uid = _store(parts)
    before = _path(parts, uid).stat().st_ino
    with closing(_Unflushable(parts.directory, "0")) as blobs, closing(Checkpointer(parts.journal, blobs, parts.index)):
        pass
    assert _path(parts, uid).stat().st_ino != before
    assert parts.kept(uid) == dataset(uid, pixels=b"p" * 100)
    assert len(list(replay(parts.journal_directory))) == 1


class _Unflushable(FilesystemBlobStore):
    """A store on a disk whose write-back fails."""

    def sync(self) -> None:
        """Fail."""
        raise StorageError("write-back has failed")
