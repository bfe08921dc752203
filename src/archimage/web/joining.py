"""What is written of an answer within one turn of the loop, handed to the socket in one call.

Each write is a call of the kernel, and wakes the client for what is of no use to it alone: a head, the line that begins
or ends a part. That is a fifth of what a short answer costs, and of a frame's.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

_MOST_BYTES: Final = 1 << 20


class JoiningTransport:
    """What an answer writes to. It waits for the rest of the answer, for the loop's next turn, or until it is much."""

    __slots__ = ("_flush", "_held", "_held_bytes", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._flush: asyncio.Handle | None = None

    def write(self, data: bytes) -> None:
        """Write a piece of the answer."""
        if not data:
            return
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes >= _MOST_BYTES:
            self.flush()
        elif self._flush is None:
            self._flush = self._loop.call_soon(self.flush)

    def take(self) -> Sequence[bytes]:
        """Return what was not handed on yet, for whoever does that."""
        held, self._held, self._held_bytes = self._held, [], 0
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None
        return held

    def flush(self) -> None:
        """Hand on what was written."""
        if held := self.take():
            self._transport.writelines(held)

    def close(self) -> None:
        """Close the connection behind what was written."""
        self.flush()
        self._transport.close()

    def is_closing(self) -> bool:
        """Tell whether the connection is closed, or being closed."""
        return self._transport.is_closing()
