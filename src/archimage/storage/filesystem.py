"""Objects as files: `incoming/` while they arrive, `objects/` once they are placed.

A file appears under `objects/` only by rename, complete. Paths are relative, made by the archive from checked UIDs
and dates. Each process has its own lane, a directory in `incoming/`, so that its leftovers can be told from live files.
"""

import errno
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from archimage import spans
from archimage.buffers import BufferPool
from archimage.errors import BlobNotFoundError
from archimage.ports.storage import FileSpan, SentAhead
from archimage.storage.direct import DirectFile, direct_flag
from archimage.storage.files import storage_errors, sync_file_system, write_all

_KNOWN_DIRECTORIES: Final = 4096
_ATTEMPTS: Final = 50
_CREATE: Final = os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_MODE: Final = 0o640


class FileReader:
    """One placed object, open for reading at any offset from any thread."""

    def __init__(self, path: Path | str) -> None:
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise BlobNotFoundError(f"no object at {path}") from None
        self.size_bytes = os.fstat(self._fd).st_size

    def read(self, offset: int, length: int) -> bytes:
        """Read length bytes at offset; fewer only at the end."""
        with spans.leaf("read object"):
            return os.pread(self._fd, length, offset)

    def read_into(self, buffer: memoryview, offset: int) -> int:
        """Fill buffer from offset on; return how many bytes there were, fewer only at the end."""
        with spans.leaf("read object"):
            return os.preadv(self._fd, [buffer], offset)

    def read_cached(self, buffer: memoryview, offset: int) -> int:
        """Fill buffer from offset on with what lies in memory; return how many bytes that were."""
        try:
            return os.preadv(self._fd, [buffer], offset, os.RWF_NOWAIT)
        except OSError as error:
            if error.errno in {errno.EAGAIN, errno.EOPNOTSUPP}:
                return 0
            raise

    def spans(self, offset: int, length: int) -> tuple[FileSpan]:
        """Tell where bytes lie: `ports.FileBacked`."""
        return (FileSpan(self._fd, offset, min(length, self.size_bytes - offset)),)

    def expect(self, offset: int, length: int) -> None:
        """Have the disk read these bytes meanwhile."""
        os.posix_fadvise(self._fd, offset, length, os.POSIX_FADV_WILLNEED)

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class FileWriter:
    """One object on its way in, under a random name in `incoming/`.

    direct: os.O_DIRECT, or 0 where it must go through the page cache.
    """

    def __init__(self, directory: Path, direct: int, buffers: BufferPool) -> None:
        self.name = secrets.token_hex(16)
        self._path = directory / self.name
        with storage_errors("create a file in incoming/"):
            self._fd = os.open(self._path, _CREATE | os.O_RDWR | direct, _MODE)
        self._direct = DirectFile(self._fd, buffers) if direct else None

    def write(self, pieces: Sequence[bytes | memoryview]) -> None:
        """Append pieces; OutOfResourcesError when the disk refuses them."""
        with spans.leaf("write object"), storage_errors("write to incoming/"):
            if self._direct is None:
                write_all(self._fd, pieces)
            else:
                self._direct.write(pieces)

    def finish(self) -> None:
        """Write what may have been kept back; nothing follows."""
        if self._direct is not None:
            with storage_errors("write to incoming/"):
                self._direct.finish()

    def read(self, offset: int, length: int) -> bytes:
        """Read back what was written, from `finish` until `close`."""
        return os.pread(self._fd, length, offset)

    def sync(self) -> None:
        """Flush what has been written so far, and the file's size, to the disk."""
        with spans.leaf("flush object"), storage_errors("sync a file in incoming/"):
            os.fsync(self._fd)

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def discard(self) -> None:
        """Remove the file; on a disk that refuses, the next start does."""
        self.close()
        with suppress(OSError):
            self._path.unlink()


