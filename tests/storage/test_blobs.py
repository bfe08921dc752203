"""The contract of BlobStore, over all that keeps objects."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from archimage.config_object_store import TierConfig
from archimage.errors import BlobNotFoundError, StorageError, UnavailableError
from archimage.ports.storage import SentAhead
from archimage.storage.filesystem import FilesystemBlobStore
from archimage.storage.spooled import SURE_S, SpooledBlobStore
from archimage.storage.tier_directory import DirectoryTier
from archimage.storage.tier_remote import RemoteTier
from archimage.storage.tiers import TieredBlobStore
from tests.contract.blobs_contract import BlobStoreContract, placed
from tests.storage.stores import settings, spooled

_PATH = "1/2/3.dcm"
_STORES = ("memory", "s3", "azure", "google")


class TestFiles(BlobStoreContract):
    """Over the file system."""

    @pytest.fixture
    def blobs(self, tmp_path: Path) -> Iterator[FilesystemBlobStore]:
        """An empty store."""
        with closing(FilesystemBlobStore(tmp_path, "0")) as store:
            yield store


class TestTiered(BlobStoreContract):
    """Over files in the hot tier, with others beside it."""

    @pytest.fixture
    def blobs(self, tmp_path: Path) -> Iterator[TieredBlobStore]:
        """An empty store."""
        cold = TierConfig.model_validate({"url": "memory://", "part_bytes": 5 << 20})
        tiers = (DirectoryTier("warm", tmp_path / "warm", 0), RemoteTier("cold", cold, tmp_path))
        with closing(TieredBlobStore(tmp_path, FilesystemBlobStore(tmp_path, "0"), tiers)) as store:
            store.begin("warm")
            yield store


@pytest.mark.parametrize("tier", ["warm", "cold"])
@pytest.mark.parametrize("size", [0, 5, 9 << 20])
def test_a_tier_keeps_what_is_put_placed_or_copied_there(tmp_path: Path, tier: str, size: int) -> None:
    cold = TierConfig.model_validate({"url": "memory://", "part_bytes": 5 << 20})
    tiers = (DirectoryTier("warm", tmp_path / "warm", 0), RemoteTier("cold", cold, tmp_path))
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    with closing(TieredBlobStore(tmp_path, FilesystemBlobStore(tmp_path, "0"), tiers)) as blobs:
        blobs.begin("warm")
        blobs.put(f"{tier}/1/2/3.dcm", data)
        placed(blobs, f"{tier}/1/2/4.dcm", data)
        blobs.copy(f"{tier}/1/2/5.dcm", [data], size)
        blobs.settle([f"{tier}/1/2/5.dcm"])
        assert sorted(blobs.paths()) == [f"{tier}/1/2/{number}.dcm" for number in (3, 4, 5)]
        assert list(blobs.incoming()) == []
        for path in blobs.paths():
            for told in (size, None, size):  # what is small is read of a local copy the second time
                with blobs.open(path, told) as reader:
                    assert (reader.size_bytes, reader.read(0, size + 1)) == (size, data)
            blobs.delete(path)
        assert list(blobs.paths()) == []
        assert blobs.delete_due() == 0
        for number in (3, 4, 5):
            with pytest.raises(BlobNotFoundError), blobs.open(f"{tier}/1/2/{number}.dcm") as reader:
                reader.read(0, 1)


def test_a_tier_that_the_settings_do_not_name_is_told(tmp_path: Path) -> None:
    with closing(TieredBlobStore(tmp_path, FilesystemBlobStore(tmp_path, "0"), ())) as blobs:
        with pytest.raises(UnavailableError, match=r"tier cold"):
            blobs.open("cold/1/2/3.dcm")
        blobs.delete("cold/1/2/3.dcm")
        assert blobs.delete_due() == 1


def test_a_directory_of_another_tier_is_not_taken_for_this_one(tmp_path: Path) -> None:
    DirectoryTier("warm", tmp_path / "place", 0).begin()
    other = DirectoryTier("cold", tmp_path / "place", 0)
    with pytest.raises(UnavailableError, match="is tier warm"):
        other.begin()
    (tmp_path / "file").touch()
    with pytest.raises(UnavailableError):
        DirectoryTier("cold", tmp_path / "file" / "below", 0).begin()


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"abc"
        raise StorageError("it cannot be read on")

    tier = DirectoryTier("warm", tmp_path, 0)
    tier.begin()
    with pytest.raises(StorageError, match="read on"):
        tier.put("warm/1/2/3.dcm", pieces(), 9)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["archimage-tier"]


class TestWriteThrough(BlobStoreContract):
    """Over object stores that have everything before it is acknowledged; nothing stays here, so all reads go there."""

    @pytest.fixture(params=_STORES)
    def blobs(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SpooledBlobStore]:
        """An empty store."""
        config = settings(request.param, request, mode="write-through", cache_bytes=0)
        with closing(spooled(tmp_path, config)) as store:
            yield store

    def test_a_small_object_is_never_a_file_and_there_before_it_is_safe(
        self, blobs: SpooledBlobStore, tmp_path: Path
    ) -> None:
        blobs.put(_PATH, b"one")
        assert list(blobs.paths()) == [_PATH]
        with blobs.open(_PATH) as reader:
            assert (reader.size_bytes, reader.read(1, 9)) == (3, b"ne")
        blobs.secure([_PATH])
        assert not [path for path in (tmp_path / "objects").rglob("*") if path.is_file()]
        with blobs.open(_PATH) as reader:
            assert reader.read(0, 9) == b"one"

    def test_a_small_object_that_is_taken_back_before_it_is_safe_was_never_there(self, blobs: SpooledBlobStore) -> None:
        blobs.put(_PATH, b"one")
        blobs.delete(_PATH)
        assert list(blobs.paths()) == []
        with pytest.raises(BlobNotFoundError):
            blobs.open(_PATH).read(0, 1)

    def test_what_was_sent_ahead_is_not_sent_again_and_takes_the_place_of_nothing(
        self, blobs: SpooledBlobStore
    ) -> None:
        first = _sent(blobs, b"one")
        assert first.mark
        assert _sent(blobs, b"other") == SentAhead(_PATH, taken=True)
        blobs.put(_PATH, b"other")
        blobs.secure([_PATH], [first, replace(first, path="1/2/4.dcm")])
        assert _read(blobs) == b"one"  # what is placed is what was sent: it is not looked at again

    def test_what_was_sent_ahead_is_looked_for_after_a_while_and_where_others_may_have_come(
        self, blobs: SpooledBlobStore
    ) -> None:
        sent = _sent(blobs, b"one")
        long_ago = replace(sent, since=time.monotonic() - SURE_S)
        for told in (long_ago, replace(sent, since=0.0)):
            for _ in range(2):  # it is there, or is not
                blobs.put(_PATH, b"one")
                blobs.secure([_PATH], [told])
                assert _read(blobs) == b"one"
                blobs.remove([_PATH])

    def test_what_is_sent_in_parts_is_not_taken_for_left_behind_until_that_has_failed(
        self, blobs: SpooledBlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        small = blobs._remote.config.model_copy(update={"multipart_threshold_bytes": 3})
        monkeypatch.setattr(blobs._remote, "config", small)
        writer = blobs.create()
        writer.write([b"large"])
        writer.finish()
        writer.close()
        assert _sent(blobs, writer.name).mark
        note = tmp_path / "ahead" / _PATH.replace("/", "~")
        assert note.stat().st_mtime > time.time() + 3_600

        def fail(*_arguments: object) -> None:
            raise UnavailableError("it is away")

        monkeypatch.setattr(blobs._remote, "create", fail)
        assert isinstance(_sent(blobs, writer.name).failure, UnavailableError)
        blobs.discard(writer.name)
        assert note.stat().st_mtime <= time.time()
        assert list(blobs.removed(9)) == []  # it may be tried again at once
        os.utime(note, (1, 1))
        assert list(blobs.removed(9)) == [_PATH]

    def test_what_could_not_be_sent_ahead_is_told_when_it_is_to_be_safe(self, blobs: SpooledBlobStore) -> None:
        blobs.put(_PATH, b"one")
        with pytest.raises(UnavailableError, match="away"):
            blobs.secure([_PATH], [SentAhead(_PATH, failure=UnavailableError("it is away"))])


def _sent(blobs: SpooledBlobStore, source: str | bytes) -> SentAhead:
    sent: Future[SentAhead] = Future()
    blobs.send_ahead(_PATH, source, sent.set_result)
    return sent.result(timeout=10)


def _read(blobs: SpooledBlobStore) -> bytes:
    with blobs.open(_PATH) as reader:
        return reader.read(0, 9)


class TestCached(BlobStoreContract):
    """Over object stores of which copies lie here."""

    @pytest.fixture(params=_STORES)
    def blobs(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SpooledBlobStore]:
        """An empty store."""
        with closing(spooled(tmp_path, settings(request.param, request, mode="write-through"))) as store:
            yield store


class TestWriteBack(BlobStoreContract):
    """Over a spool from which nothing was uploaded yet."""

    @pytest.fixture
    def blobs(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SpooledBlobStore]:
        """An empty store."""
        with closing(spooled(tmp_path, settings("memory", request))) as store:
            yield store
