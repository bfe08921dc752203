"""Tests of services.intake: groups, duplicates, replacement, and what a fault in the middle leaves behind."""

import hashlib
import shutil
import sqlite3
import threading
from collections.abc import Sequence
from contextlib import closing
from queue import SimpleQueue

import pytest

from archimage.dicom.scan import scan
from archimage.errors import (
    DuplicateInstanceError,
    HeldError,
    IndexUnavailableError,
    NotFoundError,
    OutOfResourcesError,
    StorageError,
)
from archimage.model.records import InstanceRecord, Original, StoredInstance
from archimage.ports.meter import Meter
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN
from archimage.services.attributes import WANTED, index_values
from archimage.services.content import StreamedContent
from archimage.services.intake import Arrival, CommitTiming, Outcome
from archimage.services.layout import replacement_path
from archimage.services.removal import sweep
from archimage.storage.filesystem import FilesystemBlobStore
from archimage.storage.journal import segments
from tests.attacks.datasets import dataset, new_uid
from tests.services.parts import LIMIT, Open, Parts, expected
from tests.storage.faults import divert

COMPRESSED = "1.2.840.10008.1.2.5"


def store_all(parts: Parts, objects: list[tuple[str, bytes]]) -> list[object]:
    """Store objects from as many threads; return what became of each."""
    answers: list[object] = [None] * len(objects)

    def store(number: int) -> None:
        uid, data = objects[number]
        try:
            answers[number] = parts.service.store(expected(uid), [data]).kind
        except (DuplicateInstanceError, HeldError, StorageError) as error:
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
    assert store_all(parts, objects) == ["stored"] * 80
    assert [parts.kept(uid) for uid, _ in objects] == [data for _, data in objects]
    parts.assert_agreement()


class Noted(Meter):
    """Notes the groups that it hears of."""

    def __init__(self) -> None:
        self.groups: list[tuple[Sequence[float], float, float]] = []

    def group_committed(self, waits_s: Sequence[float], sync_s: float, index_s: float) -> None:
        self.groups.append((waits_s, sync_s, index_s))


