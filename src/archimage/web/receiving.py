"""The body of a request: it comes in time, or the request is given up.

A client may be slow, and a STOW of hours is fine, but each wait for its bytes is paid from an allowance that only
arriving bytes fill up again. Time in which nobody asked for bytes costs nothing.
"""

import asyncio
from typing import Final

from starlette.types import Message, Receive

from archimage.errors import ConnectionFailedError, SlowRequestError

REFILL_BYTES: Final = 16 << 10
"""So many bytes in one allowance of time are enough."""


class TimedReceive:
    """An ASGI `receive` that waits timeout_s, seconds, for every 16 KiB of the body.

    Raises, until the body is whole:
        SlowRequestError: the bytes did not come.
        ConnectionFailedError: the client went away.
    """

    __slots__ = ("_arrived", "_left_s", "_receive", "_timeout_s", "finished")

    def __init__(self, receive: Receive, timeout_s: float) -> None:
        self._receive = receive
        self._timeout_s = timeout_s
        self._left_s = timeout_s
        self._arrived = 0
        self.finished = False
        """Whether the body has been read to its end."""

    async def __call__(self) -> Message:
        """Wait for the next message; once the body is whole, for as long as it takes."""
        if self.finished:
            return await self._receive()
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            async with asyncio.timeout(self._left_s):
                message = await self._receive()
        except TimeoutError:
            raise SlowRequestError(
                f"{self._arrived} bytes of the body came in {self._timeout_s:g} s; at least {REFILL_BYTES} are needed"
            ) from None
        if message["type"] == "http.disconnect":
            raise ConnectionFailedError("the client closed the connection before its request was whole")
        self._left_s -= loop.time() - started
        self._count(len(message.get("body", b"")))
        self.finished = not message.get("more_body", False)
        return message

    def _count(self, arrived: int) -> None:
        self._arrived += arrived
        if self._arrived >= REFILL_BYTES:
            self._arrived = 0
            self._left_s = self._timeout_s
