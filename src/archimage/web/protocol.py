"""uvicorn's HTTP/1.1 protocol with the limits that it lacks.

- The head of a request has a time and a size; so has the time between two requests, whatever is dripped into it.
- A client that leaves its answer unread is cut off.
- Of requests that come before the answers to others only so many wait, and no more is read while they do.
- Answers of files, and long bodies of known length, may go past the transport: `direct`.

What a body may cost is told in `receiving`.
"""

import asyncio
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, Final, cast

import httptools
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.flow_control import service_unavailable
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from archimage.errors import ArchimageError
from archimage.protocol.proxy import Forwarded
from archimage.tls.certificates import PeerCertificate
from archimage.web.authenticated import CERTIFICATE
from archimage.web.direct import DIRECT, DIRECT_BODY, DirectReceiver, DirectSender, Piece, Run, chunked
from archimage.web.errors import RETRY_AFTER_S, status_report
from archimage.web.joining import JoiningTransport
from archimage.web.refusals import last_answer
from archimage.web.sockets import PREFIX as SOCKETS

MAX_HEADERS: Final = 128
MAX_HEAD_BYTES: Final = 96 << 10
MAX_PIPELINED: Final = 64
"""Requests of one connection that may wait for the answers to those before them."""
_LEAST_DIRECT_BYTES: Final = 64 << 10
"""A body of which less is to come is left to the transport."""

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_TOO_SLOW: Final = last_answer(
    HTTPStatus.REQUEST_TIMEOUT, "the request did not come in time", "Send the request again, faster."
)
_TOO_LARGE: Final = last_answer(
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    "the head of the request is too large",
    "Send fewer or shorter headers.",
)
_NO_HTTP: Final = last_answer(
    HTTPStatus.BAD_REQUEST,
    f"the request cannot be read as HTTP, or has more than {MAX_HEADERS} headers",
    "Correct the request; a client that speaks TLS needs an address that begins with https.",
)
_OVERLOADED: Final = partial(
    status_report,
    HTTPStatus.SERVICE_UNAVAILABLE,
    "too many connections are open",
    "Send the request again in a moment.",
    {"Retry-After": str(RETRY_AFTER_S), "Connection": "close"},
)


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Times in seconds: for the head of a request, for an answer to be taken, and for a connection to be idle."""

    request_timeout_s: float = 30.0
    send_timeout_s: float = 60.0
    keep_alive_timeout_s: float = 30.0
    max_connections: int = 1_024


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, limits: HttpLimits, /, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.forwarded: Forwarded | None = None
        """What a balancer has said of the connection."""
        self._limits = limits
        self._in_head = False
        self._head_timer: asyncio.TimerHandle | None = None
        self._send_timer: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._answering: RequestResponseCycle | None = None
        self._direct: DirectSender | DirectReceiver | None = None
        self._body_bytes: int | None = None
        self._certificate: frozenset[str] = frozenset()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        if self.forwarded is not None:
            self.client = self.forwarded.source or self.client
            self.scheme = "https" if self.forwarded.tls else self.scheme
        certificate = PeerCertificate.of(transport.get_extra_info("ssl_object"))
        self._certificate = frozenset[str]() if certificate is None else certificate.known_as
        self._expect_head()
        self._begin_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of the timers."""
        self._end_head()
        self._stop_send_timer()
        self._abandon()
        if self._direct is not None:
            self._direct.stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what comes before a head is whole; one that comes in one piece, as nearly all do, needs no timer."""
        if not self._in_head and self._is_idle():
            self._expect_head()
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if not self._in_head or self.transport.is_closing():
            return
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(_TOO_LARGE)
        elif self._head_timer is None:
            self._begin_head_timer()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count headers."""
        if len(self.headers) >= MAX_HEADERS:
            raise ValueError(f"more than {MAX_HEADERS} headers")  # answered 400
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """End the wait for a head."""
        if len(self.pipeline) >= MAX_PIPELINED:
            raise ValueError(f"more than {MAX_PIPELINED} requests unanswered")  # answered 400
        self._end_head()
        self._body_bytes = _told_length(self.headers)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Count what is left of the body."""
        if self._body_bytes is not None:
            self._body_bytes -= len(body)
        super().on_body(body)

    def on_response_complete(self) -> None:
        """See that the answer is taken, and read no further while requests wait."""
        if self._answering is not None:
            _joining(self._answering).flush()  # nothing that is done after an answer delays it
        super().on_response_complete()
        if self.pipeline:
            self.flow.pause_reading()
        if self.transport.is_closing():
            self._expect_reading()

    def send_400_response(self, _msg: str) -> None:
        """Answer what is no HTTP; nothing can follow it."""
        self._abandon()
        self.transport.write(_NO_HTTP)
        self.transport.close()

    def _should_upgrade(self) -> bool:
        """Let a connection become a WebSocket where there is one to be had, and nothing else is on its way."""
        if not self.url.startswith(SOCKETS) or self.parser.get_method() != b"GET":
            return False
        return self._is_idle() and not self.pipeline and super()._should_upgrade()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, in bounded time."""
        super().timeout_keep_alive_handler()
        self._expect_reading()

    def pause_writing(self) -> None:
        """Begin to wait for the client to read."""
        super().pause_writing()
        self._expect_reading()

    def resume_writing(self) -> None:
        """End that wait."""
        super().resume_writing()
        self._stop_send_timer()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answering = cycle
        cycle.transport = cast("asyncio.Transport", JoiningTransport(self.transport, self.loop))
        if app is service_unavailable:
            app = cast("ASGI3Application", _OVERLOADED())
        if self.scheme == "http":  # what is encrypted has to pass through this process
            cycle.scope["extensions"] = {DIRECT: {}, DIRECT_BODY: {"open": partial(self._receive_directly, cycle)}}
        cycle.scope[CERTIFICATE] = self._certificate  # type: ignore[typeddict-unknown-key]
        extended = partial(self._answer, cycle, cast("ASGIApp", app))
        super()._start_asgi_task(cycle, cast("ASGI3Application", extended))

    async def _answer(
        self, cycle: RequestResponseCycle, app: ASGIApp, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Run the application, with an extension for answers of files."""

        async def extended(message: Message) -> None:
            if message["type"] == DIRECT:
                await self._send_directly(cycle, message["pieces"], message["run"])
            else:
                await send(message)

        try:
            await app(scope, receive, extended)
        except ArchimageError:
            if not cycle.response_started:
                raise
            cycle.disconnected = True  # the application has said why; the client sees that the end is missing
            cycle.transport.close()
        finally:
            scope.pop("extensions", None)  # they hold the cycle, which holds the scope: all of it would wait for the gc

    def _receive_directly(self, cycle: RequestResponseCycle) -> DirectReceiver | None:
        """Have the rest of a long body received past the transport, which reads no more until it is answered."""
        if cycle is not self.cycle or cycle.disconnected or self.transport.is_closing():
            return None
        if self._body_bytes is None or self._body_bytes < _LEAST_DIRECT_BYTES:
            return None
        if cycle.waiting_for_100_continue:
            self.transport.write(_CONTINUE)
            cycle.waiting_for_100_continue = False
        self.flow.pause_reading()
        early, cycle.body = cycle.body, bytearray()

        def ended(whole: bool) -> None:
            self.loop.call_soon_threadsafe(self._end_body, cycle, whole)

        descriptor = self.transport.get_extra_info("socket").fileno()
        self._direct = DirectReceiver(descriptor, early, self._body_bytes, ended)
        return self._direct

    def _end_body(self, cycle: RequestResponseCycle, whole: bool) -> None:
        """Go on after a body of which the parser has not seen the end, with a new parser."""
        self._direct = None
        if self.transport.is_closing():
            return
        if whole:
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as that of uvicorn
            self.on_message_complete()
        else:
            cycle.disconnected = True
            self.transport.abort()

    async def _send_directly(self, cycle: RequestResponseCycle, pieces: Iterator[Piece], run: Run) -> None:
        """Send pieces of a body past the transport, once that has sent what it has."""
        head = b"".join(_joining(cycle).take())
        await self._drain()
        if cycle.disconnected or self.transport.is_closing():
            return
        if cycle.chunked_encoding:
            pieces, limit_bytes = chunked(pieces), math.inf
        else:
            limit_bytes = cycle.expected_content_length
        descriptor = self.transport.get_extra_info("socket").fileno()
        self._direct = sender = DirectSender(descriptor, head, pieces, limit_bytes, self._limits.send_timeout_s)
        try:
            await sender.send(run)
            if not cycle.chunked_encoding:
                cycle.expected_content_length -= sender.loaded_bytes
        except (ConnectionError, TimeoutError):
            cycle.disconnected = True
            self.transport.abort()
        finally:
            self._direct = None
            sender.close()

    async def _drain(self) -> None:
        """Wait until the transport holds nothing that is to be sent, or is closed."""
        if not self.transport.is_closing():
            self.transport.set_write_buffer_limits(0)
            await self.flow.drain()
        if not self.transport.is_closing():
            self.transport.set_write_buffer_limits()

    def _abandon(self) -> None:
        """Drop the requests that wait, and tell the one at work: uvicorn tells only the request that came last."""
        self.pipeline.clear()
        if self._answering is not None:
            self._answering.disconnected = True

    def _is_idle(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete

    def _expect_head(self) -> None:
        self._in_head = True
        self._head_bytes = 0

    def _begin_head_timer(self) -> None:
        self._head_timer = self.loop.call_later(self._limits.request_timeout_s, self._give_up_head)

    def _give_up_head(self) -> None:
        self._head_timer = None
        if self._head_bytes:
            self._refuse(_TOO_SLOW)
        else:
            self.transport.close()

    def _refuse(self, answer: bytes) -> None:
        self._end_head()
        if not self.transport.is_closing():
            self.transport.write(answer)
            self.transport.close()
            self._expect_reading()

    def _end_head(self) -> None:
        self._in_head = False
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _expect_reading(self) -> None:
        """Cut the connection unless the client takes what was written."""
        self._stop_send_timer()
        self._send_timer = self.loop.call_later(self._limits.send_timeout_s, self.transport.abort)

    def _stop_send_timer(self) -> None:
        if self._send_timer is not None:
            self._send_timer.cancel()
            self._send_timer = None


def _joining(cycle: RequestResponseCycle) -> JoiningTransport:
    return cast("JoiningTransport", cycle.transport)


def _told_length(headers: list[tuple[bytes, bytes]]) -> int | None:
    """Return the length of a body, which the parser has checked; None where it comes in chunks."""
    told = dict(headers)
    length = told.get(b"content-length")
    return None if length is None or b"transfer-encoding" in told or b"upgrade" in told else int(length)


def bounded(limits: HttpLimits) -> Callable[..., BoundedProtocol]:
    """Make what makes the protocol of a connection of what uvicorn's server would give it."""
    return partial(BoundedProtocol, limits)
