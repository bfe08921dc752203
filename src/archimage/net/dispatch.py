"""From a DIMSE request to whoever serves it.

A service either takes a request whole and answers by yielding responses (`Handler`), or takes its data set piece by
piece as it arrives (`Operation`, for C-STORE).
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from archimage.buffers import Allowance
from archimage.errors import ArchimageError, ExcessiveDatasetError, OutOfResourcesError, RefusedOperationError
from archimage.net.statuses import comment_of, status_of
from archimage.protocol.command import Command
from archimage.protocol.items import ExtendedNegotiation
from archimage.protocol.negotiation import NegotiatedContext, SupportedContext
from archimage.services.intake import CommitTiming

MAX_IDENTIFIER_BYTES: Final = 1 << 20
MAX_WHOLE_BYTES: Final = 256 << 20
"""What larger data sets of requests have beyond that, of all associations together."""

Pieces = AsyncIterable[bytes | memoryview] | bytes | memoryview


@dataclass(frozen=True, slots=True)
class Response:
    """One response to a request; counts are those of sub-operations.

    sop_instance_uid is told where the request did not name it: of an instance that the performer has made.
    attributes are the tags in question, of those that a normalized service does not know or did not take.
    """

    status: int
    dataset: bytes | None = None
    error_comment: str | None = None
    remaining: int | None = None
    completed: int | None = None
    failed: int | None = None
    warning: int | None = None
    sop_instance_uid: str | None = None
    error_id: int | None = None
    offending: tuple[int, ...] | None = None
    attributes: tuple[int, ...] | None = None


class SubOperations(Protocol):
    """Requests from the server to the peer on the association that the peer has opened.

    C-STORE for a C-GET (PS3.4 §C.4.3), N-EVENT-REPORT of normalized services.
    """

    @property
    def contexts(self) -> Mapping[int, NegotiatedContext]:
        """The association's presentation contexts."""

    def at_end(self, call: Callable[[], None]) -> None:
        """Have something called once the association has ended."""

    async def store(self, context_id: int, command: Command, pieces: Pieces) -> int:
        """Send an instance; return the peer's status."""

    async def report(self, context_id: int, command: Command, dataset: bytes | None) -> int:
        """Send an N-EVENT-REPORT request, whose message id is chosen here; return the peer's status."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request with its whole data set; cancelled is set by C-CANCEL and by the association's end.

    extended is the application information agreed on for its SOP class, empty without any.
    """

    command: Command
    context: NegotiatedContext
    identifier: bytes
    calling_ae_title: str
    called_ae_title: str
    peer_host: str
    cancelled: asyncio.Event
    channel: SubOperations
    extended: bytes = b""


Handler = Callable[[Request], AsyncGenerator[Response, None]]
"""Yields pending responses and exactly one final one; an ArchimageError becomes the final one."""


class Reply(Protocol):
    """Answers a request, from the loop's thread; after the association's end it does nothing."""

    def __call__(self, response: Response) -> None: ...


class Operation(Protocol):
    """A request whose data set is taken as it arrives."""

    def add(self, data: memoryview, *, last: bool) -> None:
        """Take note of a piece; the view is valid until `settle` returns."""

    async def settle(self) -> None:
        """Be done with the views of the pieces added."""

    def abandon(self) -> None:
        """Forget everything: the association has ended before the data set did."""


def _nobody_asks(_timing: CommitTiming) -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request whose data set is still to come."""

    command: Command
    context: NegotiatedContext
    calling_ae_title: str
    reply: Reply
    association_id: str = ""
    committed: Callable[[CommitTiming], None] = _nobody_asks
    """Hears what the group commit of an object took, on the loop's thread."""
    called_ae_title: str = ""


StreamHandler = Callable[[Incoming], Operation]


@dataclass(frozen=True, slots=True)
class ServiceClass:
    """What one service adds to the server: the contexts it accepts, and who serves (abstract syntax, command field).

    stream_handlers serve a command field whatever the abstract syntax; fallback is the context for abstract syntaxes
    that no service names; extended is the application information that is agreed to at most, by abstract syntax.
    bounds are what data sets of requests may have at most, bytes, where that is not `MAX_IDENTIFIER_BYTES`.
    """

    contexts: tuple[SupportedContext, ...]
    handlers: Mapping[tuple[str, int], Handler] = field(default_factory=dict)
    stream_handlers: Mapping[int, StreamHandler] = field(default_factory=dict)
    fallback: SupportedContext | None = None
    extended: Mapping[str, bytes] = field(default_factory=dict)
    bounds: Mapping[tuple[str, int], int] = field(default_factory=dict)


