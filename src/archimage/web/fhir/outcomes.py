"""Every failure as an OperationOutcome; the status is that of the table of `web.errors`.

Ref: https://hl7.org/fhir/R4B/operationoutcome.html.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from archimage.errors import ArchimageError, ConnectionFailedError
from archimage.logger import logger
from archimage.services.fhir.ids import Resource
from archimage.web import errors
from archimage.web.fhir.forms import MEDIA_TYPE, written
from archimage.web.measured import where

_log = logger("web")
_CODES: Final[Mapping[int, str]] = {
    HTTPStatus.UNAUTHORIZED: "login",
    HTTPStatus.FORBIDDEN: "forbidden",
    HTTPStatus.NOT_FOUND: "not-found",
    HTTPStatus.METHOD_NOT_ALLOWED: "not-supported",
    HTTPStatus.NOT_ACCEPTABLE: "not-supported",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "not-supported",
    HTTPStatus.REQUEST_TIMEOUT: "timeout",
    HTTPStatus.CONFLICT: "conflict",
    HTTPStatus.PRECONDITION_FAILED: "conflict",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "too-long",
    HTTPStatus.SERVICE_UNAVAILABLE: "transient",
    HTTPStatus.INSUFFICIENT_STORAGE: "too-costly",
    HTTPStatus.INTERNAL_SERVER_ERROR: "exception",
}
"""Kinds of issues by status; any other is an invalid request."""


async def of_ours(request: Request, error: Exception) -> Response:
    """Answer one of our own errors."""
    assert isinstance(error, ArchimageError)  # noqa: S101 - registered for these
    if isinstance(error, ConnectionFailedError):
        raise error
    found = errors.answer_to(error)
    if found.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("a request failed", **where(request.scope), status=int(found.status), reason=repr(error))
    message, next_step = errors.explain(error)
    return failure(found.status, message, next_step, errors.headers_of(found.status))


async def of_framework(_request: Request, error: Exception) -> Response:
    """Answer a path or method that there is not."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for these
    status = HTTPStatus(error.status_code)
    message = errors.NOWHERE if status is HTTPStatus.NOT_FOUND else "this cannot be done here"
    return failure(status, message, "GET /fhir/metadata tells what there is.", error.headers)


def unforeseen() -> Response:
    """Answer a request that met a bug."""
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    return failure(status, status.phrase, "The fault is the server's; its log tells more.")


def failure(status: int, message: str, next_step: str, headers: Mapping[str, str] | None = None) -> Response:
    """Make the answer to a request that failed."""
    made = outcome("error", _CODES.get(status, "invalid"), f"{message} {next_step}".strip())
    return Response(written(made), status, {"Cache-Control": "no-store", **(headers or {})}, MEDIA_TYPE)


def outcome(severity: str, code: str, message: str) -> Resource:
    """Return an OperationOutcome of one issue."""
    issue = {"severity": severity, "code": code, "diagnostics": errors.scrubbed(message).strip()}
    return {"resourceType": "OperationOutcome", "issue": [issue]}
