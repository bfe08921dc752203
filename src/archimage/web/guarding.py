"""What stands around an application that a framework serves: requests in time, and an answer to its bugs."""

from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from archimage.errors import ConnectionFailedError, ExcessiveRequestError, SlowRequestError
from archimage.logger import logger
from archimage.web import errors
from archimage.web.management import MAX_BODY_BYTES
from archimage.web.measured import where
from archimage.web.receiving import TimedReceive
from archimage.web.sending import Sending, has_body

_log = logger("error")


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
            _log.exception("a request met a bug", **where(scope))
            await errors.unforeseen()(scope, receive, sending)


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
