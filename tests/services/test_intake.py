"""Tests of services.intake: groups, duplicates, replacement, and what a fault in the middle leaves behind."""

import shutil
import sqlite3
import threading
from contextlib import closing

import pytest

from archimage.errors import DuplicateInstanceError, IndexUnavailableError, OutOfResourcesError, StorageError
from archimage.storage.journal import segments
from tests.attacks.datasets import dataset, new_uid
from tests.services.parts import LIMIT, Open, Parts, expected
from tests.storage.faults import divert


def _store_all(parts: Parts, objects: list[tuple[str, bytes]]) -> list[object]:
    """Store objects from as many threads; return what became of each."""
    answers: list[object] = [None] * len(objects)

    def store(number: int) -> None:
        uid, data = objects[number]
        try:
            answers[number] = parts.service.store(expected(uid), [data]).kind
        except (DuplicateInstanceError, StorageError) as error:
            answers[number] = type(error)

    threads = [threading.Thread(target=store, args=(number,)) for number in range(len(objects))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return answers


def test_many_senders_share_a_group_and_all_is_kept(parts: Parts) -> None:
    objects = [
        (uid, dataset(uid, pixels=bytes(100 + number))) for number, uid in enumerate(new_uid() for _ in range(80))
    ]
    assert _store_all(parts, objects) == ["stored"] * 80
    assert [parts.kept(uid) for uid, _ in objects] == [data for _, data in objects]
    parts.assert_agreement()


def test_the_same_object_from_many_senders_at_once_is_kept_once(parts: Parts) -> None:
    uid = new_uid()
    answers = _store_all(parts, [(uid, dataset(uid))] * 8)
    assert sorted(map(str, answers)) == ["duplicate"] * 7 + ["stored"]
    parts.assert_agreement()


def test_different_objects_under_one_uid_at_once_leave_one(parts: Parts) -> None:
    uid = new_uid()
    objects = [(uid, dataset(uid, pixels=bytes((number,)) * 100)) for number in range(8)]
    answers = _store_all(parts, objects)
    assert (answers.count("stored"), answers.count(DuplicateInstanceError)) == (1, 7)
    assert parts.kept(uid) == objects[answers.index("stored")][1]
    parts.assert_agreement()


@pytest.mark.parametrize("size", [100, LIMIT * 2])
def test_another_object_takes_the_place_of_the_first_where_that_is_wanted(opened: Open, size: int) -> None:
    parts = opened(replace=True)
    uid = new_uid()
    first, second = dataset(uid, pixels=b"1" * size), dataset(uid, pixels=b"2" * size)
    kinds = [parts.service.store(expected(uid), [data]).kind for data in (first, second, second, first, first)]
    assert kinds == ["stored", "replaced", "duplicate", "replaced", "duplicate"]
    assert parts.kept(uid) == first
    parts.assert_agreement()


def test_an_object_in_another_transfer_syntax_is_another_object(parts: Parts) -> None:
    uid = new_uid()
    parts.service.store(expected(uid), [dataset(uid)])
    with pytest.raises(DuplicateInstanceError):
        parts.service.store(expected(uid), [dataset(uid, pixels=b"\1\2\3\4" * 65)])
    parts.assert_agreement()


@pytest.mark.parametrize("device", ["/dev/full", "/dev/null"], ids=["write", "flush"])
def test_a_journal_that_fails_refuses_the_group_and_serves_the_next(parts: Parts, device: str) -> None:
    uid = new_uid()
    for segment in segments(parts.journal_directory):
        divert(segment, device)
    with pytest.raises((StorageError, OutOfResourcesError)):
        parts.service.store(expected(uid), [dataset(uid)])
    assert parts.kept(uid) is None
    parts.assert_agreement()
    parts.service.store(expected(uid), [dataset(uid)])
    assert parts.kept(uid) == dataset(uid)


def test_a_locked_index_refuses_everybody_who_waits_and_serves_the_next(parts: Parts) -> None:
    objects = [(uid, dataset(uid)) for uid in (new_uid() for _ in range(10))]
    with closing(sqlite3.connect(parts.directory / "index.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert _store_all(parts, objects) == [IndexUnavailableError] * 10
        other.execute("ROLLBACK")
    parts.assert_agreement()
    assert _store_all(parts, objects) == ["stored"] * 10


def test_an_object_that_cannot_be_placed_is_taken_back_with_its_whole_group(parts: Parts) -> None:
    uid = new_uid()
    shutil.rmtree(parts.directory / "objects")
    (parts.directory / "objects").write_text("in the way")
    with pytest.raises(StorageError, match="place"):
        parts.service.store(expected(uid), [dataset(uid)])
    assert list(parts.journal.seal().replay()) == []
    (parts.directory / "objects").unlink()
    (parts.directory / "objects").mkdir()
    assert parts.service.store(expected(uid), [dataset(uid)]).kind == "stored"
    parts.assert_agreement()


def test_an_index_that_fails_after_the_files_are_placed_takes_them_back(parts: Parts) -> None:
    uid, other = new_uid(), new_uid()
    parts.service.store(expected(other), [dataset(other)])
    with closing(sqlite3.connect(parts.directory / "index.db")) as connection:
        connection.execute("CREATE TRIGGER refuse BEFORE INSERT ON instance BEGIN SELECT RAISE(ABORT, 'refused'); END")
    with pytest.raises(StorageError):
        parts.service.store(expected(uid), [dataset(uid)])
    assert parts.kept(other) == dataset(other)
    parts.assert_agreement()


def test_a_kept_file_that_is_gone_does_not_end_the_intake(parts: Parts) -> None:
    uid = new_uid()
    outcome = parts.service.store(expected(uid), [dataset(uid)])
    parts.blobs.delete(outcome.record.path)
    with pytest.raises(StorageError):
        parts.service.store(expected(uid), [dataset(uid)])
    fresh = new_uid()
    assert parts.service.store(expected(fresh), [dataset(fresh)]).kind == "stored"
