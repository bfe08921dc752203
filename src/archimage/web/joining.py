"""The head of an answer and what follows it, handed to the socket in one piece.

Two writes are two calls of the kernel, and the first, which is of no use to the client alone, wakes it: a fifth of
what a short answer costs.
"""

import asyncio


class JoiningTransport:
    """What an answer writes to. Its first write, the head, waits for the second, or for the loop's next turn."""

    __slots__ = ("_flush", "_head", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head: bytes | None = None
        self._flush: asyncio.Handle | None = None

    def write(self, data: bytes) -> None:
        """Write a piece of the answer."""
        if self._flush is None:
            self._head = data
            self._flush = self._loop.call_soon(self.flush)
        elif (head := self.take()) is None:
            self._transport.write(data)
        else:
            self._transport.writelines([head, data])

    def take(self) -> bytes | None:
        """Return the head unless it was written, for whoever writes it."""
        head, self._head = self._head, None
        if head is not None and self._flush is not None:
            self._flush.cancel()
        return head

    def flush(self) -> None:
        """Write the head unless it was."""
        if (head := self.take()) is not None:
            self._transport.write(head)

    def close(self) -> None:
        """Close the connection behind what was written."""
        self.flush()
        self._transport.close()

    def is_closing(self) -> bool:
        """Tell whether the connection is closed, or being closed."""
        return self._transport.is_closing()
