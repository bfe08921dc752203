"""One association as the server sees it: events in order, requests to their services, answers back."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import replace
from functools import partial
from typing import Final

import structlog

from archimage import spans
from archimage.errors import ArchimageError, ConnectionFailedError, LocalProtocolError
from archimage.logger import is_detailed, logger
from archimage.net.dispatch import (
    MAX_IDENTIFIER_BYTES,
    Handler,
    Incoming,
    Operation,
    Pieces,
    Refused,
    Registry,
    Reply,
    Request,
    Response,
    WholeRequest,
    answer,
    refusal,
)
from archimage.net.outbox import Outbox
from archimage.net.timing import Stopwatch
from archimage.net.traced import AssociationSpans
from archimage.net.transport import Connection
from archimage.ports.meter import Ending, Meter
from archimage.protocol.command import Command, CommandField, command_name
from archimage.protocol.events import (
    Aborted,
    AssociationRejected,
    AssociationRequested,
    CommandReceived,
    ConnectionLost,
    DataReceived,
    Event,
    ReleaseRequested,
    TimedOut,
)
from archimage.protocol.negotiation import NegotiatedContext
from archimage.protocol.pdu import AssociateRequest
from archimage.protocol.status import Status, is_pending
from archimage.spans import Attributes, Span

SUB_OPERATION_TIMEOUT_S: Final = 60.0
MAX_RUNNING: Final = 16
MAX_HELD_BYTES: Final = MAX_RUNNING * MAX_IDENTIFIER_BYTES
"""Data sets of requests that are being answered; a larger one is answered before another comes."""
_LAST_MESSAGE_ID: Final = 0xFFFF
_log = logger("association")
_error = logger("error")
_dimse = logger("dimse")

Admit = Callable[["Session", AssociateRequest], Awaitable[None]]
"""Accepts or rejects a request on the session's association."""


