"""Reading an object of an object store by ranges."""

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from types import TracebackType
from typing import Final, NamedTuple, Self

from archimage.errors import ArchimageError

AHEAD_BYTES: Final = 4 << 20
"""Read at once of an object that is read piece after piece."""
_EXPECTED_BYTES: Final = 1 << 20


class Got(NamedTuple):
    """Bytes of an object, and the size of all of it."""

    data: bytes
    size_bytes: int


class RemoteReader:
    """One object of the store, read by ranges; implements `ports.BlobReader`.

    get returns length bytes at offset, or asks for the size alone where length is 0. Nothing is asked before the first
    byte is wanted, or the size where nobody has told it: a frame costs one request, and BlobNotFoundError comes with
    that.
    """

    def __init__(
        self, get: Callable[[int, int], Got], ahead: Executor, size_bytes: int | None = None, *, whole: bool = False
    ) -> None:
        """Read by get; whole: it returns all of the object, whatever it is asked for."""
        self._get = get
        self._whole = whole
        self._executor = ahead
        self._size_bytes = size_bytes
        self._kept = (0, b"")
        self._following = -1
        self._expected: tuple[int, Future[Got]] | None = None
        self._lock = threading.RLock()

    @property
    def size_bytes(self) -> int:
        """Size of the whole object; asked for once, where it was not told."""
        with self._lock:
            if self._size_bytes is None:
                self._take_expected()
            if self._size_bytes is None:
                self._size_bytes = self._get(0, 0).size_bytes
            return self._size_bytes

    def read(self, offset: int, length: int) -> bytes:
        """Read length bytes at offset; fewer only at the end."""
        if self._size_bytes is not None:
            length = min(length, self._size_bytes - offset)
        if length <= 0:
            return b""
        with self._lock:
            if not self._holds(offset, length):
                self._take_expected()
            if not self._holds(offset, length):
                ahead = max(length, AHEAD_BYTES) if offset == self._following else length
                self._keep(offset, self._get(offset, ahead))
            self._following = offset + length
            start, kept = self._kept
            return kept[offset - start : offset - start + length]

    def read_into(self, buffer: memoryview, offset: int) -> int:
        """Fill buffer from offset on; return how many bytes there were, fewer only at the end."""
        data = self.read(offset, len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def read_cached(self, buffer: memoryview, offset: int) -> int:
        """Fill buffer with what has come already; return how many bytes that were."""
        start, kept = self._kept
        data = kept[offset - start : offset - start + len(buffer)] if start <= offset else b""
        buffer[: len(data)] = data
        return len(data)

    def expect(self, offset: int, length: int) -> None:
        """Have these bytes fetched meanwhile, the first MiB of them."""
        if self._expected is None:
            with suppress(RuntimeError):  # the archive is closing
                wanted = min(length, _EXPECTED_BYTES)
                self._expected = offset, self._executor.submit(self._get, offset, wanted)

    def close(self) -> None:
        """Let go of what was read ahead."""
        self._kept = (0, b"")
        if self._expected is not None:
            self._expected[1].cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _holds(self, offset: int, length: int) -> bool:
        """Tell whether bytes have come already, or the object ends with those that have."""
        start, kept = self._kept
        end = start + len(kept)
        return start <= offset and (offset + length <= end or (end == self._size_bytes and bool(kept)))

    def _take_expected(self) -> None:
        """Wait for what is being fetched; whoever needs it asks again where that has failed."""
        if self._expected is not None:
            offset, coming = self._expected
            self._expected = None
            with suppress(ArchimageError):
                self._keep(offset, coming.result())

    def _keep(self, offset: int, got: Got) -> None:
        self._kept, self._size_bytes = (0 if self._whole else offset, got.data), got.size_bytes
