"""The requestor's side of DIMSE: associations to other nodes, and the C- services over them.

Ref: PS3.7 §9.1; PS3.4 §A.4 (Verification), §B (Storage), §C (Query/Retrieve).
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from archimage import spans
from archimage.buffers import BufferPool
from archimage.errors import (
    AssociationRejectedError,
    ConnectionFailedError,
    ContextNotAcceptedError,
    OperationFailedError,
    TimerExpiredError,
)
from archimage.net import reasons
from archimage.net.conversation import Conversation, Message, Pieces, RemoteNode
from archimage.net.operations import OnInstance, Operation, SubOperationProgress, progress_of
from archimage.net.transport import Connection
from archimage.protocol.association import Association, AssociationSettings
from archimage.protocol.command import Command, c_echo_rq, c_find_rq, c_get_rq, c_move_rq, c_store_rq, command_name
from archimage.protocol.events import AssociationAccepted, AssociationRejected, CommandReceived
from archimage.protocol.items import RoleSelection, UserInformation
from archimage.protocol.negotiation import NegotiatedContext, PresentationContext
from archimage.protocol.pdu import AssociateRequest
from archimage.protocol.status import Service, is_failure
from archimage.protocol.uids import VERIFICATION

_MAX_MESSAGE_ID = 0xFFFF
_TLS_SHUTDOWN_S = 1.0


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """Bounds of one association as its requestor; times in seconds, max_pdu_length in bytes.

    connect_timeout_s   until the TCP connection stands
    acse_timeout_s      until the peer accepts, rejects or releases the association
    dimse_timeout_s     until the peer's next message
    write_timeout_s     for which the peer may take nothing of what we send
    """

    connect_timeout_s: float = 10.0
    acse_timeout_s: float = 30.0
    dimse_timeout_s: float = 60.0
    write_timeout_s: float = 60.0
    max_pdu_length: int = 131072


@dataclass(frozen=True, slots=True)
class OutgoingInstance:
    """An object to send: its data set, without File Meta Information, is in transfer_syntax_uid.

    move_originator is the AE title and message id of the C-MOVE that it belongs to.
    """

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    pieces: Pieces = field(repr=False)
    move_originator: tuple[str, int] | None = None


async def connect(
    node: RemoteNode,
    *,
    calling_ae_title: str,
    contexts: Sequence[PresentationContext],
    roles: Sequence[RoleSelection] = (),
    settings: ClientSettings | None = None,
    buffers: BufferPool | None = None,
) -> "ClientAssociation":
    """Open an association. Use what is returned as an asynchronous context manager.

    Raises:
        ConnectionFailedError: nothing listens there, or the connection was lost.
        AssociationRejectedError: the peer does not want the association.
        AssociationAbortedError: the peer aborted instead of answering.
        TimerExpiredError: the connection or the answer took too long.
    """
    settings = settings or ClientSettings()
    information = UserInformation(settings.max_pdu_length, roles=tuple(roles), user_identity=node.identity)
    request = AssociateRequest(node.ae_title, calling_ae_title, tuple(contexts), information)
    with spans.leaf("associate", {"peer.ae_title": node.ae_title}, "client"):
        connection = await _open(node, calling_ae_title, settings, buffers or BufferPool())
        return await _associate(Conversation(connection, node, settings.dimse_timeout_s), request, settings)


async def _associate(
    conversation: Conversation, request: AssociateRequest, settings: ClientSettings
) -> "ClientAssociation":
    connection, node = conversation.connection, conversation.node
    try:
        connection.association.request(request, asyncio.get_running_loop().time())
        connection.flush()
        match event := await conversation.event(settings.acse_timeout_s):
            case AssociationAccepted():
                return ClientAssociation(conversation, settings)
            case AssociationRejected(result, source, reason):
                raise _rejected(node, request.calling_ae_title, (result, source, reason))
        raise await conversation.failure(event)
    except BaseException as error:
        connection.drop()
        if isinstance(error, TimerExpiredError | ConnectionFailedError):
            error.next_step = reasons.SILENT if isinstance(error, TimerExpiredError) else reasons.HUNG_UP
        raise


def _rejected(node: RemoteNode, calling: str, answer: tuple[int, int, int]) -> AssociationRejectedError:
    result, source, reason = answer
    why, next_step = reasons.rejection(result, source, reason, calling=calling, called=node.ae_title)
    message = f"{node} rejects {calling}: {why}"
    return AssociationRejectedError(message, result=result, source=source, reason=reason, next_step=next_step)


async def _open(node: RemoteNode, calling_ae_title: str, settings: ClientSettings, buffers: BufferPool) -> Connection:
    loop = asyncio.get_running_loop()
    own = AssociationSettings(calling_ae_title, max_pdu_length=settings.max_pdu_length, idle_timeout_s=None)

    def protocol() -> Connection:
        association = Association(own, requestor=True, now=loop.time())
        return Connection(association, buffers, write_timeout_s=settings.write_timeout_s)

    try:
        async with asyncio.timeout(settings.connect_timeout_s):
            shutdown_s = None if node.tls is None else _TLS_SHUTDOWN_S
            _, connection = await loop.create_connection(
                protocol, node.host, node.port, ssl=node.tls, ssl_shutdown_timeout=shutdown_s
            )
    except TimeoutError:
        why, next_step = reasons.no_connection_within(settings.connect_timeout_s)
        raise TimerExpiredError(f"{node} does not answer: {why}", next_step=next_step) from None
    except OSError as error:
        why, next_step = reasons.connection(error, node.host, node.port)
        raise ConnectionFailedError(f"cannot connect to {node}: {why}", next_step=next_step) from error
    return connection


class ClientAssociation:
    """An open association of ours; operations of several tasks are done one after the other."""

    def __init__(self, conversation: Conversation, settings: ClientSettings) -> None:
        self.node = conversation.node
        self._conversation = conversation
        self._settings = settings
        self._turn = asyncio.Lock()
        self._message_id = 0
        self._unanswered: deque[Message] = deque()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            await self.release()
        else:
            await self.abort()

    @property
    def usable(self) -> bool:
        """Tell whether an operation can be started now."""
        return self._conversation.usable and not self._turn.locked()

    @property
    def peer(self) -> UserInformation:
        """What the peer said of itself as it accepted."""
        accepted = self._conversation.association.accepted
        return UserInformation() if accepted is None else accepted.user_information

    @property
    def contexts(self) -> Sequence[NegotiatedContext]:
        """Every proposed presentation context with what became of it."""
        return tuple(self._conversation.association.contexts.values())

    def context(self, sop_class_uid: str, transfer_syntax_uid: str | None = None) -> NegotiatedContext:
        """Return the accepted context for a SOP class, of this transfer syntax if one is given.

        Raises:
            ContextNotAcceptedError: there is none.
        """
        proposed = [context for context in self.contexts if context.abstract_syntax == sop_class_uid]
        for context in proposed:
            if context.accepted and transfer_syntax_uid in {None, context.transfer_syntax}:
                return context
        taken = ", ".join(context.transfer_syntax for context in proposed if context.accepted)
        refused = ", ".join(dict.fromkeys(reasons.context_result(c.result) for c in proposed if not c.accepted))
        why = f"it takes only {taken}" if taken else refused or "it was not proposed"
        what = f"SOP class {sop_class_uid}" + (
            f" in transfer syntax {transfer_syntax_uid}" if transfer_syntax_uid else ""
        )
        raise ContextNotAcceptedError(f"{self.node} does not take {what}: {why}", next_step=reasons.NOT_OFFERED)

    async def echo(self) -> int:
        """Verify the connection; return the peer's status.

        Raises:
            AssociationError: no answer came, or Verification was not accepted.
        """
        context = self.context(VERIFICATION)
        async with self._operation("C-ECHO"):
            command = c_echo_rq(self._next_id())
            await self._conversation.send(context.context_id, command)
            return await self._status(command)

    async def store(self, instance: OutgoingInstance) -> int:
        """Send one object as it is; return the peer's status.

        Raises:
            ContextNotAcceptedError: the peer does not take the SOP class in this transfer syntax.
            AssociationError: the association ended.
        """
        context = self.context(instance.sop_class_uid, instance.transfer_syntax_uid)
        async with self._operation("C-STORE"):
            command = c_store_rq(
                self._next_id(),
                instance.sop_class_uid,
                instance.sop_instance_uid,
                move_originator=instance.move_originator,
            )
            await self._conversation.stream(context.context_id, command, instance.pieces)
            return await self._status(command)

    async def find(self, sop_class_uid: str, identifier: bytes) -> AsyncGenerator[bytes, None]:
        """Yield the peer's matches as they come, encoded in the context's transfer syntax, as identifier has to be.

        Closing the generator early cancels the operation.

        Raises:
            OperationFailedError: the peer ended with a failure.
            AssociationError: the association ended, or the SOP class was not accepted.
        """
        context = self.context(sop_class_uid)
        async with self._operation("C-FIND"):
            command = c_find_rq(self._next_id(), sop_class_uid)
            async with Operation(self._conversation, context.context_id, command) as operation:
                await self._conversation.send(context.context_id, command, identifier)
                while not operation.over:
                    message = await operation.response()
                    if message.dataset is not None and not operation.over:
                        yield message.dataset
            self._check(message.command)

    async def move(
        self, sop_class_uid: str, identifier: bytes, destination: str
    ) -> AsyncGenerator[SubOperationProgress, None]:
        """Have the peer send what identifier names to the AE title destination; yield the counts, the final ones last.

        Closing the generator early cancels the operation.

        Raises:
            AssociationError: the association ended, or the SOP class was not accepted.
        """
        context = self.context(sop_class_uid)
        async with self._operation("C-MOVE"):
            command = c_move_rq(self._next_id(), sop_class_uid, destination)
            async with Operation(self._conversation, context.context_id, command) as operation:
                await self._conversation.send(context.context_id, command, identifier)
                while not operation.over:
                    yield progress_of(await operation.response())

    async def get(
        self, sop_class_uid: str, identifier: bytes, on_instance: OnInstance
    ) -> AsyncGenerator[SubOperationProgress, None]:
        """Have the peer send what identifier names over this association; yield the counts, the final ones last.

        on_instance, called from a worker thread, says where each object goes. Closing the generator early cancels.

        Raises:
            AssociationError: the association ended, or the SOP class was not accepted.
        """
        context = self.context(sop_class_uid)
        async with self._operation("C-GET"):
            command = c_get_rq(self._next_id(), sop_class_uid)
            async with Operation(self._conversation, context.context_id, command, on_instance) as operation:
                await self._conversation.send(context.context_id, command, identifier)
                while not operation.over:
                    yield progress_of(await operation.response())

    async def request(
        self, abstract_syntax_uid: str, make: Callable[[int], Command], dataset: bytes | None = None
    ) -> Message:
        """Send the request of a normalized service that make returns for a message id; return the response.

        What the peer asks meanwhile is kept for `requested`.

        Raises:
            AssociationError: no answer came, or the abstract syntax was not accepted.
        """
        context = self.context(abstract_syntax_uid)
        command = make(self._next_id())
        async with self._operation(command_name(command.field)):
            await self._conversation.send(context.context_id, command, dataset)
            while (message := await self._conversation.message()).command.is_request:
                self._unanswered.append(message)
            return await self._conversation.checked(message, command.message_id or 0)

    async def requested(self, timeout_s: float) -> Message:
        """Return the next request of the peer, such as N-EVENT-REPORT; answer it by `respond`.

        Raises:
            TimerExpiredError: none came in time; the association is aborted.
            AssociationError: the association ended.
        """
        if self._unanswered:
            return self._unanswered.popleft()
        async with self._turn:
            event = await self._conversation.event(timeout_s)
            if isinstance(event, CommandReceived) and event.command.is_request:
                return await self._conversation.rest(event)
            raise await self._conversation.failure(event)

    async def respond(self, request: Message, status: int = 0, dataset: bytes | None = None) -> None:
        """Answer a request of the peer."""
        await self._conversation.send(request.context_id, request.command.response(status), dataset)

    async def release(self) -> None:
        """End in order."""
        await self._conversation.release(self._settings.acse_timeout_s)

    async def abort(self) -> None:
        """End at once."""
        await self._conversation.abort()

    @asynccontextmanager
    async def _operation(self, name: str) -> AsyncIterator[None]:
        """Do one operation at a time, each within a span."""
        async with self._turn:
            with spans.leaf(name, {"peer.ae_title": self.node.ae_title}, "client"):
                yield

    def _next_id(self) -> int:
        self._message_id = self._message_id % _MAX_MESSAGE_ID + 1
        return self._message_id

    async def _status(self, command: Command) -> int:
        response = await self._conversation.response(command.message_id or 0)
        return response.command.status or 0

    def _check(self, command: Command) -> None:
        status = command.status or 0
        if is_failure(status):
            why, next_step = reasons.status(status, Service.FIND)
            comment = f" ({command.error_comment})" if command.error_comment else ""
            message = f"{self.node} refuses the query: {why}{comment}"
            raise OperationFailedError(message, status=status, next_step=next_step)
