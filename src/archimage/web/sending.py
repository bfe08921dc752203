"""What answers of the web side have in common, whichever part gives them."""

from typing import Final

from starlette.types import Message, Scope, Send

from archimage.web.receiving import TimedReceive

_CLOSE: Final = (b"connection", b"close")


class Sending:
    """An ASGI `send` that knows whether an answer has begun, and ends the connection after one that came early."""

    __slots__ = ("_has_body", "_send", "body", "started")

    def __init__(self, send: Send, *, has_body: bool, body: TimedReceive) -> None:
        self._send = send
        self._has_body = has_body
        self.body = body
        self.started = False

    async def __call__(self, message: Message) -> None:
        """Send one message of the answer."""
        if not self.started:
            self.started = True
            if self._has_body and not self.body.finished:
                # What still comes is nobody's; the next request could not be told from it.
                message = {**message, "headers": [*message["headers"], _CLOSE]}
        await self._send(message)


def has_body(scope: Scope) -> bool:
    """Tell whether a request says that a body follows."""
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in scope["headers"]
    )
