"""Tests of services.spooling over real files, a real index and a store in memory: what may be sent and what may not."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest

from archimage.config_object_store import ObjectStoreConfig
from archimage.errors import BlobNotFoundError
from archimage.index.sqlite import SqliteIndex
from archimage.model.records import InstanceRecord
from archimage.services.spooling import Pace, SpoolService
from archimage.storage.filesystem import FilesystemBlobStore
from archimage.storage.remote.store import RemoteObjects
from archimage.storage.spooled import SpooledBlobStore
from tests.contract.index_contract import record


class Parts:
    """An archive's objects on their way to a store in memory."""

    def __init__(self, directory: Path, held: ExitStack) -> None:
        config = ObjectStoreConfig(url="memory://", cache_bytes=1 << 20)
        self.directory = directory
        self.remote = RemoteObjects(config)
        self.blobs = held.enter_context(
            closing(SpooledBlobStore(directory, FilesystemBlobStore(directory, "0"), self.remote))
        )
        self.index = held.enter_context(closing(SqliteIndex(directory / "index.db")))
        self.service = SpoolService(self.blobs, self.index, lambda: None, self.blobs.uploading, Pace(8.0))

    def keep(self, number: int, data: bytes) -> InstanceRecord:
        """Place an object and add its row."""
        kept = replace(record("P", 1, 1, number), size_bytes=len(data))
        self.blobs.put(kept.path, data)
        self.index.add([kept])
        return kept

    def settle(self) -> None:
        """Do all that there is: old enough for that nothing is taken for arriving."""
        for path in (self.directory / "objects").rglob("*"):
            os.utime(path, (1, 1))
        for _ in range(20):
            self.service.work()

    def keys(self) -> set[str]:
        """Return what the store has."""
        return set(self.remote.paths())

    def files(self, *names: str) -> list[Path]:
        """Return the files in some directories."""
        return [path for name in names for path in (self.directory / name).rglob("*") if path.is_file()]


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    """An empty archive."""
    with ExitStack() as held:
        yield Parts(tmp_path, held)


def test_what_has_a_row_is_uploaded_and_stays_as_a_copy(parts: Parts) -> None:
    kept = parts.keep(1, b"an object")
    parts.settle()
    assert parts.keys() == {kept.path}
    assert parts.files("objects", "uploading", "removed") == []
    assert len(parts.files("cache/objects")) == 1
    with parts.blobs.open(kept.path) as reader:
        assert reader.read(0, 99) == b"an object"


def test_what_was_never_acknowledged_does_not_stay_in_the_store(parts: Parts) -> None:
    parts.blobs.put("1/2/3.dcm", b"without a row")
    parts.settle()
    assert parts.keys() == set()
    assert parts.files("objects", "uploading", "removed", "cache/objects") == []


def test_what_is_removed_while_it_is_uploaded_does_not_come_back(parts: Parts) -> None:
    kept = parts.keep(1, b"an object")
    assert parts.blobs.claim(kept.path)
    parts.blobs.upload(kept.path, 8.0)
    parts.index.remove([kept.values["sop_instance_uid"]])
    parts.blobs.delete(kept.path)
    assert parts.keys() == {kept.path}
    parts.settle()
    assert parts.keys() == set()
    assert parts.files("objects", "uploading", "removed", "cache/objects") == []


def test_what_a_crash_has_left_of_an_upload_is_uploaded_again(parts: Parts) -> None:
    kept = parts.keep(1, b"an object")
    assert parts.blobs.claim(kept.path)
    assert not parts.blobs.claim(kept.path)
    with parts.blobs.open(kept.path) as reader:
        assert reader.read(0, 99) == b"an object"
    parts.settle()
    assert parts.keys() == {kept.path}


def test_what_was_removed_and_stored_anew_is_not_deleted(parts: Parts) -> None:
    kept = parts.keep(1, b"before")
    parts.settle()
    parts.index.remove([kept.values["sop_instance_uid"]])
    parts.blobs.delete(kept.path)
    with pytest.raises(BlobNotFoundError):
        parts.blobs.open(kept.path).read(0, 1)
    parts.keep(1, b"after")
    parts.settle()
    assert parts.keys() == {kept.path}
    assert parts.remote.get(kept.path, 0, 99).data == b"after"
    assert parts.files("removed") == []


def test_what_another_form_has_replaced_stays_until_it_is_deleted(parts: Parts) -> None:
    kept = parts.keep(1, b"the first form")
    other = replace(kept, path=kept.path.replace(".dcm", "-0123456789abcdef.dcm"))
    parts.blobs.put(other.path, b"the other form")
    parts.index.add([other])
    parts.settle()
    assert parts.keys() == {kept.path, other.path}
    parts.blobs.delete(kept.path)
    parts.settle()
    assert parts.keys() == {other.path}


def test_while_objects_arrive_few_are_uploaded(parts: Parts) -> None:
    for number in range(1, 21):
        parts.keep(number, b"an object")
    later = time.time() + 3_600
    os.utime(parts.directory / "objects" / record("P", 1, 1, 20).path, (later, later))
    assert not parts.service.work()
    assert len(parts.keys()) == 4
    assert parts.service.backlog.objects == 16


def test_a_part_of_a_copy_that_a_power_cut_has_left_is_not_read(parts: Parts) -> None:
    kept = parts.keep(1, b"an object")
    parts.settle()
    (copy,) = parts.files("cache/objects")
    copy.write_bytes(b"an")
    with parts.blobs.open(kept.path, kept.size_bytes) as reader:
        assert reader.read(0, 99) == b"an object"


def test_a_damaged_file_gives_way_to_what_the_store_has(parts: Parts) -> None:
    kept = parts.keep(1, b"an object")
    parts.settle()
    parts.blobs.put(kept.path, bytes(9))
    assert not parts.blobs.drop_copies(kept.path, 8)
    assert parts.blobs.drop_copies(kept.path, 9)
    with parts.blobs.open(kept.path) as reader:
        assert reader.read(0, 99) == b"an object"
    assert not parts.blobs.drop_copies("1/2/3.dcm", 9)
