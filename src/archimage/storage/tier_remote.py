"""A tier that is an object store; what is read of it whole is kept for a while in `cache/tiers/{tier}`."""

import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from archimage import spans
from archimage.config_object_store import TierConfig
from archimage.ports.storage import BlobReader
from archimage.storage.cache import FilesystemCache
from archimage.storage.files import storage_errors
from archimage.storage.remote.reader import Got, RemoteReader
from archimage.storage.remote.store import RemoteObjects

_WHOLE_BYTES: Final = 1 << 20
"""An object up to this size is fetched whole, and kept."""
_AT_ONCE: Final = 500
"""Objects that one request deletes."""


class RemoteTier:
    """Implements `storage.tiers.Tier`."""

    def __init__(self, name: str, config: TierConfig, directory: Path) -> None:
        self.name = name
        self._remote = RemoteObjects(config)
        self._cache = FilesystemCache(directory / "cache" / "tiers" / name, config.cache_bytes)
        self._directory = directory

    def begin(self) -> None:
        """Look whether it is there."""
        self.check()

    def check(self) -> None:
        """Raise UnavailableError where the object store does not answer."""
        self._remote.check()

    def room_for(self, size_bytes: int) -> None:
        """Know nothing of it: an object store tells when it is full."""

    def put(self, path: str, pieces: Iterable[bytes], size_bytes: int) -> None:
        """Have the object store keep an object; when this returns it does."""
        timeout_s = self._remote.config.upload_timeout_s
        with storage_errors(f"send {path}"), tempfile.TemporaryFile(dir=self._directory) as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            slow = max(1.0, size_bytes / self._remote.config.part_bytes)
            self._remote.put(path, Path(f"/proc/self/fd/{file.fileno()}"), timeout_s * min(slow, 64))

    def settle(self, paths: Sequence[str]) -> None:
        """Do nothing: what an object store has taken it keeps."""

    def open(self, path: str, size_bytes: int | None = None) -> BlobReader:
        """Open an object; what is small comes whole with the first byte, and stays where its size is told."""
        with spans.leaf("open object"):
            copy = self._cache.open(_name(path))
            if copy is not None:
                if size_bytes in {None, copy.size_bytes}:
                    return copy
                copy.close()  # a power cut has left a part of it
        if size_bytes is None or size_bytes > _WHOLE_BYTES or not self._remote.config.cache_bytes:
            return self._remote.open(path, size_bytes)
        return RemoteReader(partial(self._fetch, path, size_bytes), self._remote.reading, size_bytes, whole=True)

    def delete(self, paths: Sequence[str]) -> None:
        """Delete objects; absent is fine."""
        for path in paths:
            self._cache.remove(_name(path))
        for start in range(0, len(paths), _AT_ONCE):
            self._remote.delete(paths[start : start + _AT_ONCE])

    def paths(self) -> Iterator[str]:
        """Walk all objects of this archive."""
        yield from (path for path in self._remote.paths() if path.startswith(f"{self.name}/"))

    def close(self) -> None:
        """End the threads that read ahead."""
        self._remote.close()

    def _fetch(self, path: str, size_bytes: int, _offset: int, _length: int) -> Got:
        got = self._remote.get(path, 0, size_bytes)
        self._cache.write(_name(path), got.data)
        return got


def _name(path: str) -> str:
    """Return the name of an object's copy in the cache."""
    return hashlib.sha256(path.encode()).hexdigest()
