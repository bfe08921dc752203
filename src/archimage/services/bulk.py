"""One value of a stored object, read in ranges; numbers come in little endian, as PS3.18 §8.7.3 has it."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from types import TracebackType
from typing import Final, Self

from archimage.errors import IntegrityError
from archimage.ports.storage import BlobReader, FileBacked, FileSpan
from archimage.services.anatomy import Reader

_WORD_BYTES: Final = {
    **dict.fromkeys(("OW", "US", "SS", "AT"), 2),
    **dict.fromkeys(("OL", "OF", "UL", "SL", "FL"), 4),
    **dict.fromkeys(("OV", "OD", "UV", "SV", "FD"), 8),
}

_MOST_SPANS: Final = 64
"""So many pieces of one range are sent as they lie in the file; more of them cost less when they are read."""

Extents = Sequence[tuple[int, int]]
"""Offset and length of each part of a value."""


class BulkValue:
    """A value of size_bytes, open until `close`; that of several fragments is theirs one after the other."""

    def __init__(self, file: BlobReader, reader: Reader, extents: Extents, vr: str, *, little: bool) -> None:
        """Take over file, which reader reads; little tells the byte order that it is stored in."""
        self.vr = vr
        self.size_bytes = sum(length for _, length in extents)
        self._file = file
        self._reader = reader
        self._extents = extents
        self._starts = (0, *accumulate(length for _, length in extents))
        self._word_bytes = 1 if little else _WORD_BYTES.get(vr, 1)

    def read(self, offset: int, length: int) -> bytes:
        """Read length bytes at offset; fewer only at the end.

        Raises:
            IntegrityError: the file is shorter than it was when it came.
        """
        end = min(offset + length, self.size_bytes)
        width = self._word_bytes
        first, last = offset - offset % width, min(-(-end // width) * width, self.size_bytes)
        data = b"".join(self._parts(first, last)) if offset < end else b""
        return (_swapped(data, width) if width > 1 else data)[offset - first : end - first]

    def spans(self, offset: int, length: int) -> Sequence[FileSpan] | None:
        """Tell where bytes lie: `ports.FileBacked`; None where they are changed, or lie in small pieces."""
        if self._word_bytes > 1 or self._reader is not self._file or not isinstance(self._file, FileBacked):
            return None
        found: list[FileSpan] = []
        for start, wanted in self._ranges(offset, min(offset + length, self.size_bytes)):
            spans = self._file.spans(start, wanted)
            if spans is None or len(found) >= _MOST_SPANS:
                return None
            found += spans
        return found

    def expect(self, offset: int, length: int) -> None:
        """Tell that these bytes will be read soon, and what lies between them."""
        end = min(offset + length, self.size_bytes)
        if offset < end:
            first, _ = next(self._ranges(offset, end))
            last, _ = next(self._ranges(end - 1, end))
            self._file.expect(first, last + 1 - first)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _parts(self, start: int, end: int) -> list[bytes]:
        """Read from start to end, from as many extents as it takes."""
        parts = []
        for offset, wanted in self._ranges(start, end):
            part = self._reader.read(offset, wanted)
            if len(part) != wanted:
                raise IntegrityError(f"the file ends after {len(part)} of {wanted} bytes at {offset}")
            parts.append(part)
        return parts

    def _ranges(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield offset and length of what lies from start to end, in one extent after the other."""
        number = bisect_right(self._starts, start) - 1
        while start < end:
            within = start - self._starts[number]
            offset, length = self._extents[number]
            wanted = min(length - within, end - start)
            yield offset + within, wanted
            start += wanted
            number += 1


def _swapped(data: bytes, width: int) -> bytes:
    """Reverse the bytes of each number; those beyond the last whole one stay."""
    whole = len(data) - len(data) % width
    found = bytearray(data)
    for place in range(width):
        found[place:whole:width] = data[width - 1 - place : whole : width]
    return bytes(found)