class Session:
    """Serves one connection from its first byte to its last."""

    def __init__(self, connection: Connection, registry: Registry, admit: Admit, session_id: str, meter: Meter) -> None:
        self.id = session_id
        """What its log lines and the management API call it; no other one of any process has it."""
        self.connection = connection
        self.association = connection.association
        self.calling_ae_title = ""
        self.called_ae_title = ""
        self.requests = 0
        """How many requests have come."""
        self.last_request = 0
        """Command field of the last one."""
        self.ending = ""
        """Why it ended, in words; empty where the peer released it."""
        self.ended_as: Ending = "lost"
        """The same, as it is counted."""
        self._registry = registry
        self._asked: AssociateRequest | None = None
        self._admit = admit
        self._meter = meter
        self._loop = asyncio.get_running_loop()
        self.watch = Stopwatch()
        """Notes where its time goes."""
        self.spans = AssociationSpans()
        """Tell what it does, where it is traced."""
        self._receiving: Operation | None = None
        self._receiving_since = 0.0
        self._unsettled: list[Operation] = []
        self._outbox = Outbox(connection)
        self._sub_operation_turn = asyncio.Lock()
        self._ends = False
        self._cancels: dict[int, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._sub_operations: dict[int, asyncio.Future[int]] = {}
        self._last_report_id = 0
        self._storing = 0
        self._most_stored = most_stored(self.association.settings.max_operations_performed)
        self._answered = asyncio.Event()
        self._drained: asyncio.Future[None] | None = None
        self._held_bytes = 0
        self._at_end: list[Callable[[], None]] = []

    async def run(self) -> None:
        """Serve until the connection has ended."""
        structlog.contextvars.bind_contextvars(association=self.id)  # for this task and those that it starts
        try:
            while True:
                for event in await self.connection.receive():
                    self._on(event)
                if self._asked is not None:
                    await self._decide(self._asked)
                if self._unsettled:
                    await self._settle()
        except ConnectionFailedError:
            pass
        except Exception:
            _error.exception("association failed", peer=self.peer)
            self._note_end("fault", "this server met a bug")
            self.connection.drop()
        finally:
            await self._end()

    @property
    def peer(self) -> str:
        """Who it is, for a log line."""
        host, port = self.connection.peer_address
        return f"{self.calling_ae_title or '?'}@{host}:{port}"

    @property
    def now(self) -> float:
        """Seconds, monotonic: the association's clock."""
        return self._loop.time()

    @property
    def contexts(self) -> Mapping[int, NegotiatedContext]:
        """The association's presentation contexts."""
        return self.association.contexts

    def abort(self) -> None:
        """Tell the peer that this is the end, and end."""
        self._note_end("aborted_here", "aborted here")
        self._outbox.abort()

    def drain(self) -> asyncio.Future[None]:
        """Begin nothing more, and abort once the peer's running C-STOREs are answered: then the future is done."""
        self._drained = self._loop.create_future()
        self._abort_if_drained()
        return self._drained

    def _note_end(self, ended_as: Ending, words: str) -> None:
        """Keep the first reason of the end."""
        if not self._ends:
            self._ends, self.ended_as, self.ending = True, ended_as, words

    def at_end(self, call: Callable[[], None]) -> None:
        """Have something called once the association has ended."""
        self._at_end.append(call)

    async def store(self, context_id: int, command: Command, pieces: Pieces) -> int:
        """Send an instance to the peer on this association, one at a time; return the peer's status."""
        async with self._sub_operation_turn:
            answered: asyncio.Future[int] = self._loop.create_future()
            self._sub_operations[command.message_id or 0] = answered
            try:
                with spans.leaf("C-STORE sub-operation", kind="client"):
                    began = time.monotonic()
                    await self._outbox.stream(context_id, command, pieces)
                    self.watch.send_s += time.monotonic() - began
                    async with asyncio.timeout(SUB_OPERATION_TIMEOUT_S):
                        return await answered
            except (LocalProtocolError, TimeoutError) as error:
                self.connection.give_up()
                raise ConnectionFailedError(f"{self.peer} did not take an instance") from error
            finally:
                del self._sub_operations[command.message_id or 0]

    async def report(self, context_id: int, command: Command, dataset: bytes | None) -> int:
        """Send an N-EVENT-REPORT request to the peer on this association; return the peer's status."""
        async with self._sub_operation_turn:
            self._last_report_id = self._last_report_id % _LAST_MESSAGE_ID + 1
            answered: asyncio.Future[int] = self._loop.create_future()
            self._sub_operations[self._last_report_id] = answered
            try:
                with spans.leaf("N-EVENT-REPORT", kind="client"):
                    self._outbox.send(context_id, replace(command, message_id=self._last_report_id), dataset)
                    async with asyncio.timeout(SUB_OPERATION_TIMEOUT_S):
                        return await answered
            except TimeoutError as error:
                raise ConnectionFailedError(f"{self.peer} did not answer an event report") from error
            finally:
                del self._sub_operations[self._last_report_id]

    def _on(self, event: Event) -> None:
        match event:
            case DataReceived():
                self._on_data(event.data, last=event.last)
            case CommandReceived():
                self._on_command(event)
            case AssociationRequested():
                self._asked = event.request
            case AssociationRejected():
                self._meter.association_rejected("protocol")
            case ReleaseRequested():
                self._note_end("released", "")
                with suppress(LocalProtocolError):  # the peer left in the same breath
                    self.association.accept_release(self.now)
                self.connection.flush()
            case Aborted(_, _, by_peer, detail):
                if by_peer:
                    self._note_end("aborted_by_peer", "aborted by the peer")
                else:
                    self._note_end("protocol_error", f"the peer broke the protocol: {detail}")
                _log.info("association aborted", peer=self.peer, by_peer=by_peer, reason=detail)
            case TimedOut():
                self._note_end("silent", "the peer was silent for too long")
                _log.info("peer was silent for too long", peer=self.peer)
            case ConnectionLost():
                self._note_end("lost", "the connection was lost")

    async def _decide(self, request: AssociateRequest) -> None:
        """Have the association accepted or rejected; meanwhile nothing else is dealt with that its peer sends."""
        self._asked = None
        self.calling_ae_title = request.calling_ae_title.strip()
        self.called_ae_title = request.called_ae_title.strip()
        with suppress(LocalProtocolError):  # the peer left in the same breath
            await self._admit(self, request)
        self.connection.flush()

    def _on_data(self, data: memoryview, *, last: bool) -> None:
        operation = self._receiving
        if operation is None:
            return
        operation.add(data, last=last)
        if operation not in self._unsettled:
            self._unsettled.append(operation)
        if last:
            self._receiving = None
            if self._receiving_since:
                self.watch.receive_s += time.monotonic() - self._receiving_since
                self._receiving_since = 0.0

    def _on_command(self, event: CommandReceived) -> None:
        command = event.command
        if command.field == CommandField.C_CANCEL_RQ:
            cancelled = self._cancels.get(command.message_id_being_responded_to or 0)
            if cancelled is not None:
                cancelled.set()
        elif command.is_request:
            if self._drained is not None:
                return
            self.requests += 1
            self.watch.requested()
            self.last_request = command.field
            self._receiving = self._operation(event)
            if not event.has_dataset:
                self._on_data(memoryview(b""), last=True)
        else:
            answered = self._sub_operations.get(command.message_id_being_responded_to or 0)
            if answered is not None and not answered.done():
                answered.set_result(command.status or 0)

    def _operation(self, event: CommandReceived) -> Operation:
        command, context = event.command, self.contexts[event.context_id]
        about: Attributes = {
            "dicom.message_id": command.message_id or 0,
            "dicom.sop_class_uid": context.abstract_syntax,
        }
        span = self.spans.operation(command.field, about)
        reply = self._replier(event, span)
        if event.duplicate:
            return Refused(reply, Response(Status.DUPLICATE_INVOCATION))
        stream_handler = self._registry.stream_handlers.get(command.field)
        if stream_handler is not None and context.as_scp:
            self._storing += 1
            self._receiving_since = time.monotonic()
            committed, stored = self.watch.committed, self._stored(reply)
            with spans.within(span):
                titles = self.calling_ae_title, self.called_ae_title
                return stream_handler(Incoming(command, context, titles[0], stored, self.id, committed, titles[1]))
        handler = self._registry.handlers.get((context.abstract_syntax, command.field))
        if handler is None:
            return Refused(reply, Response(Status.UNRECOGNISED_OPERATION))
        most_bytes = self._registry.bounds.get((context.abstract_syntax, command.field), MAX_IDENTIFIER_BYTES)
        start = partial(self._start, handler, event, span)
        return WholeRequest(start, reply, command.field, most_bytes, self._registry.allowance)

    def _replier(self, event: CommandReceived, span: Span | None) -> Reply:
        began = time.monotonic()

        def reply(response: Response) -> None:
            self._outbox.send(event.context_id, answer(event.command, response), response.dataset)
            if not is_pending(response.status):
                self._meter.operation(event.command.field, response.status)
                self.spans.answered(span, response)
                if is_detailed("dimse"):
                    self._tell(event.command, response.status, time.monotonic() - began)

        return reply

    def _tell(self, command: Command, status: int, took_s: float) -> None:
        _dimse.debug(
            "operation answered",
            association=self.id,
            peer=self.peer,
            command=command_name(command.field),
            message_id=command.message_id,
            status=f"{status:#06x}",
            duration_s=round(took_s, 6),
        )

    def _stored(self, reply: Reply) -> Reply:
        """Take note that a C-STORE is answered."""

        def replied(response: Response) -> None:
            reply(response)
            self._storing -= 1
            self._answered.set()
            self._abort_if_drained()

        return replied

    def _abort_if_drained(self) -> None:
        if self._drained is not None and not self._drained.done() and not self._storing:
            self.abort()
            self._drained.set_result(None)

    async def _settle(self) -> None:
        """Let operations be done with the views of this batch; the peer is not to blame for the time that takes.

        A peer that has very much asked at once is not read from until less of it is left.
        """
        self.association.pause_idle()
        while self._unsettled:
            await self._unsettled[0].settle()
            del self._unsettled[0]
            while self._storing - len(self._unsettled) > self._most_stored:
                self._answered.clear()
                await self._answered.wait()
        while len(self._tasks) > MAX_RUNNING or self._held_bytes > MAX_HELD_BYTES:
            await asyncio.wait((next(iter(self._tasks)),))
        self.association.resume_idle(self.now)
        self.connection.flush()

    def _start(
        self, handler: Handler, event: CommandReceived, span: Span | None, identifier: bytes, taken: int
    ) -> None:
        """Have a request answered; taken of the allowance for large data sets is given back after that."""
        message_id = event.command.message_id or 0
        cancelled = self._cancels[message_id] = asyncio.Event()
        request = Request(
            command=event.command,
            context=self.contexts[event.context_id],
            identifier=identifier,
            calling_ae_title=self.calling_ae_title,
            called_ae_title=self.called_ae_title,
            peer_host=self.connection.peer_address[0],
            cancelled=cancelled,
            extended=self._extended(event.context_id),
            channel=self,
        )
        with spans.within(span):
            task = self._loop.create_task(self._serve(handler(request), event, self._replier(event, span)))
        self._tasks.add(task)
        self._held_bytes += len(identifier)
        task.add_done_callback(partial(self._let_go, len(identifier), taken))
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: self._cancels.pop(message_id, None))

    def _let_go(self, size_bytes: int, taken: int, _task: "asyncio.Task[None]") -> None:
        self._held_bytes -= size_bytes
        self._registry.allowance.give(taken)

    def _extended(self, context_id: int) -> bytes:
        """Return the application information agreed on for the SOP class of a context."""
        accepted = self.association.accepted
        wanted = self.contexts[context_id].abstract_syntax
        agreed = () if accepted is None else accepted.user_information.extended
        return next((one.information for one in agreed if one.sop_class_uid == wanted), b"")

    async def _serve(self, responses: AsyncGenerator[Response, None], event: CommandReceived, reply: Reply) -> None:
        """Send responses as they come; what goes wrong after the final one is only told in the log."""
        answered = False
        try:
            async with aclosing(responses):
                async for response in responses:
                    began = time.monotonic()
                    reply(response)
                    answered = not is_pending(response.status)
                    await self.connection.drain()
                    self.watch.send_s += time.monotonic() - began
        except ArchimageError as error:
            _dimse.warning(
                "request refused", peer=self.peer, command=command_name(event.command.field), reason=str(error)
            )
            if not answered:
                reply(refusal(error, event.command.field))
        except Exception:
            _error.exception("request failed", peer=self.peer, command=command_name(event.command.field))
            if not answered:
                reply(Response(Status.PROCESSING_FAILURE))

    async def _end(self) -> None:
        await asyncio.sleep(0)  # who waited for what the peer said last goes on with that, and is not cancelled first
        self._storing = 0
        self._abort_if_drained()
        for operation in (*self._unsettled, *([] if self._receiving is None else [self._receiving])):
            operation.abandon()
        for cancelled in self._cancels.values():
            cancelled.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for call in self._at_end:
            call()


def most_stored(window: int) -> int:
    """Return how many objects of an association may be on their way into the archive, whatever its peer keeps to."""
    return max(MAX_RUNNING, window)