def test_what_a_group_took_is_told_to_the_meter_and_with_every_outcome(parts: Parts) -> None:
    parts.intake.meter = noted = Noted()
    uids = [new_uid() for _ in range(30)]
    timings = {}

    def store(uid: str) -> None:
        timings[uid] = parts.service.store(expected(uid), [dataset(uid)]).timing

    threads = [threading.Thread(target=store, args=(uid,)) for uid in uids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    told = sorted((wait_s, sync_s, index_s) for waits, sync_s, index_s in noted.groups for wait_s in waits)
    assert sorted(timings.values()) == told
    assert len(told) == 30
    assert all(wait_s >= 0 < sync_s and index_s > 0 for wait_s, sync_s, index_s in told)
    assert parts.service.store(expected(uids[0]), [dataset(uids[0])]).timing == CommitTiming()  # a duplicate
    assert sum(len(waits) for waits, _, _ in noted.groups) == 30


def test_the_same_object_from_many_senders_at_once_is_kept_once(parts: Parts) -> None:
    uid = new_uid()
    answers = store_all(parts, [(uid, dataset(uid))] * 8)
    assert sorted(map(str, answers)) == ["duplicate"] * 7 + ["stored"]
    parts.assert_agreement()


def test_different_objects_under_one_uid_at_once_leave_one(parts: Parts) -> None:
    uid = new_uid()
    objects = [(uid, dataset(uid, pixels=bytes((number,)) * 100)) for number in range(8)]
    answers = store_all(parts, objects)
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
        assert store_all(parts, objects) == [IndexUnavailableError] * 10
        other.execute("ROLLBACK")
    parts.assert_agreement()
    assert store_all(parts, objects) == ["stored"] * 10


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


def supersede(parts: Parts, uid: str, kept: StoredInstance, data: bytes) -> object:
    """Offer another form of an object that is kept; return what became of it."""
    content = StreamedContent(parts.blobs.create())
    content.complete([data], sync=True)
    before = Original(kept.transfer_syntax_uid, len(dataset(uid)), hashlib.sha256(dataset(uid)).digest())
    record = InstanceRecord(
        index_values(scan(dataset(uid), EXPLICIT_VR_LITTLE_ENDIAN, WANTED)),
        COMPRESSED,
        replacement_path(kept.path, b"\1" * 8),
        len(data),
        0,
        b"\1" * 16,
        1e9,
        "SENDER",
        original=before,
    )
    answers: SimpleQueue[object] = SimpleQueue()
    parts.intake.submit(Arrival(record, content, answers.put, supersedes=kept))
    return answers.get(timeout=10)


def kept_row(parts: Parts, uid: str) -> StoredInstance:
    """Return the row of an instance that is kept."""
    stored = parts.index.lookup(uid)
    assert stored is not None
    return stored


def test_another_form_of_an_object_takes_its_place_and_the_old_file_is_due(parts: Parts) -> None:
    uid = new_uid()
    parts.service.store(expected(uid), [dataset(uid)])
    first = kept_row(parts, uid)
    answer = supersede(parts, uid, first, b"smaller")
    assert isinstance(answer, Outcome)
    assert answer.kind == "replaced"
    assert kept_row(parts, uid).transfer_syntax_uid == COMPRESSED
    with parts.blobs.open(kept_row(parts, uid).path) as reader:
        assert reader.read(0, 100) == b"smaller"
    parts.blobs.open(first.path).close()
    assert sweep(parts.index, parts.blobs, parts.derived) == 0
    parts.assert_agreement()


def test_what_was_compressed_is_a_duplicate_when_it_comes_again_and_nothing_else_is(parts: Parts) -> None:
    uid = new_uid()
    parts.service.store(expected(uid), [dataset(uid)])
    supersede(parts, uid, kept_row(parts, uid), b"smaller")
    assert parts.service.store(expected(uid), [dataset(uid)]).kind == "duplicate"
    for other in (b"\1\2\3\5" * 64, b"\1" * 8):
        with pytest.raises(DuplicateInstanceError):
            parts.service.store(expected(uid), [dataset(uid, pixels=other)])


def test_another_form_of_what_is_not_there_any_more_is_dropped(opened: Open) -> None:
    parts = opened(replace=True)
    removed, replaced = new_uid(), new_uid()
    rows = []
    for uid in (removed, replaced):
        parts.service.store(expected(uid), [dataset(uid)])
        rows.append(kept_row(parts, uid))
    with parts.index.writing() as writer:
        writer.remove("1.2.826.0.1.3680043.8.499.1", "1.2.826.0.1.3680043.8.499.2", removed)
    parts.service.store(expected(replaced), [dataset(replaced, pixels=b"12")])
    answers = [supersede(parts, uid, row, b"smaller") for uid, row in zip((removed, replaced), rows, strict=True)]
    assert all(isinstance(answer, NotFoundError) for answer in answers)
    assert parts.kept(removed) is None
    assert parts.kept(replaced) == dataset(replaced, pixels=b"12")
    sweep(parts.index, parts.blobs, parts.derived)
    parts.assert_agreement()


def test_what_was_removed_comes_back_elsewhere_where_other_nodes_may_keep_copies(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a node that has read the object before would go on giving that, as the new one."""
    monkeypatch.setattr(FilesystemBlobStore, "copies_elsewhere", True)
    uid = new_uid()
    store_all(parts, [(uid, dataset(uid, pixels=b"first!"))])
    before = parts.index.lookup(uid)
    assert before is not None
    with parts.index.writing() as writer:
        writer.remove("1.2.826.0.1.3680043.8.499.1", "1.2.826.0.1.3680043.8.499.2", uid)
    assert store_all(parts, [(uid, dataset(uid, pixels=b"second"))]) == ["stored"]
    after = parts.index.lookup(uid)
    assert after is not None
    assert after.path != before.path
    assert parts.kept(uid) == dataset(uid, pixels=b"second")
