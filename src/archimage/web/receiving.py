"""The body of a request: it comes in time, or the request is given up.

A client may be slow, and a STOW of hours is fine, but each wait for its bytes is paid from an allowance that only
arriving bytes fill up again. Time in which nobody asked for bytes costs nothing.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from typing import Final

from starlette.types import Message, Receive, Scope

from archimage.errors import ConnectionFailedError, SlowRequestError
from archimage.web.direct import DIRECT_BODY, DirectReceiver

REFILL_BYTES: Final = 16 << 10
"""So many bytes in one allowance of time are enough."""

_GONE: Final = "the client closed the connection before its request was whole"


class Allowance:
    """Time that waits for a client's bytes take, seconds; those that came fill it up again.

    Raises, from `waiting`:
        SlowRequestError: it is used up.
    """

    __slots__ = ("_arrived", "_left_s", "_timeout_s")

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._left_s = timeout_s
        self._arrived = 0

    @asynccontextmanager
    async def waiting(self) -> AsyncGenerator[None, None]:
        """Bound and count the time that is waited inside."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            async with asyncio.timeout(self._left_s):
                yield
        except TimeoutError:
            raise SlowRequestError(
                f"{self._arrived} bytes of the body came in {self._timeout_s:g} s; at least {REFILL_BYTES} are needed"
            ) from None
        self._left_s -= loop.time() - started

    def count(self, arrived: int) -> None:
        """Tell that so many bytes have come."""
        self._arrived += arrived
        if self._arrived >= REFILL_BYTES:
            self._arrived = 0
            self._left_s = self._timeout_s


class TimedReceive:
    """An ASGI `receive` that waits timeout_s, seconds, for every 16 KiB of the body.

    Raises, until the body is whole:
        SlowRequestError: the bytes did not come.
        ConnectionFailedError: the client went away.
    """

    __slots__ = ("_allowance", "_direct", "_finished", "_receive")

    def __init__(self, receive: Receive, timeout_s: float) -> None:
        self._receive = receive
        self._allowance = Allowance(timeout_s)
        self._direct: DirectReceiver | None = None
        self._finished = False

    @property
    def finished(self) -> bool:
        """Tell whether the body has been read to its end."""
        return self._finished or (self._direct is not None and not self._direct.left_bytes)

    def direct(self, scope: Scope) -> "TimedDirectReceive | None":
        """Have worker threads receive the rest of the body; None where the protocol does not offer that for it."""
        offered = scope.get("extensions", {}).get(DIRECT_BODY)
        self._direct = None if offered is None else offered["open"]()
        return None if self._direct is None else TimedDirectReceive(self._direct, self._allowance)

    async def __call__(self) -> Message:
        """Wait for the next message; once the body is whole, for as long as it takes."""
        if self.finished:
            return await self._receive()
        async with self._allowance.waiting():
            message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ConnectionFailedError(_GONE)
        self._allowance.count(len(message.get("body", b"")))
        self._finished = not message.get("more_body", False)
        return message


class TimedDirectReceive:
    """A body that worker threads receive, as it comes; raises what `TimedReceive` raises."""

    __slots__ = ("_allowance", "_receiver")

    def __init__(self, receiver: DirectReceiver, allowance: Allowance) -> None:
        self._receiver = receiver
        self._allowance = allowance

    @property
    def finished(self) -> bool:
        """Tell whether the body has been received to its end."""
        return not self._receiver.left_bytes

    def chunks(self) -> Iterator[tuple[bytearray, int]]:
        """Yield what comes without a wait, in a thread: a buffer, used again for the next, and how much of it."""
        try:
            for buffer, size in self._receiver.chunks():
                self._allowance.count(size)
                yield buffer, size
        except ConnectionError:
            raise ConnectionFailedError(_GONE) from None

    async def wait(self) -> None:
        """Wait until more has come."""
        async with self._allowance.waiting():
            await self._receiver.readable()

    def close(self) -> None:
        """Let go of the connection, when no thread is at it any more."""
        self._receiver.close()
