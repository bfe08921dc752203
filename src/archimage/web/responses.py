"""Answers that are sent piece by piece."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress

from starlette.types import Receive, Scope, Send

from archimage.errors import ArchimageError

Pieces = AsyncGenerator[bytes | memoryview, None]


class StreamedResponse:
    """An answer whose body comes in pieces; it ends, and pieces is closed, when the client goes away.

    Without a Content-Length among headers it is sent in chunks. The next piece is not asked for before the client has
    taken most of those before it. A HEAD request gets the headers alone.
    """

    def __init__(self, pieces: Pieces, headers: Mapping[str, str], status: int = 200) -> None:
        self._pieces = pieces
        self._headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
        self._status = status

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        async with aclosing(self._pieces) as pieces:
            if scope["method"] == "HEAD":
                return await self._send_head(send, only=True)
            gone = asyncio.ensure_future(_wait_until_gone(receive))
            try:
                await self._send_head(send)
                async for piece in pieces:
                    if gone.done():
                        return None
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
            finally:
                gone.cancel()
                with suppress(asyncio.CancelledError):
                    await gone
        return None

    async def _send_head(self, send: Send, *, only: bool = False) -> None:
        await send({"type": "http.response.start", "status": self._status, "headers": self._headers})
        if only:
            await send({"type": "http.response.body", "body": b""})


async def _wait_until_gone(receive: Receive) -> None:
    """Return when the client has closed the connection; a body that it still sends is dropped."""
    with suppress(ArchimageError):
        while (await receive())["type"] != "http.disconnect":
            pass
