"""A window on the bytes of a stored data set: what is not looked at is not read."""

from typing import Final, Protocol

from archimage.errors import ExcessiveDatasetError, InvalidDatasetError

FIRST_READ_BYTES: Final = 16 << 10
"""What is read of a data set at once; most headers are shorter."""
_LATER_READ_BYTES: Final = 512
_GROWTH: Final = 8
MAX_WINDOW_BYTES: Final = 256 << 20
"""The largest element, a sequence of all frames' functional groups say, that is looked at as a whole."""


class Source(Protocol):
    """The bytes of one data set, no longer deflated."""

    def read(self, offset: int, length: int, /) -> bytes:
        """Read length bytes at offset; fewer only at the end."""


class Held:
    """A data set in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, offset: int, length: int, /) -> bytes:
        """Read length bytes at offset; fewer only at the end."""
        return self._data[offset : offset + length]


class Window:
    """data holds the bytes from base on, to the end of the data set when it is the last; positions are in it."""

    __slots__ = ("_base", "_size_bytes", "_source", "data", "last")

    def __init__(self, source: Source, size_bytes: int | None = None) -> None:
        """Begin; size_bytes is the length of the data set, where it is known: its end is then not looked for."""
        self._source = source
        self._size_bytes = size_bytes
        self._base = 0
        self.data = b""
        self.last = False
        self._move(0, FIRST_READ_BYTES)

    def advance(self) -> int:
        """Go on behind the window; return the new position."""
        return self._move(len(self.data), _LATER_READ_BYTES)

    def grow(self, pos: int, length: int) -> int:
        """Move the window to a position, to hold at least length bytes, and more than it held from there on.

        Raises:
            InvalidDatasetError: the data set ends before.
            ExcessiveDatasetError: they are too many.
        """
        if self.last:
            raise InvalidDatasetError(f"an element at {self._base + pos} is cut short")
        held = len(self.data) - pos
        if max(length, held + 1) > MAX_WINDOW_BYTES:
            raise ExcessiveDatasetError(f"an element at {self._base + pos} has more than {MAX_WINDOW_BYTES} bytes")
        return self._move(pos, min(max(length, 2 * held, _LATER_READ_BYTES), MAX_WINDOW_BYTES))

    def widen(self, pos: int) -> int:
        """Move the window to a position, to hold much more than it held from there on; raises what `grow` raises."""
        return self.grow(pos, min(_GROWTH * (len(self.data) - pos), MAX_WINDOW_BYTES))

    def skip(self, pos: int) -> int:
        """Go on at a position that may lie beyond the window; return it in the new one.

        Raises:
            InvalidDatasetError: the data set ends before.
        """
        if pos <= len(self.data):
            return pos
        if self._base + pos == self._size_bytes:
            self._base += pos
            self.data, self.last = b"", True
            return 0
        before = self._move(pos - 1, _LATER_READ_BYTES)
        if not self.data:
            raise InvalidDatasetError(f"a value runs beyond the end of the data set to {self._base}")
        return before + 1

    def _move(self, pos: int, length: int) -> int:
        self._base += pos
        self.data = self._source.read(self._base, length)
        self.last = len(self.data) < length
        return 0
