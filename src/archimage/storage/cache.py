"""Derived data as files that may be deleted at any time: `{name[:2]}/{name}` under one directory.

What was not asked for longest goes first when there is too much. Several processes may share the directory: files are
replaced by rename, and each process counts anew what is there when it has added a share of the limit itself.
"""

import os
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from archimage.storage.files import write_all

_MODE: Final = 0o640
_SHARE: Final = 16
"""A process adds up to this fraction of the limit between counts."""
_KEPT: Final = 0.9
"""Of the limit, after files were removed."""
_TOUCHED_EVERY_S: Final = 600.0
_ABANDONED_AFTER_S: Final = 3600.0
_UNFINISHED: Final = ".part"


class FilesystemCache:
    """Implements `ports.DerivedCache`; max_bytes is about what all files together may have."""

    def __init__(self, directory: Path, max_bytes: int) -> None:
        self._directory = directory
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._added_bytes = max_bytes

    def read(self, name: str) -> bytes | None:
        """Return what is kept under name, or None."""
        path = self._path(name)
        try:
            with path.open("rb") as file:
                data = file.read()
                if time.time() - os.fstat(file.fileno()).st_mtime > _TOUCHED_EVERY_S:
                    os.utime(path)
        except OSError:
            return None
        return data

    def write(self, name: str, data: bytes) -> None:
        """Keep data under name, instead of what is there; on a disk that refuses it is not kept."""
        path = self._path(name)
        unfinished = path.with_name(f"{name}.{secrets.token_hex(8)}{_UNFINISHED}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, _MODE)
            try:
                write_all(fd, [data])
            finally:
                os.close(fd)
            unfinished.replace(path)
        except OSError:
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)
            return
        self._count(len(data))

    def remove(self, start: str) -> None:
        """Forget everything whose name begins so, two characters at least; absent is fine."""
        with suppress(OSError):
            for path in (self._directory / start[:2]).iterdir():
                if path.name.startswith(start):
                    path.unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._directory / name[:2] / name

    def _count(self, added_bytes: int) -> None:
        """Look now and then whether there is too much."""
        with self._lock:
            self._added_bytes += added_bytes
            if self._added_bytes < self._max_bytes // _SHARE:
                return
            self._added_bytes = 0
        self._evict()

    def _evict(self) -> None:
        """Remove the oldest files until there is room, and what writers left that died."""
        files = sorted(self._files())
        excess = sum(size for _, size, _ in files) - self._max_bytes
        if excess > 0:
            excess += int(self._max_bytes * (1 - _KEPT))
        for modified, size, path in files:
            abandoned = path.name.endswith(_UNFINISHED) and time.time() - modified > _ABANDONED_AFTER_S
            if excess > 0 or abandoned:
                with suppress(OSError):
                    path.unlink(missing_ok=True)
                excess -= size

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        """Yield every file: when it was last asked for, its size, its path."""
        for directory, _, names in os.walk(self._directory):
            for name in names:
                path = Path(directory) / name
                with suppress(OSError):
                    status = path.stat()
                    yield status.st_mtime, status.st_size, path
