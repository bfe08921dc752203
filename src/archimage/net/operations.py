"""Operations with several responses, as their requestor: C-FIND, C-MOVE, and C-GET with the objects it brings.

Ref: PS3.7 §9.1.2 to §9.1.4, §9.3.2.3 (C-CANCEL).
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self, TypeVar

from archimage.errors import ArchimageError, AssociationError
from archimage.net.conversation import Conversation, Message
from archimage.net.statuses import comment_of, status_of
from archimage.protocol.command import Command, CommandField, c_cancel_rq
from archimage.protocol.events import CommandReceived
from archimage.protocol.status import Status, is_pending

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class IncomingInstance:
    """An object that the peer is about to send in a C-GET; its UIDs are the peer's word, unchecked."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str


class InstanceSink(Protocol):
    """Takes one object; called from worker threads, so all of it may block.

    An OSError or ArchimageError from it fails the one sub-operation.
    """

    def write(self, pieces: Sequence[memoryview]) -> None:
        """Take the next pieces of the data set, which are valid during the call."""

    def finish(self) -> int:
        """Keep the object and return the status to answer."""

    def discard(self) -> None:
        """Drop the object: it will not be whole, or it could not be kept."""


OnInstance = Callable[[IncomingInstance], InstanceSink]
"""Says where an object goes; called from a worker thread."""


@dataclass(frozen=True, slots=True)
class SubOperationProgress:
    """The counts of a C-MOVE or C-GET so far; what the peer left out is None.

    The last one of an operation has a status that is not pending.
    """

    status: int
    remaining: int | None
    completed: int | None
    failed: int | None
    warning: int | None
    error_comment: str = ""
    identifier: bytes = b""
    """Encoded Failed SOP Instance UID List (0008,0058) of a last one that tells of failures."""


def progress_of(message: Message) -> SubOperationProgress:
    """Return the counts in a response."""
    command = message.command
    return SubOperationProgress(
        command.status or 0,
        command.remaining_suboperations,
        command.completed_suboperations,
        command.failed_suboperations,
        command.warning_suboperations,
        command.error_comment or "",
        message.dataset or b"",
    )


class Operation:
    """One request and its responses, to be left only when it is over: a generator closed early cancels it.

    Any other way out before the end aborts the association.
    """

    def __init__(
        self, conversation: Conversation, context_id: int, command: Command, on_instance: OnInstance | None = None
    ) -> None:
        self.over = False
        self._conversation = conversation
        self._context_id = context_id
        self._message_id = command.message_id or 0
        self._on_instance = on_instance

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.over:
            return
        if isinstance(error, GeneratorExit):
            await self._cancel()
        else:
            await self._conversation.abort()

    async def response(self) -> Message:
        """Return the next response, pending or final; objects that come before it go where they are to go."""
        while True:
            received = await self._conversation.command()
            command = received.command
            if command.field == CommandField.C_STORE_RQ and self._on_instance is not None:
                await self._take(received, self._on_instance)
                continue
            if command.message_id_being_responded_to != self._message_id:
                raise await self._conversation.refusal(f"message {command.field:#06x} answers nothing that was asked")
            message = await self._conversation.rest(received)
            self.over = not is_pending(command.status or 0)
            return message

    async def _cancel(self) -> None:
        """Ask the peer to stop, and read on until it has."""
        try:
            await self._conversation.send(self._context_id, c_cancel_rq(self._message_id))
            while not self.over:
                await self.response()
        except AssociationError:
            await self._conversation.abort()

    async def _take(self, received: CommandReceived, on_instance: OnInstance) -> None:
        """Receive one object and answer for it."""
        command = received.command
        reception = _Reception(on_instance)
        try:
            await reception.open(self._incoming(received))
            last = not received.has_dataset
            while not last:
                pieces, last = await self._conversation.pieces()
                await reception.write(pieces)
            status, comment = await reception.finish()
        except BaseException:
            await reception.discard()
            raise
        await self._conversation.send(received.context_id, command.response(status, error_comment=comment or None))

    def _incoming(self, received: CommandReceived) -> IncomingInstance:
        command = received.command
        context = self._conversation.association.contexts[received.context_id]
        return IncomingInstance(
            command.affected_sop_class_uid or "", command.affected_sop_instance_uid or "", context.transfer_syntax
        )


class _Reception:
    """One object on its way to a sink; the first failure of the sink is remembered and ends its use."""

    def __init__(self, on_instance: OnInstance) -> None:
        self._on_instance = on_instance
        self._sink: InstanceSink | None = None
        self._failure: tuple[int, str] | None = None

    async def open(self, incoming: IncomingInstance) -> None:
        self._sink = await self._guard(self._on_instance, incoming)

    async def write(self, pieces: Sequence[memoryview]) -> None:
        if self._sink is not None and self._failure is None:
            await self._guard(self._sink.write, pieces)

    async def finish(self) -> tuple[int, str]:
        """Return the status and the error comment to answer."""
        status = None
        if self._sink is not None and self._failure is None:
            status = await self._guard(self._sink.finish)
        if self._failure is not None:
            await self.discard()
            return self._failure
        return status or Status.SUCCESS, ""

    async def discard(self) -> None:
        if self._sink is not None:
            await asyncio.to_thread(self._sink.discard)

    async def _guard(self, call: Callable[..., _T], *args: object) -> _T | None:
        try:
            return await asyncio.to_thread(call, *args)
        except OSError as error:
            self._failure = Status.OUT_OF_RESOURCES, str(error)
        except ArchimageError as error:
            self._failure = status_of(error, CommandField.C_STORE_RQ), comment_of(error)
        return None
