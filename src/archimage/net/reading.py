"""Objects from storage to the network: read off the loop, the next one while the present one is sent."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from itertools import islice
from typing import Final, Generic, Protocol, TypeVar

from archimage.buffers import BUFFER_BYTES, BufferPool
from archimage.errors import ArchimageError, CancelledError, StorageError
from archimage.model.records import StoredInstance
from archimage.ports.storage import BlobReader

_POOLED_BYTES: Final = range(128 << 10, BUFFER_BYTES + 1)
"""Sizes of data sets that are read into a buffer of the pool: for less it would be a waste, and of more, bytes may
still be queued for a peer when reading on has failed."""

GROUP_ITEMS: Final = 32
"""How many objects are opened ahead, for the disk to fetch: what lies in memory by then is read without a thread."""

_Item = TypeVar("_Item")


class Readable(Protocol):
    """The data set of one object, in a way that `ReadAhead` can handle."""

    async def prepare(self) -> None:
        """Have the first chunk at hand; ArchimageError or OSError where that cannot be."""

    @property
    def pieces(self) -> AsyncGenerator[memoryview, None] | memoryview:
        """The bytes, once it is prepared."""

    @property
    def made(self) -> StoredInstance | None:
        """The object that these are the bytes of, once it is prepared, where it was made of the stored one."""

    def close(self) -> None:
        """Let the object go."""

    def give_back(self) -> None:
        """Let the object and its buffer go: nobody will look at its bytes again."""


class Source:
    """The data set of one stored object, its first chunk read.

    Opening and reading are two steps, so that the disk can fetch many objects at once.
    """

    def __init__(
        self,
        reader: BlobReader,
        offset: int,
        executor: Executor,
        buffers: BufferPool,
        made: StoredInstance | None = None,
    ) -> None:
        self.made = made
        self._reader = reader
        self._executor = executor
        self._buffers = buffers
        self._buffer: memoryview | None = None
        self._first = memoryview(b"")
        self._position = offset
        reader.expect(offset, BUFFER_BYTES)

    async def prepare(self) -> None:
        """Read the first chunk: here if it lies in memory, for a turn of a thread costs more, else in a thread.

        Raises:
            StorageError: it cannot be read.
        """
        size = self._reader.size_bytes - self._position
        if size in _POOLED_BYTES:
            self._buffer = self._buffers.take()
        buffer = memoryview(bytearray(min(size, BUFFER_BYTES))) if self._buffer is None else self._buffer[:size]
        if self._reader.read_cached(buffer, self._position) == len(buffer):
            self._first = buffer
            self._position += len(buffer)
        else:
            loop = asyncio.get_running_loop()
            self._first = await loop.run_in_executor(self._executor, self._read, buffer)
        if self._whole:
            self._reader.close()

    @property
    def _whole(self) -> bool:
        return self._position == self._reader.size_bytes

    def _read(self, buffer: memoryview) -> memoryview:
        """Read the next chunk into a buffer; return the part of it that is filled."""
        chunk = buffer[: self._reader.size_bytes - self._position]
        count = self._reader.read_into(chunk, self._position)
        if count < len(chunk):
            raise StorageError(f"an object ends {len(chunk) - count} bytes early")
        self._position += count
        return chunk

    @property
    def pieces(self) -> AsyncGenerator[memoryview, None] | memoryview:
        """The bytes: whole if one chunk holds them, else chunk by chunk, reading one ahead."""
        return self._first if self._whole else self._chunks()

    async def _chunks(self) -> AsyncGenerator[memoryview, None]:
        loop = asyncio.get_running_loop()
        chunk = self._first
        while not self._whole:
            coming = loop.run_in_executor(self._executor, lambda: self._read(memoryview(bytearray(BUFFER_BYTES))))
            try:
                yield chunk
            finally:
                await asyncio.gather(coming, return_exceptions=True)
            chunk = await coming
        yield chunk

    def close(self) -> None:
        """Let the object go."""
        self._reader.close()

    def give_back(self) -> None:
        """Let the object and its buffer go: nobody will look at its bytes again."""
        self.close()
        buffer, self._buffer = self._buffer, None
        if buffer is not None:
            self._buffers.give(buffer)


class ComingSource:
    """A source that others make while those before it are sent; stopped tells that nobody waits for it any more."""

    def __init__(self, coming: Future[Source], stopped: asyncio.Event) -> None:
        self._coming = coming
        self._stopped = stopped
        self._source: Source | None = None

    async def prepare(self) -> None:
        """Wait for the source and read its first chunk; raises what making it raised.

        Raises:
            CancelledError: nobody waits for it any more.
        """
        arriving = asyncio.wrap_future(self._coming)
        stopping = asyncio.ensure_future(self._stopped.wait())
        try:
            await asyncio.wait((arriving, stopping), return_when=asyncio.FIRST_COMPLETED)
            if not arriving.done():
                raise CancelledError("the operation was cancelled")
            self._source = arriving.result()
        finally:
            stopping.cancel()
            arriving.cancel()
        await self._source.prepare()

    @property
    def pieces(self) -> AsyncGenerator[memoryview, None] | memoryview:
        """The bytes, once it is prepared."""
        return memoryview(b"") if self._source is None else self._source.pieces

    @property
    def made(self) -> StoredInstance | None:
        """The object that these are the bytes of, where it was made of the stored one."""
        return None if self._source is None else self._source.made

    def close(self) -> None:
        """Let the object go, as soon as it is there."""
        if self._source is not None:
            self._source.close()
        elif not self._coming.cancel():
            self._coming.add_done_callback(_close_made)

    def give_back(self) -> None:
        """Let the object and its buffer go: nobody will look at its bytes again."""
        if self._source is None:
            self.close()
        else:
            self._source.give_back()


def _close_made(coming: Future[Source]) -> None:
    if not coming.cancelled() and coming.exception() is None:
        coming.result().close()


class ReadAhead(Generic[_Item]):
    """Opens objects in their order, up to two groups ahead of the one in use; a stored one is read while that is sent.

    Each yielded is done with at the next step, and then nobody may hold its bytes.
    """

    def __init__(
        self, open_source: Callable[[_Item], Readable], executor: Executor, group_items: int = GROUP_ITEMS
    ) -> None:
        self._open_source = open_source
        self._executor = executor
        self._group_items = group_items

    async def sources(self, items: Iterable[_Item]) -> AsyncGenerator[tuple[_Item, Readable | ArchimageError], None]:
        """Yield each item with its source, open until the next step, or with why it cannot be read."""
        waiting = iter(items)
        coming = self._start(waiting)
        opened: deque[tuple[_Item, Readable | ArchimageError]] = deque()
        ahead: asyncio.Future[Readable | ArchimageError] | None = None
        try:
            while group := await asyncio.shield(coming):
                opened.extend(group)
                coming = self._start(waiting)
                while opened:
                    item, source = opened[0]
                    prepared = await (_prepared(source) if ahead is None else asyncio.shield(ahead))
                    ahead = _begun(opened[1][1]) if len(opened) > 1 else None
                    yield item, prepared
                    opened.popleft()
                    if not isinstance(source, ArchimageError):
                        source.give_back()
        finally:
            if ahead is not None:  # a thread may be reading it
                await asyncio.gather(ahead, return_exceptions=True)
            opened.extend(await coming)
            for _, source in opened:  # of one that was being sent, bytes may still be queued: its buffer is left alone
                if not isinstance(source, ArchimageError):
                    source.close()

    def _start(self, waiting: Iterator[_Item]) -> asyncio.Future[list[tuple[_Item, Readable | ArchimageError]]]:
        group = list(islice(waiting, self._group_items))
        return asyncio.get_running_loop().run_in_executor(self._executor, self._open, group)

    def _open(self, group: Sequence[_Item]) -> list[tuple[_Item, Readable | ArchimageError]]:
        return [(item, self._attempt(item)) for item in group]

    def _attempt(self, item: _Item) -> Readable | ArchimageError:
        try:
            return self._open_source(item)
        except ArchimageError as error:
            return error
        except OSError as error:
            return StorageError(str(error))


def _begun(source: Readable | ArchimageError) -> asyncio.Future[Readable | ArchimageError] | None:
    """Begin to prepare what is stored; what has to be made first is waited for when its turn comes."""
    return asyncio.ensure_future(_prepared(source)) if isinstance(source, Source) else None


async def _prepared(source: Readable | ArchimageError) -> Readable | ArchimageError:
    """Read the source's first chunk; return why that cannot be, if so."""
    if isinstance(source, ArchimageError):
        return source
    try:
        await source.prepare()
    except ArchimageError as error:
        return error
    except OSError as error:
        return StorageError(str(error))
    return source
