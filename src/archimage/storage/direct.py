"""Writing a file around the page cache (open(2), O_DIRECT): half the processor time, and the cache is left to readers.

The file system takes whole, aligned blocks only. Pieces of any size are gathered in an aligned buffer; what is left of
a last block goes through the page cache when the file is finished.
"""

import fcntl
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from archimage.buffers import BufferPool
from archimage.storage.files import Piece, write_all

_BLOCK_BYTES: Final = 4096


def direct_flag(directory: Path) -> int:
    """Return os.O_DIRECT where files in directory can be written so, else 0."""
    buffers = BufferPool()
    probe = directory / f"probe-{secrets.token_hex(8)}"
    try:
        fd = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_DIRECT, 0o640)
        try:
            os.write(fd, buffers.take()[:_BLOCK_BYTES])
        finally:
            os.close(fd)
    except OSError:
        return 0
    finally:
        with suppress(OSError):
            probe.unlink(missing_ok=True)
    return os.O_DIRECT


class DirectFile:
    """Appends to a file that was opened with O_DIRECT."""

    def __init__(self, fd: int, buffers: BufferPool) -> None:
        self._fd = fd
        self._buffers = buffers
        self._rest = b""

    def write(self, pieces: Sequence[Piece]) -> None:
        """Append pieces; less than a block of them is kept back."""
        buffer = self._buffers.take()
        try:
            filled = len(self._rest)
            buffer[:filled] = self._rest
            for piece in pieces:
                filled = self._gather(buffer, filled, memoryview(piece))
            whole = filled - filled % _BLOCK_BYTES
            write_all(self._fd, [buffer[:whole]])
            self._rest = bytes(buffer[whole:filled])
        finally:
            self._buffers.give(buffer)

    def finish(self) -> None:
        """Write what was kept back; the file can be read from here on."""
        fcntl.fcntl(self._fd, fcntl.F_SETFL, 0)  # O_DIRECT is the only flag there is that can be set
        write_all(self._fd, [self._rest])

    def _gather(self, buffer: memoryview, filled: int, piece: memoryview) -> int:
        """Copy a piece behind what fills the buffer, writing it whenever it is full; return what fills it now."""
        while piece:
            taken = min(len(piece), len(buffer) - filled)
            buffer[filled : filled + taken] = piece[:taken]
            piece = piece[taken:]
            filled += taken
            if filled == len(buffer):
                write_all(self._fd, [buffer])
                filled = 0
        return filled
