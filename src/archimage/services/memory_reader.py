"""An object that lies in memory, read like a file."""

from types import TracebackType
from typing import Self


class MemoryReader:
    """Implements `ports.BlobReader`."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self.size_bytes = len(data)

    def read(self, offset: int, length: int) -> bytes:
        """Read length bytes at offset; fewer only at the end."""
        return bytes(self._data[offset : offset + length])

    def read_into(self, buffer: memoryview, offset: int) -> int:
        """Fill buffer from offset on; return how many bytes there were, fewer only at the end."""
        found = self._data[offset : offset + len(buffer)]
        buffer[: len(found)] = found
        return len(found)

    read_cached = read_into

    def expect(self, offset: int, length: int) -> None:
        """Nothing has to be fetched."""

    def close(self) -> None:
        """Nothing is held."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
