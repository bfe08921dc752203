"""The probes that an orchestrator or a load balancer asks: `/live`, `/ready` and `/health`."""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from archimage import __version__
from archimage.errors import ArchimageError
from archimage.services.health import Check
from archimage.web.errors import of_framework

_ELSEWHERE: Final = "DICOMweb is at /dicom-web, as in /dicom-web/studies; see /openapi.json and /docs."
_TIMEOUT_S: Final = 4.0
"""A fault is to be told within five seconds."""


def build(needed: Mapping[str, Check], parts: Mapping[str, Check], *, timeout_s: float = _TIMEOUT_S) -> Starlette:
    """Make the probes' application.

    `/live` answers 200 while the event loop turns, `/ready` while what is needed to receive objects works, else 503;
    `/health` tells of every part, and is 503 when one does not work. Every check is bounded by timeout_s, seconds. Any
    other address is answered with where to look.
    """

    async def live(_request: Request) -> JSONResponse:
        return JSONResponse({"status": "live"})

    async def ready(_request: Request) -> JSONResponse:
        found = await _run(needed, timeout_s)
        said = {name: part.get("reason", "ok") for name, part in found.items()}
        return _answer("ready", "not ready", found, {"checks": said})

    async def whole(_request: Request) -> JSONResponse:
        found = await _run(parts, timeout_s)
        return _answer("ok", "failing", found, {"parts": found})

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


async def _run(checks: Mapping[str, Check], timeout_s: float) -> dict[str, dict[str, Any]]:
    """Run all checks at once."""
    answers = await asyncio.gather(*(_outcome(check, timeout_s) for check in checks.values()))
    return dict(zip(checks, answers, strict=True))


async def _outcome(check: Check, timeout_s: float) -> dict[str, Any]:
    """Return a part's figures, or what went wrong by its kind alone: these probes are for anybody, and name no path."""
    try:
        return {"state": "ok", **await asyncio.wait_for(asyncio.to_thread(check), timeout_s)}
    except TimeoutError:
        return {"state": "failing", "reason": f"no answer in {timeout_s:g} s"}
    except (ArchimageError, OSError) as error:
        return {"state": "failing", "reason": type(error).__name__}
