"""The probes that an orchestrator or a load balancer asks: `/live`, `/ready` and `/health`."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from archimage import __version__
from archimage.errors import ArchimageError
from archimage.services.health import Check, Figures
from archimage.web.errors import of_framework

PATHS: Final = frozenset({"/live", "/ready", "/health"})
_ELSEWHERE: Final = "DICOMweb is at /dicom-web, as in /dicom-web/studies; see /openapi.json and /docs."
TIMEOUT_S: Final = 4.0
"""A fault is to be told within five seconds."""
_HOLDS_S: Final = 0.5
"""So long what was found is told again: whoever asks without end shall not keep those who store from the index."""


def build(
    needed: Mapping[str, Check], parts: Mapping[str, Check], *, timeout_s: float = TIMEOUT_S, node: str = ""
) -> Starlette:
    """Make the probes' application.

    `/live` answers 200 while the event loop turns, `/ready` while what is needed to receive objects works, else 503;
    `/health` tells of every part, and is 503 when one does not work. Every check is bounded by timeout_s, seconds. Any
    other address is answered with where to look. Where node is given, which of several this is, they tell it too.
    """
    called = {"node": node} if node else {}

    async def live(_request: Request) -> JSONResponse:
        return JSONResponse({"status": "live"})

    held = {name: _Part(check, timeout_s) for name, check in {**needed, **parts}.items()}

    async def ready(_request: Request) -> JSONResponse:
        found = await _told(held, needed)
        said = {name: part.get("reason", "ok") for name, part in found.items()}
        return _answer("ready", "not ready", found, {**called, "checks": said})

    async def whole(_request: Request) -> JSONResponse:
        found = await _told(held, parts)
        return _answer("ok", "failing", found, {**called, "parts": found})

    async def refuse(_request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for these
        return of_framework(error, _ELSEWHERE)

    application = Starlette(
        routes=[Route("/live", live), Route("/ready", ready), Route("/health", whole)],
        exception_handlers={HTTPException: refuse},
    )
    application.router.redirect_slashes = False  # nobody is sent anywhere, for an address with a slash too many neither
    return application


def _answer(good: str, bad: str, parts: Mapping[str, Mapping[str, Any]], told: Mapping[str, Any]) -> JSONResponse:
    works = all(part["state"] == "ok" for part in parts.values())
    body = {"status": good if works else bad, "version": __version__, **told}
    status = HTTPStatus.OK if works else HTTPStatus.SERVICE_UNAVAILABLE
    return JSONResponse(body, status, {"Cache-Control": "no-store"})


class _Part:
    """One part, looked at when somebody asks, but not again within a moment, and by one thread however many ask."""

    def __init__(self, check: Check, timeout_s: float) -> None:
        self._check = check
        self._timeout_s = timeout_s
        self._running: asyncio.Task[Figures] | None = None
        self._told: dict[str, Any] = {}
        self._due = 0.0

    async def told(self) -> dict[str, Any]:
        """Return its figures, or what went wrong by its kind alone: the probes are for anybody, and name no path."""
        if self._running is None:
            if time.monotonic() < self._due:
                return self._told
            self._running = asyncio.create_task(asyncio.to_thread(self._check))
        running = self._running
        await asyncio.wait({running}, timeout=self._timeout_s)
        if not running.done():
            return {"state": "failing", "reason": f"no answer in {self._timeout_s:g} s"}
        if running is self._running:
            self._running, self._due = None, time.monotonic() + _HOLDS_S
            self._told = _outcome(running)
        return self._told


async def _told(held: Mapping[str, _Part], names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Ask several parts at once."""
    names = list(names)
    return dict(zip(names, await asyncio.gather(*(held[name].told() for name in names)), strict=True))


def _outcome(looked: asyncio.Task[Figures]) -> dict[str, Any]:
    try:
        return {"state": "ok", **looked.result()}
    except (ArchimageError, OSError) as error:
        return {"state": "failing", "reason": type(error).__name__}
