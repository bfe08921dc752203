"""Objects from storage to the network: read off the loop, the next one while the present one is sent."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from typing import Final, Generic, TypeVar

from archimage.errors import StorageError
from archimage.ports import BlobReader

CHUNK_BYTES: Final = 1 << 20
_GROUP_BYTES: Final = 2 << 20
_GROUP_ITEMS: Final = 32
_Item = TypeVar("_Item")


class Source:
    """The data set of one stored object, its first chunk read."""

    def __init__(self, reader: BlobReader, offset: int, executor: Executor) -> None:
        """Read the first chunk; blocks."""
        self._reader = reader
        self._executor = executor
        self._position = offset
        try:
            self._first = self._read()
        except BaseException:
            reader.close()
            raise
        if self._whole:
            reader.close()

    @property
    def _whole(self) -> bool:
        return self._position == self._reader.size_bytes

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
        return self._first if self._whole else self._chunks()

    async def _chunks(self) -> AsyncGenerator[bytes, None]:
        loop = asyncio.get_running_loop()
        chunk = self._first
        while not self._whole:
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
    """Opens objects in their order, ahead of the one in use.

    Small ones are read several at a time: a turn of a worker thread costs more than reading 512 KiB that lie in memory.
    """

    def __init__(
        self, open_source: Callable[[_Item], Source], size_of: Callable[[_Item], int], executor: Executor
    ) -> None:
        self._open_source = open_source
        self._size_of = size_of
        self._executor = executor

    async def sources(self, items: Iterable[_Item]) -> AsyncGenerator[tuple[_Item, Source | StorageError], None]:
        """Yield each item with its source, open until the next step, or with why it cannot be read."""
        waiting = iter(items)
        coming = self._start(waiting)
        ready: deque[tuple[_Item, Source | StorageError]] = deque()
        try:
            while group := await asyncio.shield(coming):
                ready.extend(group)
                coming = self._start(waiting)
                while ready:
                    yield ready[0]
                    _close(ready.popleft()[1])
        finally:
            ready.extend(await coming)
            for _, source in ready:
                _close(source)

    def _start(self, waiting: Iterator[_Item]) -> asyncio.Future[list[tuple[_Item, Source | StorageError]]]:
        group: list[_Item] = []
        size = 0
        while size < _GROUP_BYTES and len(group) < _GROUP_ITEMS and (item := next(waiting, None)) is not None:
            group.append(item)
            size += self._size_of(item)
        return asyncio.get_running_loop().run_in_executor(self._executor, self._open, group)

    def _open(self, group: Sequence[_Item]) -> list[tuple[_Item, Source | StorageError]]:
        return [(item, self._open_one(item)) for item in group]

    def _open_one(self, item: _Item) -> Source | StorageError:
        try:
            return self._open_source(item)
        except StorageError as error:
            return error
        except OSError as error:
            return StorageError(str(error))


def _close(source: Source | StorageError) -> None:
    if isinstance(source, Source):
        source.close()
