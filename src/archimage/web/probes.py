"""The probes that an orchestrator or a load balancer asks: `/live`, `/ready` and `/health`."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from archimage import __version__
from archimage.errors import ArchimageError
from archimage.web.errors import of_framework

_ELSEWHERE: Final = "DICOMweb is at /dicom-web, as in /dicom-web/studies; see /openapi.json and /docs."
Check = Callable[[], object]
"""Raises ArchimageError or OSError when its part does not work; runs in a worker thread."""


def build(checks: Mapping[str, Check], *, timeout_s: float = 5.0) -> Starlette:
    """Make the probes' application.

    `/live` answers 200 while the event loop runs; `/ready` and `/health` answer 200 when all checks pass, else 503.
    Every check is bounded by timeout_s, seconds. Any other address is answered with where to look.
    """

    async def live(_request: Request) -> JSONResponse:
        return JSONResponse({"status": "live"})

    async def ready(_request: Request) -> JSONResponse:
        results = await _run(checks, timeout_s)
        works = all(result == "ok" for result in results.values())
        body = {"status": "ready" if works else "not ready", "version": __version__, "checks": results}
        return JSONResponse(body, status_code=200 if works else 503, headers={"Cache-Control": "no-store"})

    async def refuse(_request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for these
        return of_framework(error, _ELSEWHERE)

    application = Starlette(
        routes=[Route("/live", live), Route("/ready", ready), Route("/health", ready)],
        exception_handlers={HTTPException: refuse},
    )
    application.router.redirect_slashes = False  # nobody is sent anywhere, for an address with a slash too many neither
    return application


async def _run(checks: Mapping[str, Check], timeout_s: float) -> dict[str, str]:
    """Run all checks at once; "ok", or what went wrong in words that name no path."""
    answers = await asyncio.gather(*(_outcome(check, timeout_s) for check in checks.values()))
    return dict(zip(checks, answers, strict=True))


async def _outcome(check: Check, timeout_s: float) -> str:
    try:
        await asyncio.wait_for(asyncio.to_thread(check), timeout_s)
    except TimeoutError:
        return f"no answer in {timeout_s:g} s"
    except (ArchimageError, OSError) as error:
        return type(error).__name__
    return "ok"
