"""Answers that are sent piece by piece."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Final, ParamSpec, Protocol, TypeVar

from starlette.types import Receive, Scope, Send

from archimage.errors import ArchimageError
from archimage.web.direct import DIRECT, Piece, in_memory

PIECE_BYTES: Final = 1 << 20
"""So much is read at once."""

Pieces = AsyncGenerator[bytes | memoryview, None]
_Arguments = ParamSpec("_Arguments")
_Returned = TypeVar("_Returned")


class RunInThread(Protocol):
    """Does what blocks in a worker thread."""

    def __call__(
        self, work: Callable[_Arguments, _Returned], *args: _Arguments.args, **kwargs: _Arguments.kwargs
    ) -> Awaitable[_Returned]: ...


class StreamedResponse:
    """An answer whose body comes in pieces; it ends, and pieces is closed, when the client goes away.

    Without a Content-Length among headers it is sent in chunks. The next piece is not asked for before the client has
    taken most of those before it. A HEAD request gets the headers alone.
    """

    def __init__(self, pieces: Pieces, headers: Mapping[str, str], status: int = 200) -> None:
        self._pieces = pieces
        self._headers = _encoded(headers)
        self._status = status

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        async with aclosing(self._pieces) as pieces:
            await send({"type": "http.response.start", "status": self._status, "headers": self._headers})
            if scope["method"] != "HEAD":
                async with _watched(receive) as gone:
                    async for piece in pieces:
                        if gone.done():
                            return
                        await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})


class ThreadedResponse:
    """An answer whose pieces worker threads make; those that lie in files go to the socket as they lie there.

    Where the protocol cannot do that, they are read ahead. For the rest it is a StreamedResponse.
    """

    def __init__(
        self, pieces: Generator[Piece, None, None], run: RunInThread, headers: Mapping[str, str], status: int = 200
    ) -> None:
        self._pieces = pieces
        self._run = run
        self._headers = headers
        self._status = status

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        if DIRECT not in scope.get("extensions", ()):
            coming = read_ahead(in_memory(self._pieces), self._run)
            await StreamedResponse(coming, self._headers, self._status)(scope, receive, send)
            return
        try:
            await send({"type": "http.response.start", "status": self._status, "headers": _encoded(self._headers)})
            if scope["method"] != "HEAD":
                async with _watched(receive):
                    await send({"type": DIRECT, "pieces": self._pieces, "run": self._run})
            await send({"type": "http.response.body", "body": b""})
        finally:
            await self._run(self._pieces.close)


async def read_ahead(pieces: Generator[bytes | memoryview, None, None], run: RunInThread) -> Pieces:
    """Yield what a generator makes in worker threads; it goes on while the pieces before are on their way."""
    coming = asyncio.ensure_future(run(_batch, pieces))
    try:
        while batch := await asyncio.shield(coming):
            coming = asyncio.ensure_future(run(_batch, pieces))
            for piece in batch:
                yield piece
    finally:
        # Whatever ended this, the thread has to be out of the generator before it is closed.
        await asyncio.gather(coming, return_exceptions=True)
        await run(pieces.close)


def _batch(pieces: Iterator[bytes | memoryview]) -> list[bytes | memoryview]:
    """Take about PIECE_BYTES."""
    taken: list[bytes | memoryview] = []
    size = 0
    while size < PIECE_BYTES and (piece := next(pieces, None)) is not None:
        size += len(piece)
        taken.append(piece)
    return taken


def _encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


@asynccontextmanager
async def _watched(receive: Receive) -> AsyncGenerator[asyncio.Future[None], None]:
    """Give what is done when the client has closed the connection; a body that it still sends is dropped."""
    gone = asyncio.ensure_future(_wait_until_gone(receive))
    try:
        yield gone
    finally:
        gone.cancel()
        with suppress(asyncio.CancelledError):
            await gone


async def _wait_until_gone(receive: Receive) -> None:
    with suppress(ArchimageError):
        while (await receive())["type"] != "http.disconnect":
            pass
