"""Messages to and from one peer over an established association, with its endings as errors that name the peer."""

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterable, Callable
from dataclasses import dataclass

from archimage.errors import (
    AssociationAbortedError,
    AssociationError,
    ConnectionFailedError,
    LocalProtocolError,
    TimerExpiredError,
)
from archimage.model.projects import Purpose
from archimage.net import reasons
from archimage.net.transport import Connection
from archimage.protocol.command import Command
from archimage.protocol.events import (
    Aborted,
    CommandReceived,
    DataReceived,
    Event,
    ReleaseRequested,
    TimedOut,
)
from archimage.protocol.items import UserIdentity
from archimage.protocol.machine import State

_LINGER_S = 1.0
"""How long the last bytes may take to leave."""
_MAX_MESSAGE_BYTES = 16 << 20
"""Of messages that are kept whole: identifiers, never images."""

Buffer = bytes | memoryview
Pieces = AsyncIterable[Buffer] | Buffer
"""The bytes of a data set: at once, or piece by piece."""


@dataclass(frozen=True, slots=True)
class RemoteNode:
    """Another application entity, where it listens, and the context of TLS if it is to be called with that.

    identity is the user who calls, if that is to be told. purpose is what stored objects that go there are
    de-identified for, None where they go as they are; transfer_syntax_uid is the one that they are to have there, empty
    where they keep their own.
    """

    ae_title: str
    host: str
    port: int
    tls: ssl.SSLContext | None = None
    identity: UserIdentity | None = None
    purpose: Purpose | None = None
    transfer_syntax_uid: str = ""

    def __str__(self) -> str:
        return f"{self.ae_title} at {self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Message:
    """One whole message."""

    context_id: int
    command: Command
    dataset: bytes | None


