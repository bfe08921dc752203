"""The contract of BlobStore, over all that keeps objects."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from archimage.storage.filesystem import FilesystemBlobStore
from archimage.storage.spooled import SpooledBlobStore
from tests.contract.blobs_contract import BlobStoreContract
from tests.storage.stores import settings, spooled

_STORES = ("memory", "s3", "azure", "google")


class TestFiles(BlobStoreContract):
    """Over the file system."""

    @pytest.fixture
    def blobs(self, tmp_path: Path) -> Iterator[FilesystemBlobStore]:
        """An empty store."""
        with closing(FilesystemBlobStore(tmp_path, "0")) as store:
            yield store


class TestWriteThrough(BlobStoreContract):
    """Over object stores that have everything before it is acknowledged; nothing stays here, so all reads go there."""

    @pytest.fixture(params=_STORES)
    def blobs(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SpooledBlobStore]:
        """An empty store."""
        config = settings(request.param, request, mode="write-through", cache_bytes=0)
        with closing(spooled(tmp_path, config)) as store:
            yield store


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
