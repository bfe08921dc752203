"""A window on the bytes of a stored data set: what is not looked at is not read."""

from typing import Final, Protocol

from archimage.errors import ExcessiveDatasetError, InvalidDatasetError

_FIRST_READ_BYTES: Final = 16 << 10
_LATER_READ_BYTES: Final = 512
_MAX_WINDOW_BYTES: Final = 256 << 20
"""The largest element, a sequence of all frames' functional groups say, that is looked at as a whole."""


class Source(Protocol):
    """The bytes of one data set."""

    @property
    def size_bytes(self) -> int:
        """How many there are."""

    def read(self, offset: int, length: int) -> bytes:
        """Read length bytes at offset; fewer only at the end."""


class Held:
    """A data set in memory."""

    def __init__(self, data: bytes) -> None:
        self.size_bytes = len(data)
        self._data = data

    def read(self, offset: int, length: int) -> bytes:
        """Read length bytes at offset; fewer only at the end."""
        return self._data if not offset and length >= self.size_bytes else self._data[offset : offset + length]


class Window:
    """data holds the bytes from base on; positions are in it, and 0 once it was moved."""

    __slots__ = ("_source", "base", "data", "size_bytes")

    def __init__(self, source: Source) -> None:
        self.size_bytes = source.size_bytes
        self.base = 0
        self.data = source.read(0, _FIRST_READ_BYTES)
        self._source = source

    @property
    def whole(self) -> bool:
        """Tell whether the window reaches to the end of the data set."""
        return self.base + len(self.data) >= self.size_bytes

    def ended(self, pos: int) -> bool:
        """Tell whether the data set ends at a position."""
        return self.base + pos >= self.size_bytes

    def grow(self, pos: int, length: int) -> int:
        """Move the window to a position, to hold at least length bytes, and more than it held from there on.

        Raises:
            InvalidDatasetError: the data set ends before.
            ExcessiveDatasetError: they are too many.
        """
        if self.base + pos + length > self.size_bytes or self.whole:
            raise InvalidDatasetError(f"an element at {self.base + pos} is cut short")
        length = max(length, 2 * (len(self.data) - pos), _LATER_READ_BYTES)
        if length > _MAX_WINDOW_BYTES:
            raise ExcessiveDatasetError(f"an element at {self.base + pos} has more than {_MAX_WINDOW_BYTES} bytes")
        return self._move(pos, length)

    def skip(self, pos: int) -> int:
        """Go on at a position that may lie beyond the window.

        Raises:
            InvalidDatasetError: the data set ends before.
        """
        if pos <= len(self.data):
            return pos
        if self.base + pos > self.size_bytes:
            raise InvalidDatasetError(f"a value runs beyond the end, which is at {self.size_bytes}")
        return self._move(pos, _LATER_READ_BYTES)

    def _move(self, pos: int, length: int) -> int:
        self.base += pos
        self.data = self._source.read(self.base, length)
        return 0
