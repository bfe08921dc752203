"""What the server sends on one association: fragments of two messages never mix (PS3.8 Annex E).

While the data set of a sub-operation is on its way, answers to other requests wait for its end.
"""

import asyncio
from collections.abc import AsyncIterable
from contextlib import suppress

from archimage.errors import AssociationError, LocalProtocolError
from archimage.net.dispatch import Pieces
from archimage.net.transport import Connection
from archimage.protocol.command import Command


class Outbox:
    """Sends messages; used on the loop's thread, and by one `stream` at a time."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._association = connection.association
        self._loop = asyncio.get_running_loop()
        self._streaming = False
        self._held: list[tuple[int, Command, bytes | None]] = []
        self._flush_due = False

    def send(self, context_id: int, command: Command, dataset: bytes | None) -> None:
        """Send a small message; messages of one turn of the loop leave in one system call."""
        if self._streaming:
            self._held.append((context_id, command, dataset))
            return
        with suppress(LocalProtocolError):  # the peer left before its answer was ready
            self._association.send_message(context_id, command, dataset, self._loop.time())
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    async def stream(self, context_id: int, command: Command, pieces: Pieces) -> None:
        """Send a request with its data set; a failure of its source aborts, for half a data set cannot be taken back.

        Raises:
            LocalProtocolError: the association has ended.
            AssociationError: it ended on the way.
        """
        self._association.send_command(context_id, command, self._loop.time(), has_dataset=True)
        self._streaming = True
        try:
            await self._stream(context_id, pieces)
        except (AssociationError, LocalProtocolError):
            raise
        except BaseException:
            self.abort()
            raise
        finally:
            self._streaming = False
            held, self._held = self._held, []
            for message in held:
                self.send(*message)

    def abort(self) -> None:
        """Tell the peer that this is the end."""
        with suppress(LocalProtocolError):
            self._association.abort(self._loop.time())
        self._connection.flush()

    async def _stream(self, context_id: int, pieces: Pieces) -> None:
        if isinstance(pieces, AsyncIterable):
            async for piece in pieces:
                await self._send_data(context_id, piece, last=False)
            pieces = b""  # which piece is the last is known only when there is no other
        await self._send_data(context_id, pieces, last=True)

    async def _send_data(self, context_id: int, piece: bytes | memoryview, *, last: bool) -> None:
        self._association.send_data(context_id, piece, self._loop.time(), last=last)
        self._connection.flush()
        await self._connection.drain()

    def _flush(self) -> None:
        self._flush_due = False
        self._connection.flush()
