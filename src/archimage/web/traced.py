"""Every HTTP request is a span, where it is traced; clients may take part in it (W3C Trace Context).

A client's `traceparent` is followed; the answer tells under which trace it was served, as `traceresponse`.
"""

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from archimage import spans
from archimage.spans import Span, Tracer
from archimage.web.measured import route_of

REQUEST_HEADERS: Final = ("traceparent",)
ANSWER_HEADERS: Final = ("traceresponse",)
_UNTRACED: Final = frozenset({"/live", "/ready", "/health", "/metrics"})
"""What is asked every few seconds would hide the rest."""
_FAILURE: Final = 500
_LENGTH: Final = 55
"""Characters of a traceparent (W3C Trace Context §3.2.2); of later versions nothing is understood but these."""


class Traced:
    """Passes requests on, each within a span of its own."""

    def __init__(self, application: ASGIApp, tracer: Tracer) -> None:
        self._application = application
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        span = None
        if scope["path"] not in _UNTRACED:
            parent = _traceparent(scope)
            span = self._tracer.begin(scope["method"], {"http.request.method": scope["method"]}, "server", parent)
        if span is None:
            await self._application(scope, receive, send)
        else:
            await self._follow(span, scope, receive, send)

    async def _follow(self, span: Span, scope: Scope, receive: Receive, send: Send) -> None:
        status = _FAILURE

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [*message["headers"], (b"traceresponse", span.traceparent.encode("ascii"))]
                message = {**message, "headers": headers}
            await send(message)

        try:
            with spans.within(span):
                await self._application(scope, receive, watched)
        finally:
            _end(span, scope, status)


def _end(span: Span, scope: Scope, status: int) -> None:
    route = route_of(scope)
    if route:
        span.rename(f"{scope['method']} {route}")
        span.note({"http.route": route})
    span.note({"http.response.status_code": status})
    if status >= _FAILURE:
        span.fail(str(status))
    span.end()


def _traceparent(scope: Scope) -> str:
    """Return what a client sent of its trace, empty where that is nothing, or not one thing."""
    found = [value for name, value in scope["headers"] if name == b"traceparent"]
    return found[0][:_LENGTH].decode("latin-1") if len(found) == 1 else ""
