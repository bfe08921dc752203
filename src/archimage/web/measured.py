"""Every HTTP request is counted and timed, under the template of its address: no part of the address itself is kept."""

import time
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from archimage.meter_ports import Meter

ROUTE: Final = "archimage.route"
"""Where in a request's scope the part that serves it leaves the template of its address, unless its routes do."""
_FAILED: Final = 500


class Measured:
    """Passes requests on, and tells a meter of each."""

    def __init__(self, application: ASGIApp, meter: Meter) -> None:
        self._application = application
        self._meter = meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        began = time.monotonic()
        status = _FAILED

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._application(scope, receive, watched)
        finally:
            self._meter.request_answered(scope["method"], route_of(scope), status, time.monotonic() - began)


def route_of(scope: Scope) -> str:
    """Return the template of the address that is served, empty where none is."""
    named = scope.get(ROUTE)
    if named is None:
        named = getattr(scope.get("route"), "path", "")
    return str(named)
