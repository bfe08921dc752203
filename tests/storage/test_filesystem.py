"""Tests of storage.filesystem."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from archimage.errors import BlobNotFoundError, OutOfResourcesError, StorageError
from archimage.storage.filesystem import FilesystemBlobStore
from tests.attacks.server import wait_until
from tests.storage.faults import divert


@pytest.fixture(params=[True, False], ids=["direct", "cached"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FilesystemBlobStore]:
    """An empty store, writing around the page cache and through it."""
    store = FilesystemBlobStore(tmp_path, "0", direct=request.param)
    yield store
    store.close()


def _place(blobs: FilesystemBlobStore, path: str, data: bytes) -> None:
    writer = blobs.create()
    writer.write([data])
    writer.finish()
    writer.close()
    blobs.place(writer.name, path)


def test_an_object_is_visible_once_it_is_placed_and_not_before(blobs: FilesystemBlobStore) -> None:
    writer = blobs.create()
    writer.write([b"ab", memoryview(b"cd")])
    writer.write([b"e"])
    writer.finish()
    assert (writer.read(1, 3), writer.read(3, 10)) == (b"bcd", b"de")
    writer.sync()
    writer.close()
    writer.close()
    assert list(blobs.incoming()) == [writer.name]
    assert list(blobs.paths()) == []
    blobs.place(writer.name, "1/2/3.dcm")
    assert list(blobs.incoming()) == []
    assert list(blobs.paths()) == ["1/2/3.dcm"]
    with blobs.open("1/2/3.dcm") as reader:
        assert (reader.size_bytes, reader.read(0, 99), reader.read(3, 1), reader.read(9, 1)) == (5, b"abcde", b"d", b"")
    reader.close()
    blobs.sync()


def test_what_lies_in_memory_is_read_at_once_and_the_rest_when_it_has_come(
    blobs: FilesystemBlobStore, tmp_path: Path
) -> None:
    data = os.urandom(300_000)
    _place(blobs, "1/2.dcm", data)
    blobs.sync()
    with blobs.open("1/2.dcm") as reader:
        buffer = memoryview(bytearray(len(data) - 100))
        assert reader.read_into(buffer, 100) == len(buffer)
        assert reader.read_cached(buffer, 100) == len(buffer)
        assert buffer == data[100:]
        with (tmp_path / "objects/1/2.dcm").open("rb") as file:

            def is_forgotten() -> bool:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)  # but for what the kernel just works with
                return reader.read_cached(buffer, 100) == 0

            assert wait_until(is_forgotten, 20.0)
    with pytest.raises(OSError, match="Bad file descriptor"):
        reader.read_cached(buffer, 0)


def test_placing_replaces_what_is_there(blobs: FilesystemBlobStore) -> None:
    blobs.put("1/2.dcm", b"old")
    _place(blobs, "1/2.dcm", b"new")
    with blobs.open("1/2.dcm") as reader:
        assert reader.read(0, 9) == b"new"


def test_a_small_object_that_cannot_be_placed_leaves_nothing(blobs: FilesystemBlobStore, tmp_path: Path) -> None:
    (tmp_path / "objects" / "1").write_bytes(b"in the way")
    with pytest.raises(StorageError, match="place"):
        blobs.put("1/2.dcm", b"x")
    assert list(blobs.incoming()) == []


def test_deleting_removes_the_directories_that_it_empties(blobs: FilesystemBlobStore, tmp_path: Path) -> None:
    for path in ("1/2/3.dcm", "1/4/5.dcm"):
        _place(blobs, path, b"x")
    blobs.delete("1/2/3.dcm")
    assert not (tmp_path / "objects" / "1" / "2").exists()
    blobs.delete("1/2/3.dcm")
    blobs.delete("1/4/5.dcm")
    assert list((tmp_path / "objects").iterdir()) == []
    _place(blobs, "1/2/3.dcm", b"again")
    assert list(blobs.paths()) == ["1/2/3.dcm"]


def test_a_directory_that_somebody_took_away_is_made_again(blobs: FilesystemBlobStore, tmp_path: Path) -> None:
    _place(blobs, "1/2.dcm", b"x")
    (tmp_path / "objects" / "1" / "2.dcm").unlink()
    (tmp_path / "objects" / "1").rmdir()
    _place(blobs, "1/3.dcm", b"y")
    assert list(blobs.paths()) == ["1/3.dcm"]


def test_placing_and_deleting_do_not_disturb_each_other(blobs: FilesystemBlobStore) -> None:
    def churn(number: int) -> None:
        for _ in range(100):
            _place(blobs, f"1/2/{number}.dcm", b"x")
            blobs.delete(f"1/2/{number}.dcm")
        _place(blobs, f"1/2/{number}.dcm", b"last")

    threads = [threading.Thread(target=churn, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(blobs.paths()) == [f"1/2/{number}.dcm" for number in range(4)]


def test_many_directories_are_not_all_remembered(blobs: FilesystemBlobStore) -> None:
    for number in range(4_200):
        _place(blobs, f"{number}/1.dcm", b"")
    assert sum(1 for _ in blobs.paths()) == 4_200


def test_discarding_leaves_nothing(blobs: FilesystemBlobStore) -> None:
    writer = blobs.create()
    writer.write([b"x"])
    writer.discard()
    writer.discard()
    left = blobs.create()
    left.close()
    blobs.discard(left.name)
    blobs.discard(left.name)
    assert list(blobs.incoming()) == []


def test_what_is_not_there_is_told(blobs: FilesystemBlobStore) -> None:
    with pytest.raises(BlobNotFoundError):
        blobs.open("1/2.dcm")
    with pytest.raises(StorageError, match="place"):
        blobs.place("nothing", "1/2.dcm")


def test_a_full_disk_and_a_failed_flush_are_told(blobs: FilesystemBlobStore, tmp_path: Path) -> None:
    full, unflushed = blobs.create(), blobs.create()
    divert(tmp_path / "incoming" / "0" / full.name, "/dev/full")
    divert(tmp_path / "incoming" / "0" / unflushed.name, "/dev/null")
    with pytest.raises(OutOfResourcesError, match="No space"):
        full.write([bytes(5000)])
    with pytest.raises(StorageError, match="sync"):
        unflushed.sync()
    full.discard()
    unflushed.discard()


def test_lanes_do_not_see_each_others_incoming_files(blobs: FilesystemBlobStore, tmp_path: Path) -> None:
    other = FilesystemBlobStore(tmp_path, "1")
    writer = other.create()
    assert list(blobs.incoming()) == []
    writer.discard()
    other.close()
