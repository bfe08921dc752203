"""Every failure of the management API as one JSON object of `error` and `next`, by the table of `web.errors`."""

from http import HTTPStatus
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from archimage.errors import ArchimageError, ConnectionFailedError
from archimage.logger import logger
from archimage.web import errors
from archimage.web.guarding import Guarded
from archimage.web.management import ROOT, UPLOAD
from archimage.web.measured import where

_log = logger("web")
_error = logger("error")
_SHOWN: Final = 200
"""Characters of a wrong value that are told back."""


def register(application: FastAPI, *, body_timeout_s: float) -> None:
    """Have an application answer its failures so; body_timeout_s bounds the wait for a body, seconds."""
    application.add_exception_handler(ArchimageError, _ours)
    application.add_exception_handler(RequestValidationError, _invalid)
    application.add_exception_handler(HTTPException, _of_framework)
    application.add_middleware(Guarded, body_timeout_s=body_timeout_s, held=_is_held)


def _is_held(path: str) -> bool:
    return path != f"{ROOT}{UPLOAD}"


async def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, ArchimageError)  # noqa: S101 - registered for these
    if isinstance(error, ConnectionFailedError):
        raise error
    status = errors.answer_to(error).status
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("a request failed", **where(request.scope), status=int(status), reason=repr(error))
    return errors.response(error)


async def _invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for these
    problems = error.errors()
    first = problems[0]
    place = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
    message = f"{place[:_SHOWN]}: {first['msg']}"
    return errors.status_report(HTTPStatus.BAD_REQUEST, message, "Correct the request; /docs describes every resource.")


async def _of_framework(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for these
    return errors.of_framework(error, "See /docs for what can be asked for.")
