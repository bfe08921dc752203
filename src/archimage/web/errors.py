"""Errors to HTTP statuses, in one table, and the body that tells them.

Ref: PS3.18 §8.5 (status codes), §8.6 (payloads: a status report).
"""

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Final, NamedTuple

import orjson
from starlette.exceptions import HTTPException
from starlette.responses import Response

from archimage import errors
from archimage.errors import ArchimageError

RETRY_AFTER_S: Final = 5
NOWHERE: Final = "nothing is served at this address"


class Answer(NamedTuple):
    """A status, and what the client can do next."""

    status: HTTPStatus
    next: str


_OURS: Final = "The fault is the server's; its log tells more."
_CORRECT: Final = "Correct the request; /openapi.json describes every resource."

_TABLE: Final[Mapping[type[ArchimageError], Answer]] = MappingProxyType(
    {
        ArchimageError: Answer(HTTPStatus.INTERNAL_SERVER_ERROR, _OURS),
        errors.AssociationError: Answer(HTTPStatus.BAD_GATEWAY, "Check the DICOM node that was asked for."),
        errors.TimerExpiredError: Answer(HTTPStatus.GATEWAY_TIMEOUT, "Check the DICOM node that was asked for."),
        errors.DicomError: Answer(HTTPStatus.BAD_REQUEST, _CORRECT),
        errors.ExcessiveDatasetError: Answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Send a smaller data set."),
        errors.UnsupportedTransferSyntaxError: Answer(
            HTTPStatus.NOT_ACCEPTABLE, 'Ask for the object as it is stored, with transfer-syntax="*".'
        ),
        errors.InvalidPixelDataError: Answer(
            HTTPStatus.NOT_ACCEPTABLE, 'Ask for the object as it is stored, with transfer-syntax="*".'
        ),
        errors.MergeConflictError: Answer(HTTPStatus.CONFLICT, _CORRECT),
        errors.ServiceError: Answer(HTTPStatus.BAD_REQUEST, _CORRECT),
        errors.IdentityMismatchError: Answer(HTTPStatus.CONFLICT, "Send the object to the study that it names."),
        errors.NotFoundError: Answer(HTTPStatus.NOT_FOUND, "Search for what is there with GET /dicom-web/studies."),
        errors.DuplicateInstanceError: Answer(
            HTTPStatus.CONFLICT, "Delete the object that is kept, or send this one under a UID of its own."
        ),
        errors.ConflictError: Answer(HTTPStatus.CONFLICT, "Look at what is there, and ask for something else."),
        errors.HeldError: Answer(HTTPStatus.CONFLICT, "Leave the study as it is, or have the hold released first."),
        errors.RefusedOperationError: Answer(HTTPStatus.CONFLICT, _CORRECT),
        errors.UnknownDestinationError: Answer(HTTPStatus.NOT_FOUND, "Add the node: POST /api/v1/nodes."),
        errors.NotAuthorisedError: Answer(HTTPStatus.FORBIDDEN, "Ask whoever runs this archive for permission."),
        errors.NotAuthenticatedError: Answer(HTTPStatus.UNAUTHORIZED, "Log in, or send a token."),
        errors.OutOfResourcesError: Answer(HTTPStatus.INSUFFICIENT_STORAGE, "Free space or narrow the request."),
        errors.CancelledError: Answer(HTTPStatus.SERVICE_UNAVAILABLE, "Send the request again."),
        errors.ExcessiveRequestError: Answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Send less in one request."),
        errors.NotAcceptableError: Answer(HTTPStatus.NOT_ACCEPTABLE, "Ask for a media type that is offered."),
        errors.UnsupportedMediaTypeError: Answer(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send a media type that the resource takes; see /openapi.json."
        ),
        errors.SlowRequestError: Answer(HTTPStatus.REQUEST_TIMEOUT, "Send the request again, faster."),
        errors.UnavailableError: Answer(HTTPStatus.SERVICE_UNAVAILABLE, "Send the request again in a moment."),
        errors.StorageError: Answer(HTTPStatus.INTERNAL_SERVER_ERROR, _OURS),
        errors.IndexUnavailableError: Answer(HTTPStatus.SERVICE_UNAVAILABLE, "Send the request again in a moment."),
    }
)
_UNFORESEEN: Final = Answer(HTTPStatus.INTERNAL_SERVER_ERROR, _OURS)


def answer_to(error: ArchimageError) -> Answer:
    """Return the status that answers an error, and what to do next; the nearest class in the error tree decides."""
    return next(_TABLE[kind] for kind in type(error).__mro__ if kind in _TABLE)


def response(error: ArchimageError, headers: Mapping[str, str] | None = None) -> Response:
    """Answer a request that failed: a JSON object of `error` and `next`.

    What went wrong inside the server is not told beyond that: its messages name paths.
    """
    status = answer_to(error).status
    message, next_step = explain(error)
    return status_report(status, message, next_step, {**(headers or {}), **headers_of(status)})


def headers_of(status: HTTPStatus) -> dict[str, str]:
    """Return the headers that a failure of a status has whatever tells it."""
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        return {"Retry-After": str(RETRY_AFTER_S)}
    if status is HTTPStatus.UNAUTHORIZED:
        return {"WWW-Authenticate": 'Bearer realm="archimage"'}
    if status is HTTPStatus.REQUEST_TIMEOUT or status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return {"Connection": "close"}
    return {}


def explain(error: Exception) -> tuple[str, str]:
    """Say what went wrong, in words that name nothing inside the server, and what to do next."""
    if not isinstance(error, ArchimageError):
        return _UNFORESEEN.status.phrase, _UNFORESEEN.next
    answer = answer_to(error)
    inside = answer.next is _OURS or isinstance(error, errors.StorageError)
    return scrubbed(answer.status.phrase if inside else str(error)), error.next_step or answer.next


def unforeseen() -> Response:
    """Answer a request that met a bug."""
    return status_report(_UNFORESEEN.status, _UNFORESEEN.status.phrase, _UNFORESEEN.next)


def of_framework(error: HTTPException, next_step: str) -> Response:
    """Answer a request that a framework has refused."""
    status = HTTPStatus(error.status_code)
    if status is HTTPStatus.NOT_FOUND:
        message = NOWHERE
    elif status is HTTPStatus.METHOD_NOT_ALLOWED:
        message = "this cannot be done here"
    else:
        message = str(error.detail)
    return status_report(status, message, next_step, error.headers)


def status_report(
    status: HTTPStatus, message: str, next_step: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Make the answer that says what is wrong and what to do next."""
    body = orjson.dumps({"error": scrubbed(message), "next": next_step})
    return Response(body, status, {"Cache-Control": "no-store", **(headers or {})}, "application/json")


def scrubbed(message: str) -> str:
    """Replace what no encoder takes: lone surrogates."""
    return message.encode("utf-8", "replace").decode("utf-8")


def warning(service: str, text: str) -> str:
    """Make the value of a Warning header, in the form that PS3.18 §8.3.4 gives it."""
    whole = f"299 {service}: {text}"
    if whole.isascii() and whole.isprintable():
        return whole
    return "".join(char if " " <= char <= "~" else "?" for char in whole)
