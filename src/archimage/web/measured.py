"""Every HTTP request is counted, timed and told of, under the template of its address: nothing else of that is kept."""

import time
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from archimage.logger import PATIENT, is_detailed, logger
from archimage.ports.meter import Meter

ROUTE: Final = "archimage.route"
"""Where in a request's scope the part that serves it leaves the template of its address, unless its routes do."""
_STATUS: Final = "archimage.status"
"""Where in a request's scope stands what it was answered."""
_FAILED: Final = 500
_log = logger("web")


class Measured:
    """Passes requests on, and tells a meter of each."""

    def __init__(self, application: ASGIApp, meter: Meter) -> None:
        self._application = application
        self._meter = meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        began = time.monotonic()

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                scope[_STATUS] = message["status"]
            await send(message)

        try:
            await self._application(scope, receive, watched)
        finally:
            method, route, took_s = scope["method"], route_of(scope), time.monotonic() - began
            status = status_of(scope)
            self._meter.request_answered(method, route, status, took_s)
            if is_detailed("web"):
                told = {"method": method, "route": route, "status": status, "duration_s": round(took_s, 6)}
                _log.debug("request answered", client=(scope["client"] or ("",))[0], **told)


def route_of(scope: Scope) -> str:
    """Return the template of the address that is served, empty where none is."""
    named = scope.get(ROUTE)
    if named is None:
        named = getattr(scope.get("route"), "path", "")
    return str(named)


def status_of(scope: Scope) -> int:
    """Return the status of the answer that was begun within `Measured`; that of a failure where none was."""
    return int(scope.get(_STATUS, _FAILED))


def where(scope: Scope) -> dict[str, object]:
    """Return which request a log line is about; an address may name a patient."""
    return {"route": route_of(scope), PATIENT: {"path": scope["path"]}}
