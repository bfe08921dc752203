"""What every `ports.BlobStore` does, wherever it keeps objects."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from archimage.errors import BlobNotFoundError
from archimage.ports.storage import BlobStore

LARGE = 12 << 20
"""Bytes: more than one part."""


def placed(blobs: BlobStore, path: str, data: bytes) -> str:
    """Keep an object as the store service does; return its path."""
    writer = blobs.create()
    for start in range(0, len(data), 1 << 20):
        writer.write([data[start : start + (1 << 20)]])
    writer.finish()
    writer.sync()
    writer.close()
    blobs.place(writer.name, path)
    blobs.secure([path])
    return path


class BlobStoreContract:
    """Tests of a store; whoever has one gives it by the fixture `blobs`."""

    def test_an_object_is_there_once_it_is_placed_and_not_before(self, blobs: BlobStore) -> None:
        writer = blobs.create()
        writer.write([b"ab", memoryview(b"cd")])
        writer.write([b"e"])
        writer.finish()
        assert (writer.read(1, 3), writer.read(3, 10)) == (b"bcd", b"de")
        writer.close()
        assert writer.name in set(blobs.incoming())
        assert not list(blobs.paths())
        blobs.place(writer.name, "1.2/3.4/5.6.dcm")
        blobs.secure(["1.2/3.4/5.6.dcm"])
        assert not list(blobs.incoming())
        assert list(blobs.paths()) == ["1.2/3.4/5.6.dcm"]
        with blobs.open("1.2/3.4/5.6.dcm") as reader:
            assert (reader.size_bytes, reader.read(0, 99)) == (5, b"abcde")

    def test_a_small_object_is_put_at_once(self, blobs: BlobStore) -> None:
        blobs.put("1/2/3.dcm", b"one")
        blobs.secure(["1/2/3.dcm"])
        with blobs.open("1/2/3.dcm", 3) as reader:
            assert reader.read(0, 3) == b"one"

    @pytest.mark.parametrize("size", [0, 1, 70_000, (1 << 20) + 1, LARGE])
    def test_bytes_come_back_as_they_were(self, blobs: BlobStore, size: int) -> None:
        data = os.urandom(size)
        path = placed(blobs, f"1/2/{size}.dcm", data)
        for told in (None, size):
            with blobs.open(path, told) as reader:
                assert reader.size_bytes == size
                pieces = [reader.read(start, 300_000) for start in range(0, size, 300_000)]
            assert b"".join(pieces) == data

    def test_any_range_can_be_read_and_less_comes_only_at_the_end(self, blobs: BlobStore) -> None:
        data = os.urandom(LARGE)
        path = placed(blobs, "1/2/3.dcm", data)
        with blobs.open(path) as reader:
            reader.expect(LARGE - 500, 500)
            for offset, length in ((LARGE - 100, 300), (5_000_000, 4_000), (0, 1), (LARGE, 10), (LARGE + 7, 1)):
                assert reader.read(offset, length) == data[offset : offset + length]
            buffer = memoryview(bytearray(1_000))
            assert reader.read_into(buffer, 77) == 1_000
            assert bytes(buffer) == data[77:1_077]
            assert reader.read_into(buffer, LARGE - 10) == 10
            count = reader.read_cached(buffer, 200)
            assert bytes(buffer[:count]) == data[200 : 200 + count]

    def test_several_threads_may_read_one_object(self, blobs: BlobStore) -> None:
        data = os.urandom(2_000_000)
        path = placed(blobs, "1/2/3.dcm", data)
        starts = range(0, len(data), 50_000)
        with blobs.open(path, len(data)) as reader, ThreadPoolExecutor(8) as threads:
            found = list(threads.map(lambda start: reader.read(start, 50_000), starts))
        assert b"".join(found) == data

    def test_what_is_stored_again_takes_the_place_of_the_first(self, blobs: BlobStore) -> None:
        for data in (b"the first", b"another"):
            placed(blobs, "1/2/3.dcm", data)
        with blobs.open("1/2/3.dcm") as reader:
            assert reader.read(0, 100) == b"another"
        assert list(blobs.paths()) == ["1/2/3.dcm"]

    def test_the_same_bytes_may_be_stored_again(self, blobs: BlobStore) -> None:
        for _ in range(2):
            placed(blobs, "1/2/3.dcm", b"the same")
        with blobs.open("1/2/3.dcm") as reader:
            assert reader.read(0, 100) == b"the same"

    def test_what_is_deleted_is_gone_and_deleting_it_again_is_fine(self, blobs: BlobStore) -> None:
        for name in "345":
            placed(blobs, f"1/2/{name}.dcm", b"some bytes")
        for _ in range(2):
            blobs.delete("1/2/4.dcm")
        assert set(blobs.paths()) == {"1/2/3.dcm", "1/2/5.dcm"}
        with pytest.raises(BlobNotFoundError):
            blobs.open("1/2/4.dcm").read(0, 1)

    def test_what_was_deleted_may_be_stored_anew(self, blobs: BlobStore) -> None:
        placed(blobs, "1/2/3.dcm", b"before")
        blobs.delete("1/2/3.dcm")
        placed(blobs, "1/2/3.dcm", b"after")
        with blobs.open("1/2/3.dcm") as reader:
            assert reader.read(0, 100) == b"after"
        assert list(blobs.paths()) == ["1/2/3.dcm"]

    def test_what_is_not_there_is_told_when_it_is_opened_or_read(self, blobs: BlobStore) -> None:
        with pytest.raises(BlobNotFoundError):
            blobs.open("1/2/3.dcm").read(0, 1)
        with pytest.raises(BlobNotFoundError):
            assert blobs.open("1/2/3.dcm").size_bytes

    def test_discarding_leaves_nothing(self, blobs: BlobStore) -> None:
        writer = blobs.create()
        writer.write([b"some"])
        writer.discard()
        writer = blobs.create()
        writer.close()
        blobs.discard(writer.name)
        blobs.discard(writer.name)
        assert not list(blobs.incoming())
        assert not list(blobs.paths())

    def test_many_may_store_and_read_at_once(self, blobs: BlobStore) -> None:
        together = threading.Barrier(4)

        def play(number: int) -> None:
            together.wait(20)
            for index in range(5):
                data = f"{number}-{index}".encode() * 1_000
                path = placed(blobs, f"1/{number}/{index}.dcm", data)
                with blobs.open(path) as reader:
                    assert reader.read(0, len(data)) == data

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(play, range(4)))
        blobs.sync()
        assert len(list(blobs.paths())) == 20