class FilesystemBlobStore:
    """Implements `ports.BlobStore` under one directory."""

    def __init__(self, directory: Path, lane: str, *, direct: bool = True) -> None:
        """Open the store; direct: write large objects around the page cache, where the file system can."""
        self._objects = directory / "objects"
        self.incoming_directory = self._incoming = directory / "incoming" / lane
        self._known: set[str] = set()
        for wanted in (self._objects, self._incoming):
            wanted.mkdir(parents=True, exist_ok=True)
        self._directory_fd = os.open(self._objects, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._direct = direct_flag(self._incoming) if direct else 0
        self._buffers = BufferPool()

    def create(self) -> FileWriter:
        """Begin an object in `incoming/`."""
        return FileWriter(self._incoming, self._direct, self._buffers)

    def put(self, path: str, data: bytes) -> None:
        """Write a small object and place it."""
        name = secrets.token_hex(16)
        try:
            with storage_errors("write to incoming/"):
                fd = os.open(f"{self._incoming}/{name}", _CREATE | os.O_WRONLY, _MODE)
                try:
                    write_all(fd, [data])
                finally:
                    os.close(fd)
            self.place(name, path)
        except BaseException:
            with suppress(OSError):
                self.discard(name)
            raise

    def place(self, name: str, path: str) -> None:
        """Rename a finished object to its place; its directories are made when they are new."""
        parent = path.rpartition("/")[0]
        source, target = f"{self._incoming}/{name}", f"{self._objects}/{path}"
        with storage_errors(f"place {path}"):
            for left in reversed(range(_ATTEMPTS)):
                try:
                    if parent not in self._known:
                        self._make_directory(parent)
                    os.rename(source, target)  # noqa: PTH104 - pathlib doubles the cost of the hot path
                    return
                except (FileNotFoundError, FileExistsError):  # another thread removes the directory: it was empty
                    self._known.discard(parent)
                    if not left:
                        raise

    @property
    def copies_elsewhere(self) -> bool:
        """Tell that the files are all there is."""
        return False

    @property
    def sends_ahead(self) -> bool:
        """Tell that there is nowhere to send to."""
        return False

    def send_ahead(self, path: str, source: str | bytes, then: Callable[[SentAhead], None]) -> None:  # noqa: ARG002 - the port's
        """Go on at once."""
        then(SentAhead(path))

    def drop_copies(self, path: str, size_bytes: int) -> bool:  # noqa: ARG002 - the port's
        """Tell that there is no other place."""
        return False

    def secure(self, paths: Sequence[str], sent: Sequence[SentAhead] = ()) -> None:
        """Do nothing: the ingest journal makes objects safe."""

    def open(self, path: str, size_bytes: int | None = None) -> FileReader:  # noqa: ARG002 - the port's
        """Open the object at path, or raise BlobNotFoundError."""
        with spans.leaf("open object"), storage_errors(f"open {path}"):
            return FileReader(f"{self._objects}/{path}")

    def delete(self, path: str) -> None:
        """Remove the object at path and the directories that this empties; absent is fine."""
        target = self._objects / path
        with spans.leaf("delete object"), storage_errors(f"delete {path}"):
            target.unlink(missing_ok=True)
        for directory in target.parents:
            if directory == self._objects:
                return
            try:
                directory.rmdir()
            except OSError:  # not empty, or another thread was faster: both leave nothing to do
                return
            self._known.discard(str(directory.relative_to(self._objects)))

    def paths(self) -> Iterator[str]:
        """Walk every placed object."""
        for directory, _, files in os.walk(self._objects):
            for file in files:
                yield str((Path(directory) / file).relative_to(self._objects))

    def incoming(self) -> Iterator[str]:
        """Name every object that is not placed."""
        yield from (entry.name for entry in os.scandir(self._incoming))

    def discard(self, name: str) -> None:
        """Drop an object that was never placed; absent is fine."""
        (self._incoming / name).unlink(missing_ok=True)

    def sync(self) -> None:
        """Make every placed object and its name survive a crash of the machine."""
        with storage_errors("sync the object directory"):
            sync_file_system(self._directory_fd)

    def close(self) -> None:
        """Let go of the directory."""
        os.close(self._directory_fd)

    def _make_directory(self, directory: str) -> None:
        (self._objects / directory).mkdir(parents=True, exist_ok=True)
        if len(self._known) >= _KNOWN_DIRECTORIES:
            self._known.clear()
        self._known.add(directory)
