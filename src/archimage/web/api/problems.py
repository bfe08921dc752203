"""Every failure of the management API as one JSON object of `error` and `next`, by the table of `web.errors`."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from archimage.errors import ArchimageError, ConnectionFailedError, ExcessiveRequestError, SlowRequestError
from archimage.logger import logger
from archimage.web import errors
from archimage.web.api.resources import MAX_BODY_BYTES, ROOT, UPLOAD
from archimage.web.measured import where
from archimage.web.receiving import TimedReceive
from archimage.web.sending import Sending, has_body

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


class Guarded:
    """An application that gets its requests in time, and whose bugs are answered and logged.

    held tells by its address whether a request's body is read before, up to MAX_BODY_BYTES.
    """

    def __init__(
        self, application: ASGIApp, *, body_timeout_s: float, held: Callable[[str], bool] = lambda _path: False
    ) -> None:
        self._application = application
        self._body_timeout_s = body_timeout_s
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        body = TimedReceive(receive, self._body_timeout_s)
        sending = Sending(send, has_body=has_body(scope), body=body)
        try:
            whole = await _whole(body) if has_body(scope) and self._held(scope["path"]) else body
            await self._application(scope, whole, sending)
        except ConnectionFailedError:
            return
        except (ExcessiveRequestError, SlowRequestError) as error:
            if sending.started:
                raise
            await errors.response(error)(scope, receive, sending)
        except Exception:
            if sending.started:
                raise
            _error.exception("a request met a bug", **where(scope))
            await errors.unforeseen()(scope, receive, sending)


def _is_held(path: str) -> bool:
    return path != f"{ROOT}{UPLOAD}"


async def _whole(body: TimedReceive) -> Receive:
    """Read a body, and return what gives all of it at once; ExcessiveRequestError where it is too long."""
    held = bytearray()
    while not body.finished:
        held += (await body()).get("body", b"")
        if len(held) > MAX_BODY_BYTES:
            raise ExcessiveRequestError(f"the body is longer than {MAX_BODY_BYTES} bytes")
    messages = iter([{"type": "http.request", "body": bytes(held), "more_body": False}])

    async def receive() -> Message:
        return next(messages, None) or await body()

    return receive


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
