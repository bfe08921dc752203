"""Derived data as files that may be deleted at any time: `{name[:2]}/{name}` under one directory.

What was not asked for longest goes first when there is too much. Several processes may share the directory: files are
replaced by rename, and each process counts anew what is there when it has added a share of the limit itself. Files on
their way are locked by who writes them, so that those of a process that has died can be told and removed.
"""

import fcntl
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from archimage.errors import BlobNotFoundError, OutOfResourcesError, StorageError
from archimage.storage.files import storage_errors, write_all
from archimage.storage.filesystem import FileReader

_MODE: Final = 0o640
_SHARE: Final = 16
"""A process adds up to this fraction of the limit between counts."""
_KEPT: Final = 0.9
"""Of the limit, after files were removed."""
_TOUCHED_EVERY_S: Final = 600.0
_ABANDONED_AFTER_S: Final = 3600.0
_UNFINISHED: Final = ".part"


class CacheWriter:
    """One object on its way, under a name of its own beside its place. Implements `ports.DerivedWriter`."""

    def __init__(self, path: Path, kept: Callable[[int, Path], None]) -> None:
        self._path = path
        self._kept = kept
        self._size_bytes = 0
        self._unfinished = _unfinished(path)
        with storage_errors("create a derived object"):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = self._create()

    def _create(self) -> int:
        """Create the file and lock it; again if another process took it for abandoned in between."""
        while True:
            fd = os.open(self._unfinished, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, _MODE)
            fcntl.flock(fd, fcntl.LOCK_EX)
            if os.fstat(fd).st_nlink:
                return fd
            os.close(fd)

    def write(self, pieces: Sequence[bytes | memoryview]) -> None:
        """Append pieces; OutOfResourcesError when the disk refuses them."""
        with storage_errors("write a derived object"):
            self._size_bytes += write_all(self._fd, pieces)

    def read(self, offset: int, length: int) -> bytes:
        """Read back what was written."""
        return os.pread(self._fd, length, offset)

    def keep(self) -> FileReader:
        """Make it visible under its name, instead of what is there, and return it open."""
        reader = FileReader(self._unfinished)
        try:
            with storage_errors("keep a derived object"):
                self._unfinished.replace(self._path)
        except BaseException:
            reader.close()
            raise
        self._close()
        self._kept(self._size_bytes, self._path)
        return reader

    def discard(self) -> None:
        """Drop it; after either end this does nothing."""
        if self._fd >= 0:
            with suppress(OSError):
                self._unfinished.unlink(missing_ok=True)
            self._close()

    def _close(self) -> None:
        fd, self._fd = self._fd, -1
        os.close(fd)


class FilesystemCache:
    """Implements `ports.DerivedCache` and `ports.DerivedFiles`; max_bytes is about what all files together may have.

    Of what is larger than that, the last object stays until another one comes.
    """

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
        with suppress(StorageError, OutOfResourcesError):
            writer = CacheWriter(self._path(name), lambda size, _path: self._count(size))
            try:
                writer.write([data])
                writer.keep().close()
            finally:
                writer.discard()

    def open(self, name: str) -> FileReader | None:
        """Open what is kept under name, or return None."""
        path = self._path(name)
        try:
            reader = FileReader(path)
        except (OSError, BlobNotFoundError):
            return None
        with suppress(OSError):
            os.utime(path)
        return reader

    def create(self, name: str) -> CacheWriter:
        """Begin an object; OutOfResourcesError when the disk refuses it."""
        return CacheWriter(self._path(name), self._count)

    def adopt(self, name: str, file: Path) -> None:
        """Move a whole file of the same file system here; FileNotFoundError where it is gone."""
        path = self._path(name)
        size = file.stat().st_size
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file.replace(path)
        except OSError as error:
            if isinstance(error, FileNotFoundError):
                raise
            raise StorageError(f"keep a derived object: {error.strerror}") from error
        self._count(size)

    def clean(self) -> None:
        """Remove what writers left that died."""
        for path in self._directory.glob(f"*/*{_UNFINISHED}"):
            _drop_abandoned(path)

    def remove(self, start: str) -> None:
        """Forget everything whose name begins so, two characters at least; absent is fine.

        What is on its way is left to its writer. StorageError when the disk refuses.
        """
        directory = self._directory / start[:2]
        with storage_errors("delete a derived object"), suppress(FileNotFoundError, NotADirectoryError):
            for path in [path for path in directory.iterdir() if path.name.startswith(start)]:
                if path.name.endswith(_UNFINISHED):
                    _drop_abandoned(path)
                else:
                    path.unlink(missing_ok=True)

    def clear(self) -> None:
        """Forget everything; StorageError when the disk refuses."""
        with storage_errors("delete derived objects"):
            for _, _, path in list(self._files()):
                path.unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._directory / name[:2] / name

    def _count(self, added_bytes: int, spared: Path | None = None) -> None:
        """Look now and then whether there is too much; what is spared stays."""
        with self._lock:
            self._added_bytes += added_bytes
            if self._added_bytes < self._max_bytes // _SHARE:
                return
            self._added_bytes = 0
        self._evict(spared)

    def _evict(self, spared: Path | None) -> None:
        """Remove the oldest files until there is room, and what writers left that died."""
        files = sorted(self._files())
        excess = sum(size for _, size, _ in files) - self._max_bytes
        if excess > 0:
            excess += int(self._max_bytes * (1 - _KEPT))
        for modified, size, path in files:
            unfinished = path.name.endswith(_UNFINISHED)
            gone = time.time() - modified > _ABANDONED_AFTER_S if unfinished else excess > 0 and path != spared
            if gone:
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


def boot_id() -> str:
    """Return what is another text once the machine was started anew: what was not flushed may be broken then."""
    return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()


def _drop_abandoned(path: Path) -> None:
    """Remove what a writer left that died: nobody holds its lock."""
    with suppress(OSError), path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)


def _unfinished(path: Path) -> Path:
    """Return a name beside path for what is to be moved there once it is complete."""
    return path.with_name(f"{path.name}.{secrets.token_hex(8)}{_UNFINISHED}")
