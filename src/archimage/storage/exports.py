"""Exports in a directory: `export-NUMBER.zip`, and `export-NUMBER.part` until the archive has come to its end."""

import fcntl
import os
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from archimage.errors import IntegrityError, NotFoundError, UnavailableError
from archimage.services.zipping import ZipWriter
from archimage.storage.files import storage_errors, sync_directory, write_all_at

_DONE: Final = ".zip"
_BEGUN: Final = ".part"


class ZipFile:
    """Implements `ports.export.ExportFile`."""

    def __init__(self, begun: Path, done: Path, writer: ZipWriter, fd: int) -> None:
        self._begun = begun
        self._done = done
        self._writer = writer
        self._fd = fd

    def add(self, name: str, size_bytes: int, pieces: Iterable[bytes | memoryview]) -> None:
        """Add a file of a length; nothing of it is there where pieces raises, or is not as long."""
        start = self._writer.position
        offset = start + self._writer.head_size(name, size_bytes)
        crc32 = written = 0
        for piece in pieces:
            crc32 = zlib.crc32(piece, crc32)
            with storage_errors(f"write {self._begun}"):
                written += write_all_at(self._fd, [piece], offset + written)
        if written != size_bytes:
            raise IntegrityError(f"it has {written} bytes, and had {size_bytes}")
        with storage_errors(f"write {self._begun}"):
            write_all_at(self._fd, [self._writer.head(name, size_bytes, crc32)], start)

    def sync(self) -> int:
        """Make durable what was added; return how long the archive is so far, bytes."""
        with storage_errors(f"write {self._begun}"):
            os.fsync(self._fd)
        return self._writer.position

    def end(self) -> int:
        """End the archive and put it into its place, durably; return how long it is, bytes."""
        with storage_errors(f"write {self._begun}"):
            size = self._writer.position
            size += write_all_at(self._fd, [self._writer.end()], size)
            os.ftruncate(self._fd, size)
            os.fsync(self._fd)
            self._begun.rename(self._done)
            sync_directory(self._done.parent)
        return size

    def close(self) -> None:
        """Let go of it."""
        os.close(self._fd)


class ExportDirectory:
    """Implements `ports.export.Exports`: archives stay for kept_s, seconds, after they were written last."""

    def __init__(self, directory: Path, kept_s: float, now: Callable[[], float] = time.time) -> None:
        self._directory = directory
        self._kept_s = kept_s
        self._now = now

    def begin(self, number: int, size_bytes: int) -> ZipFile | None:
        """Go on with an archive of which so many bytes are durable, 0 for a new one; None where these are not here."""
        begun, done = self._place(number, _BEGUN), self._place(number, _DONE)
        with storage_errors(f"write {begun}"):
            self._directory.mkdir(0o700, parents=True, exist_ok=True)
            fd = os.open(begun, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            with ExitStack() as opened:
                opened.callback(os.close, fd)
                _lock(fd)
                if os.fstat(fd).st_size < size_bytes:
                    return None
                os.ftruncate(fd, size_bytes)
                sync_directory(self._directory)
                try:
                    writer = ZipWriter.regained(lambda offset, length: os.pread(fd, length, offset), size_bytes)
                except IntegrityError:
                    return None
                opened.pop_all()
        return ZipFile(begun, done, writer, fd)

    def size(self, number: int) -> int | None:
        """Return how long an archive is that was made, bytes; None where it is not here."""
        try:
            return self._place(number, _DONE).stat().st_size
        except FileNotFoundError:
            return None

    def path(self, number: int) -> Path:
        """Return where an archive is that was made; NotFoundError where it is not here, or not any more."""
        found = self._place(number, _DONE)
        if not found.is_file():
            raise NotFoundError(f"export {number} is not kept here, or not any more")
        return found

    def remove(self, number: int) -> None:
        """Remove an archive, whether it was ended or not; there may be none."""
        with storage_errors("remove an export"):
            for end in (_DONE, _BEGUN):
                self._place(number, end).unlink(missing_ok=True)

    def tidy(self) -> int:
        """Remove what was kept for long enough; return how many archives that were."""
        removed = 0
        with storage_errors("remove old exports"):
            for path in self._all():
                try:
                    old = self._now() - path.stat().st_mtime >= self._kept_s
                except FileNotFoundError:
                    continue
                if old:
                    path.unlink(missing_ok=True)
                    removed += 1
        return removed

    def _all(self) -> Iterator[Path]:
        for end in (_DONE, _BEGUN):
            yield from self._directory.glob(f"export-*{end}")

    def _place(self, number: int, end: str) -> Path:
        return self._directory / f"export-{number}{end}"


def _lock(fd: int) -> None:
    """Have a file for this process alone; UnavailableError where another one is at it, which is to end soon."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UnavailableError("another process still writes this export") from None
