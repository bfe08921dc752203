"""Large buffers that are used again: memory that was never touched costs a page fault every 4 KiB."""

import mmap
from typing import Final

BUFFER_BYTES: Final = 1 << 20
KEPT: Final = 32


class BufferPool:
    """Page-aligned buffers of 1 MiB, shared by all who run in a process; safe to use from several threads."""

    def __init__(self) -> None:
        self._free: list[memoryview] = []

    def take(self) -> memoryview:
        """Return a buffer."""
        try:
            return self._free.pop()
        except IndexError:
            return memoryview(mmap.mmap(-1, BUFFER_BYTES))

    def give(self, buffer: memoryview) -> None:
        """Return a buffer; nobody may hold views into it."""
        if len(self._free) < KEPT:
            self._free.append(buffer)
