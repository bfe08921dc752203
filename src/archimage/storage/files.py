"""The few system calls that the store's promises rest on."""

import ctypes
import errno
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from archimage.errors import OutOfResourcesError, StorageError

_IOV_MAX: Final = 1024
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE, errno.EFBIG})
_MODE: Final = 0o640
_libc: Final = ctypes.CDLL(None, use_errno=True)

Piece = bytes | bytearray | memoryview


def write_all(fd: int, pieces: Sequence[Piece]) -> int:
    """Append pieces to fd; return their size in bytes."""
    return _write(pieces, lambda rest, _written: os.writev(fd, rest))


def write_all_at(fd: int, pieces: Sequence[Piece], offset: int) -> int:
    """Write pieces at offset of fd; return their size in bytes."""
    return _write(pieces, lambda rest, written: os.pwritev(fd, rest, offset + written))


def sync_file_system(fd: int) -> None:
    """Flush everything written to the file system that holds fd: files, names and sizes (syncfs(2)).

    One call stands for a checkpoint's thousands of fsync calls. It reports write-back that failed since fd was opened,
    so fd must be older than what it is to vouch for.
    """
    if _libc.syncfs(fd) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def mark(path: Path) -> bool:
    """Have an empty file be there, with half of the calls that `Path.touch` makes; tell whether it is new."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE))
    except FileExistsError:
        return False
    return True


def sync_directory(directory: Path) -> None:
    """Make the names in directory survive a crash of the machine."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def storage_errors(doing: str) -> Iterator[None]:
    """Turn OSError into the project's own: OutOfResourcesError when the disk refuses, else StorageError."""
    try:
        yield
    except OSError as error:
        kind = OutOfResourcesError if error.errno in _FULL else StorageError
        raise kind(f"{doing}: {error.strerror or error}") from error


def _write(pieces: Sequence[Piece], write: Callable[[Sequence[memoryview], int], int]) -> int:
    rest = [memoryview(piece).cast("B") for piece in pieces if len(piece)]
    written = 0
    while rest:
        count = write(rest[:_IOV_MAX], written)
        written += count
        rest = _after(rest, count)
    return written


def _after(pieces: list[memoryview], count: int) -> list[memoryview]:
    for position, piece in enumerate(pieces):
        if count < len(piece):
            return [piece[count:], *pieces[position + 1 :]]
        count -= len(piece)
    return []
