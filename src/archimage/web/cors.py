"""Leave for the pages of other origins to use DICOMweb (CORS); nobody has it unless a setting names them."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from archimage.web import traced
from archimage.web.errors import status_report

_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")
_REQUEST_HEADERS: Final = (
    "Accept",
    "Authorization",
    "Content-Type",
    "If-None-Exist",
    "If-None-Match",
    "If-Range",
    "Prefer",
    "Range",
    *traced.REQUEST_HEADERS,
)
_ANSWER_HEADERS: Final = (
    "Accept-Ranges",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Length",
    "Content-Location",
    "Content-Range",
    "ETag",
    "Location",
    "Retry-After",
    "Warning",
    "X-Total-Count",
    *traced.ANSWER_HEADERS,
)
_REMEMBERED_S: Final = 600


class _Preflight(CORSMiddleware):
    """Refuses as everything here does."""

    def preflight_response(self, request_headers: Headers) -> Response:
        """Answer a browser that asks whether a page may send a request."""
        answer = super().preflight_response(request_headers)
        if answer.status_code < HTTPStatus.BAD_REQUEST:
            return answer
        headers = {name: value for name, value in answer.headers.items() if not name.startswith("content-")}
        message = bytes(answer.body).decode("ascii")
        return status_report(
            HTTPStatus.BAD_REQUEST, message, "Ask with a method and headers that are allowed.", headers
        )


def allow_origins(application: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """Answer preflight requests, and tell browsers that pages of these origins may read; without origins nothing."""
    if not origins:
        return application
    return _Preflight(
        application,
        allow_origins=[origin.rstrip("/") for origin in origins],
        allow_methods=_METHODS,
        allow_headers=_REQUEST_HEADERS,
        expose_headers=_ANSWER_HEADERS,
        max_age=_REMEMBERED_S,
    )
