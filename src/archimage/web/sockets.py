"""WebSockets go through the same layers as requests: who asks is known, allowed, counted and told as for any other.

A handshake is a GET. Whatever refuses it answers as it does any GET; the resource that it is for finds the connection
in the scope, and accepts it. A browser sends its cookies with a handshake whichever page asks, and no rule of its keeps
that page from reading: so they count only for pages of this server.

Ref: RFC 6455 §4, §10.2.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from archimage.tls.certificates import PeerCertificate
from archimage.web.authenticated import CERTIFICATE
from archimage.web.origins import is_own

SOCKET: Final = "archimage.socket"
"""Where in a request's scope the connection stands."""
PREFIX: Final = b"/dicom-web/subscribers/"
"""Where the addresses begin that a connection may be upgraded for."""
MAX_MESSAGE_BYTES: Final = 4_096
"""What a client may send in one message; nothing is made of any."""
PING_EVERY_S: Final = 20.0
"""How often a client is asked whether it is there, and how long it may take to say so."""
CLOSED_IN_ORDER: Final = frozenset({1000, 1001})


class Socket:
    """A connection whose handshake is not answered yet."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send

    async def accept(self, send: Send) -> None:
        """Answer the handshake, and tell the layers of send that it was."""
        await send({"type": "http.response.start", "status": HTTPStatus.SWITCHING_PROTOCOLS, "headers": []})
        await self._send({"type": "websocket.accept"})

    async def send(self, text: str) -> None:
        """Send a message; OSError where the client is gone."""
        await self._send({"type": "websocket.send", "text": text})

    async def until_closed(self) -> int:
        """Wait for the connection's end; return the code that the client closed it with, 1005 and more without one."""
        while (message := await self._receive())["type"] != "websocket.disconnect":
            pass
        return int(message.get("code") or 1005)


class Sockets:
    """Turns a handshake into a GET for an application, and its refusal into that of the handshake."""

    def __init__(self, application: ASGIApp) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request or a connection."""
        if scope["type"] != "websocket":
            return await self._application(scope, receive, send)
        await receive()  # that it is there
        request = {
            **scope,
            "type": "http",
            "method": "GET",
            "scheme": {"wss": "https"}.get(scope["scheme"], "http"),
            "headers": scope["headers"] if is_own(scope) else _anonymous(scope["headers"]),
            SOCKET: Socket(receive, send),
        }
        return await self._application(request, _no_body, _refusing(send))


def _anonymous(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in headers if name != b"cookie"]


async def _no_body() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


def _refusing(send: Send) -> Send:
    """Return what makes an answer one to a handshake; that of one that was accepted is there already."""

    async def answer(message: Message) -> None:
        if message.get("status") != HTTPStatus.SWITCHING_PROTOCOLS:
            await send({**message, "type": f"websocket.{message['type']}"})

    return answer


class SocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's protocol of a connection that was upgraded; the application learns who the client is."""

    def connection_made(self, transport: Any) -> None:
        """Go on where the HTTP protocol has left off."""
        super().connection_made(transport)
        before = transport.get_protocol()
        self.client = before.client
        self.scheme = "wss" if before.scheme == "https" else "ws"
        certificate = PeerCertificate.of(transport.get_extra_info("ssl_object"))
        known = frozenset[str]() if certificate is None else certificate.known_as
        application: Any = self.app

        async def known_application(scope: Any, receive: Any, send: Any) -> None:
            with suppress(asyncio.CancelledError):  # the server ends, and uvicorn would tell it as a bug
                await application({**scope, CERTIFICATE: known}, receive, send)

        self.app = known_application
