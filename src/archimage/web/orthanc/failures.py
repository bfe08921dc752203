"""Every failure in the form that Orthanc gives it; the status is that of the table of `web.errors`."""

from http import HTTPStatus
from typing import Final

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from archimage.errors import ArchimageError, ConnectionFailedError, NotFoundError
from archimage.logger import logger
from archimage.web import errors
from archimage.web.measured import where

_log = logger("web")
_CODES: Final = {
    HTTPStatus.BAD_REQUEST: (8, "Bad request"),
    HTTPStatus.NOT_FOUND: (17, "Unknown resource"),
    HTTPStatus.NOT_ACCEPTABLE: (23, "Cannot display this kind of image"),
    HTTPStatus.REQUEST_TIMEOUT: (16, "Timeout"),
    HTTPStatus.SERVICE_UNAVAILABLE: (11, "Error with the database engine"),
    HTTPStatus.GATEWAY_TIMEOUT: (16, "Timeout"),
    HTTPStatus.BAD_GATEWAY: (9, "Error in the network protocol"),
    HTTPStatus.INSUFFICIENT_STORAGE: (19, "The file storage is full"),
    HTTPStatus.INTERNAL_SERVER_ERROR: (-1, "Internal error"),
}
"""Orthanc's numbers and names of what went wrong, by status; any other is a bad request."""
_LOOK: Final = "List what is kept with GET /studies, or search with POST /tools/find."
_SEE: Final = "Send what the path takes; docs/orthanc.md shows each."


async def of_ours(request: Request, error: Exception) -> Response:
    """Answer one of our own errors."""
    assert isinstance(error, ArchimageError)  # noqa: S101 - registered for these
    if isinstance(error, ConnectionFailedError):
        raise error
    found = errors.answer_to(error)
    if found.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("a request failed", **where(request.scope), status=int(found.status), reason=repr(error))
    message, next_step = errors.explain(error)
    if not error.next_step and found.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        next_step = _LOOK if isinstance(error, NotFoundError) else _SEE
    return failure(request, found.status, message, next_step, errors.headers_of(found.status))


async def of_framework(request: Request, error: Exception) -> Response:
    """Answer a path or method that there is not."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for these
    status = HTTPStatus(error.status_code)
    message = errors.NOWHERE if status is HTTPStatus.NOT_FOUND else "this cannot be done here"
    details = "Of Orthanc's paths those of docs/orthanc.md are served."
    return failure(request, status, message, details, dict(error.headers or {}))


def failure(
    request: Request, status: HTTPStatus, message: str, details: str, headers: dict[str, str] | None = None
) -> Response:
    """Make the answer to a request that failed."""
    code, name = _CODES.get(status, (8, "Bad request"))
    told = {
        "Details": details,
        "HttpError": status.phrase,
        "HttpStatus": int(status),
        "Message": message,
        "Method": request.method,
        "OrthancError": name,
        "OrthancStatus": code,
        "Uri": request.url.path,
    }
    clean = {key: errors.scrubbed(value) if isinstance(value, str) else value for key, value in told.items()}
    body = orjson.dumps(clean, option=orjson.OPT_INDENT_2)
    return Response(body, status, {"Cache-Control": "no-store", **(headers or {})}, "application/json")
