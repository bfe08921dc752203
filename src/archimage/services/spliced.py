"""An object put together of bytes in memory and of ranges of a stored file, which is read when its turn comes."""

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self

from archimage.ports.storage import BlobReader

Part = bytes | range
"""Bytes, or offsets in the file."""


class SplicedReader:
    """Implements `ports.BlobReader` over parts that follow one another; owns the file."""

    def __init__(self, file: BlobReader, parts: Sequence[Part]) -> None:
        self._file = file
        self._parts = tuple(parts)
        self.size_bytes = sum(map(len, parts))

    def read(self, offset: int, length: int) -> bytes:
        """Read length bytes at offset; fewer only at the end."""
        return b"".join(
            part if isinstance(part, bytes) else self._file.read(part.start, len(part))
            for part in self._within(offset, length)
        )

    def read_into(self, buffer: memoryview, offset: int) -> int:
        """Fill buffer from offset on; return how many bytes there were, fewer only at the end."""
        return self._fill(buffer, offset, cached=False)

    def read_cached(self, buffer: memoryview, offset: int) -> int:
        """Fill buffer from offset on with what lies in memory; return how many bytes that were."""
        return self._fill(buffer, offset, cached=True)

    def expect(self, offset: int, length: int) -> None:
        """Tell that these bytes will be read soon."""
        for part in self._within(offset, length):
            if isinstance(part, range):
                self._file.expect(part.start, len(part))

    def close(self) -> None:
        """Let the file go."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _fill(self, buffer: memoryview, offset: int, *, cached: bool) -> int:
        read = self._file.read_cached if cached else self._file.read_into
        filled = 0
        for part in self._within(offset, len(buffer)):
            if isinstance(part, bytes):
                buffer[filled : filled + len(part)] = part
                count = len(part)
            else:
                count = read(buffer[filled : filled + len(part)], part.start)
            filled += count
            if count < len(part):
                break
        return filled

    def _within(self, offset: int, length: int) -> Iterator[Part]:
        """Yield what of each part lies between offset and offset + length."""
        end = offset + length
        for part in self._parts:
            wanted = part[max(0, offset) : max(0, end)]
            if wanted:
                yield wanted
            offset -= len(part)
            end -= len(part)
