"""What stands around an application that a framework serves: requests in time, and an answer to its bugs."""

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from archimage.errors import ConnectionFailedError
from archimage.web import errors
from archimage.web.receiving import TimedReceive
from archimage.web.sending import Sending, has_body

_log = structlog.get_logger()


class Guarded:
    """An application that gets its requests in time, and whose bugs are answered and logged."""

    def __init__(self, application: ASGIApp, *, body_timeout_s: float) -> None:
        self._application = application
        self._body_timeout_s = body_timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        body = TimedReceive(receive, self._body_timeout_s)
        sending = Sending(send, has_body=has_body(scope), body=body)
        try:
            await self._application(scope, body, sending)
        except ConnectionFailedError:
            return
        except Exception:
            if sending.started:
                raise
            _log.exception("a request met a bug", path=scope["path"])
            await errors.unforeseen()(scope, receive, sending)
