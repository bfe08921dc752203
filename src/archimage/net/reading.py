"""Objects from storage to the network: read off the loop, the next one while the present one is sent."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable
from concurrent.futures import Executor
from contextlib import suppress
from typing import Final, Generic, TypeVar

from archimage.errors import StorageError
from archimage.ports import BlobReader

CHUNK_BYTES: Final = 1 << 20
_Item = TypeVar("_Item")


class Source:
    """The data set of one stored object, its first chunk read."""

    def __init__(self, reader: BlobReader, offset: int, executor: Executor) -> None:
        """Read the first chunk; blocks."""
        self._reader = reader
        self._executor = executor
        self._position = offset
        self._first = self._read()

    def _read(self) -> bytes:
        length = min(CHUNK_BYTES, self._reader.size_bytes - self._position)
        chunk = self._reader.read(self._position, length)
        if len(chunk) < length:
            raise StorageError(f"an object ends {length - len(chunk)} bytes early")
        self._position += length
        return chunk

    @property
    def pieces(self) -> AsyncGenerator[bytes, None] | bytes:
        """The bytes: whole if one chunk holds them, else chunk by chunk, reading one ahead."""
        return self._first if self._position == self._reader.size_bytes else self._chunks()

    async def _chunks(self) -> AsyncGenerator[bytes, None]:
        loop = asyncio.get_running_loop()
        chunk = self._first
        while self._position < self._reader.size_bytes:
            coming = loop.run_in_executor(self._executor, self._read)
            try:
                yield chunk
            finally:
                await asyncio.gather(coming, return_exceptions=True)
            chunk = await coming
        yield chunk

    def close(self) -> None:
        """Let the object go."""
        self._reader.close()


class ReadAhead(Generic[_Item]):
    """Opens objects in their order, one ahead of the one in use."""

    def __init__(self, open_source: Callable[[_Item], Source], executor: Executor) -> None:
        self._open_source = open_source
        self._executor = executor

    async def sources(self, items: Iterable[_Item]) -> AsyncGenerator[tuple[_Item, Source | StorageError], None]:
        """Yield each item with its source, open until the next step, or with why it cannot be read."""
        waiting = iter(items)
        coming: deque[tuple[_Item, asyncio.Future[Source | StorageError]]] = deque()
        self._start(waiting, coming)
        try:
            while coming:
                item, opening = coming[0]
                self._start(waiting, coming)
                source = await asyncio.shield(opening)
                yield item, source
                coming.popleft()
                _close(source)
        finally:
            for _, opening in coming:
                with suppress(asyncio.CancelledError):
                    _close(await opening)

    def _start(
        self, waiting: Iterable[_Item], coming: deque[tuple[_Item, asyncio.Future[Source | StorageError]]]
    ) -> None:
        for item in waiting:
            future = asyncio.get_running_loop().run_in_executor(self._executor, self._open, item)
            coming.append((item, future))
            return

    def _open(self, item: _Item) -> Source | StorageError:
        try:
            return self._open_source(item)
        except StorageError as error:
            return error
        except OSError as error:
            return StorageError(str(error))


def _close(source: Source | StorageError) -> None:
    if isinstance(source, Source):
        source.close()