class Conversation:
    """Sends and awaits messages; every wait is bounded by timeout_s."""

    def __init__(self, connection: Connection, node: RemoteNode, timeout_s: float) -> None:
        self.connection = connection
        self.association = connection.association
        self.node = node
        self._timeout_s = timeout_s
        self._events: deque[Event] = deque()
        self._now: Callable[[], float] = asyncio.get_running_loop().time

    @property
    def usable(self) -> bool:
        """Tell whether the association is up and the peer has said nothing unasked."""
        return self.association.state is State.ESTABLISHED and not self._events

    async def event(self, timeout_s: float | None = None) -> Event:
        """Return the next event; views of former ones become invalid.

        Raises:
            TimerExpiredError: nothing came in time; the association is aborted.
            ConnectionFailedError: the connection had ended already.
        """
        limit_s = self._timeout_s if timeout_s is None else timeout_s
        while not self._events:
            try:
                async with asyncio.timeout(limit_s):
                    self._events.extend(await self.connection.receive())
            except TimeoutError:
                await self.abort()
                message = f"{self.node} did not answer within {limit_s:g} s"
                raise TimerExpiredError(message, next_step=reasons.INTERRUPTED) from None
            except ConnectionFailedError as error:
                raise self._closed_by_peer() from error
        return self._events.popleft()

    async def command(self) -> CommandReceived:
        """Return the next command; its data set, if any, is still to be read."""
        event = await self.event()
        if isinstance(event, CommandReceived):
            return event
        raise await self.failure(event)

    async def data(self) -> DataReceived:
        """Return the next piece of a data set."""
        event = await self.event()
        if isinstance(event, DataReceived):
            return event
        raise await self.failure(event)

    async def pieces(self) -> tuple[list[memoryview], bool]:
        """Return the pieces of a data set that have come, valid until the next call, and whether they are the last."""
        event = await self.data()
        found = [event.data]
        while not event.last and self._events and isinstance(self._events[0], DataReceived):
            event = await self.data()
            found.append(event.data)
        return found, event.last

    async def message(self) -> Message:
        """Return the next message whole."""
        return await self.rest(await self.command())

    async def rest(self, received: CommandReceived) -> Message:
        """Return the whole of a message of which the command has come."""
        if not received.has_dataset:
            return Message(received.context_id, received.command, None)
        parts: list[bytes] = []
        left_bytes, last = _MAX_MESSAGE_BYTES, False
        while not last:
            event = await self.data()
            left_bytes -= len(event.data)
            if left_bytes < 0:
                raise await self.refusal(f"a response of more than {_MAX_MESSAGE_BYTES >> 20} MiB")
            parts.append(bytes(event.data))
            last = event.last
        return Message(received.context_id, received.command, parts[0] if len(parts) == 1 else b"".join(parts))

    async def response(self, message_id: int) -> Message:
        """Return the next message, which must answer the request of this id."""
        return await self.checked(await self.message(), message_id)

    async def checked(self, message: Message, message_id: int) -> Message:
        """Return a message that must answer the request of this id."""
        if message.command.message_id_being_responded_to != message_id:
            raise await self.refusal(f"message {message.command.field:#06x} answers nothing that was asked")
        return message

    async def send(self, context_id: int, command: Command, dataset: bytes | None = None) -> None:
        """Send a small message."""
        self.association.send_message(context_id, command, dataset, self._now())
        await self._flush()

    async def stream(self, context_id: int, command: Command, pieces: Pieces) -> None:
        """Send a message whose data set comes in pieces; they are sent from where they lie, uncopied.

        Each must stay as it is until the peer has answered. A failure of their source aborts the association: half a
        data set cannot be taken back.
        """
        self.association.send_command(context_id, command, self._now(), has_dataset=True)
        try:
            await self._stream(context_id, pieces)
        except AssociationError:
            raise
        except BaseException:
            await self.abort()
            raise

    async def _stream(self, context_id: int, pieces: Pieces) -> None:
        held: Buffer = b""
        if isinstance(pieces, AsyncIterable):
            async for piece in pieces:
                if held:
                    self.association.send_data(context_id, held, self._now(), last=False)
                    await self._flush()
                held = piece
        else:
            held = pieces
        self.association.send_data(context_id, held, self._now(), last=True)
        await self._flush()

    async def _flush(self) -> None:
        self.connection.flush()
        try:
            await self.connection.drain()
        except TimerExpiredError as error:
            raise TimerExpiredError(
                f"{self.node} takes nothing more: {error}", next_step=reasons.INTERRUPTED
            ) from error
        except ConnectionFailedError as error:
            raise await self._why_ended() from error

    async def _why_ended(self) -> AssociationError:
        """Return what the peer said before the connection ended."""
        event = await self.event()
        while isinstance(event, CommandReceived | DataReceived):
            event = await self.event()
        return await self.failure(event)

    async def failure(self, event: Event) -> AssociationError:
        """Return the error that an event means which ends the association or should not have come."""
        match event:
            case Aborted(source, reason, by_peer, detail):
                why = f"aborted: {reasons.abortion(source, reason)}" if by_peer else f"broke the protocol: {detail}"
                next_step = reasons.INTERRUPTED if by_peer else reasons.BROKEN
                return AssociationAbortedError(f"{self.node} {why}", source=source, reason=reason, next_step=next_step)
            case ReleaseRequested():
                self.association.accept_release(self._now())
                self.connection.flush()
                await self._close()
                message = f"{self.node} released the association before it had answered"
                return AssociationAbortedError(message, next_step=reasons.INTERRUPTED)
            case TimedOut():
                return TimerExpiredError(f"{self.node} did not answer in time", next_step=reasons.INTERRUPTED)
            case CommandReceived() | DataReceived():
                return await self.refusal("it sent what was not due")
        return self._closed_by_peer()

    def _closed_by_peer(self) -> ConnectionFailedError:
        return ConnectionFailedError(f"{self.node} closed the connection", next_step=reasons.INTERRUPTED)

    async def refusal(self, why: str) -> AssociationError:
        """Abort because of what the peer sent, and return the error that says so."""
        await self.abort()
        return AssociationAbortedError(f"{self.node} broke the protocol: {why}", next_step=reasons.BROKEN)

    async def abort(self) -> None:
        """End at once; harmless when it has ended."""
        try:
            self.association.abort(self._now())
            self.connection.flush()
        except LocalProtocolError:
            self.connection.drop()
        await self._close()

    async def release(self, timeout_s: float) -> None:
        """End in order; what the peer still sends is dropped, and a peer that does not agree in time is aborted."""
        try:
            self.association.release(self._now())
            self.connection.flush()
            async with asyncio.timeout(timeout_s):
                await self._released(timeout_s)
        except (AssociationError, LocalProtocolError, TimeoutError):
            await self.abort()
        else:
            await self._close()

    async def _released(self, timeout_s: float) -> None:
        while True:
            match await self.event(timeout_s):
                case ReleaseRequested():
                    self.association.accept_release(self._now())
                    self.connection.flush()
                case CommandReceived() | DataReceived():
                    continue
                case _:
                    return

    async def _close(self) -> None:
        try:
            async with asyncio.timeout(_LINGER_S):
                await self.connection.close()
        except TimeoutError:
            self.connection.drop()