class Registry:
    """All services of a server, as the dispatcher looks them up."""

    def __init__(self, *services: ServiceClass) -> None:
        self.contexts = {context.abstract_syntax: context for service in services for context in service.contexts}
        self.handlers = {key: handler for service in services for key, handler in service.handlers.items()}
        self.stream_handlers = {key: made for service in services for key, made in service.stream_handlers.items()}
        self.allowance = Allowance(MAX_WHOLE_BYTES)
        self.bounds = {key: most for service in services for key, most in service.bounds.items()}
        self._extended = {key: most for service in services for key, most in service.extended.items()}
        self.fallback = next((service.fallback for service in services if service.fallback is not None), None)

    def agree(self, proposed: Iterable[ExtendedNegotiation]) -> tuple[ExtendedNegotiation, ...]:
        """Answer extended negotiation: of each flag that is proposed, what both sides can (PS3.4 §C.5.1.1)."""
        return tuple(
            ExtendedNegotiation(one.sop_class_uid, bytes(map(min, one.information, self._extended[one.sop_class_uid])))
            for one in proposed
            if one.sop_class_uid in self._extended
        )


def answer(command: Command, response: Response) -> Command:
    """Return the response command set to a request."""
    more = {
        "remaining_suboperations": response.remaining,
        "completed_suboperations": response.completed,
        "failed_suboperations": response.failed,
        "warning_suboperations": response.warning,
        "error_comment": response.error_comment,
        "affected_sop_instance_uid": response.sop_instance_uid,
        "error_id": response.error_id,
        "offending_elements": response.offending,
        "attribute_identifier_list": response.attributes,
    }
    return command.response(response.status, **{key: value for key, value in more.items() if value is not None})


def refusal(error: ArchimageError, field_: int) -> Response:
    """Return the response that tells an error to the peer."""
    response = Response(status_of(error, field_), error_comment=comment_of(error))
    if isinstance(error, RefusedOperationError):
        return replace(response, error_id=error.error_id, offending=error.offending or None)
    return response


class Refused:
    """Takes a request's data set only to answer when it is over."""

    def __init__(self, reply: Reply, response: Response) -> None:
        self._reply = reply
        self._response = response

    def add(self, _data: memoryview, *, last: bool) -> None:
        """Drop the piece; answer after the last."""
        if last:
            self._reply(self._response)

    async def settle(self) -> None:
        """Nothing is held."""

    def abandon(self) -> None:
        """Nothing is held."""


class WholeRequest:
    """Gathers a data set of at most so many bytes, then starts its handler.

    What it has beyond `MAX_IDENTIFIER_BYTES` is taken of an allowance, and given back by whoever was started.
    """

    def __init__(
        self, start: Callable[[bytes, int], None], reply: Reply, field_: int, most_bytes: int, allowance: Allowance
    ) -> None:
        self._start = start
        self._reply = reply
        self._field = field_
        self._most_bytes = most_bytes
        self._allowance = allowance
        self._taken = 0
        self._failure: ArchimageError | None = None
        self._identifier = bytearray()

    def add(self, data: memoryview, *, last: bool) -> None:
        """Keep a copy of the piece, within bounds."""
        if self._failure is None:
            self._keep(data)
        if not last:
            return
        if self._failure is not None:
            self._reply(refusal(self._failure, self._field))
        else:
            taken, self._taken = self._taken, 0
            self._start(bytes(self._identifier), taken)

    def _keep(self, data: memoryview) -> None:
        size = len(self._identifier) + len(data)
        more = max(0, size - MAX_IDENTIFIER_BYTES) - self._taken
        if size > self._most_bytes:
            self._fail(ExcessiveDatasetError(f"the data set is longer than {self._most_bytes} bytes"))
        elif more and not self._allowance.take(more):
            self._fail(OutOfResourcesError("large data sets of others are on their way; send it again"))
        else:
            self._taken += more
            self._identifier += data

    def _fail(self, error: ArchimageError) -> None:
        self._failure = error
        self.abandon()

    async def settle(self) -> None:
        """Nothing is held but copies."""

    def abandon(self) -> None:
        """Let go of the copies."""
        self._identifier.clear()
        self._allowance.give(self._taken)
        self._taken = 0
