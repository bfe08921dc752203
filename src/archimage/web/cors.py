"""Leave for the pages of other origins to use DICOMweb (CORS); nobody has it unless a setting names them."""

from collections.abc import Sequence
from typing import Final

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")
_REQUEST_HEADERS: Final = ("Accept", "Authorization", "Content-Type", "If-None-Match", "If-Range", "Range")
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
)
_REMEMBERED_S: Final = 600


def allow_origins(application: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """Answer preflight requests, and tell browsers that pages of these origins may read; without origins nothing."""
    if not origins:
        return application
    return CORSMiddleware(
        application,
        allow_origins=[origin.rstrip("/") for origin in origins],
        allow_methods=_METHODS,
        allow_headers=_REQUEST_HEADERS,
        expose_headers=_ANSWER_HEADERS,
        max_age=_REMEMBERED_S,
    )
