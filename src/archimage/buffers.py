"""Large buffers that are used again: memory that was never touched costs a page fault every 4 KiB.

And how much of what has no buffer of these may be held at once.
"""

import mmap
import threading
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


class Allowance:
    """Bytes that all who take of it may hold together; safe to use from several threads."""

    def __init__(self, most_bytes: int) -> None:
        self._left = most_bytes
        self._lock = threading.Lock()

    def take(self, size_bytes: int) -> bool:
        """Tell whether so many more may be held; then they are to be given back."""
        with self._lock:
            if size_bytes > self._left:
                return False
            self._left -= size_bytes
            return True

    def give(self, size_bytes: int) -> None:
        """Give back what was taken."""
        with self._lock:
            self._left += size_bytes
