"""The HTTP listener: uvicorn's protocol on sockets of the archive's own event loop.

uvicorn's server looks every tenth of a second whether it is to end, and waits another tenth for its connections; this
one ends when it is told to.
"""

import asyncio
import socket
import ssl
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Final, cast

import uvicorn
from anyio import CapacityLimiter
from anyio.to_thread import current_default_thread_limiter
from starlette.types import ASGIApp
from uvicorn.server import ServerState

from archimage.protocol.proxy import Forwarded
from archimage.tls.forwarded import NO_BALANCERS, Balancers
from archimage.tls.listening import Failed, HandshakeLimits, Listener
from archimage.web.protocol import HttpLimits, bounded
from archimage.web.refusals import EVERY_ANSWER
from archimage.web.sockets import MAX_MESSAGE_BYTES, PING_EVERY_S, SocketProtocol

BACKLOG: Final = 128
FRAMEWORK_THREADS: Final = 40
"""In which the framework runs what blocks: pages, the management API, uploads."""
_DATE_HOLDS_S: Final = 1.0


class FrameworkThreads:
    """Those in which the framework runs what blocks, to be watched over. Implements `threads.Pool`."""

    size = FRAMEWORK_THREADS

    def __init__(self) -> None:
        self._limiter: CapacityLimiter | None = None

    def begin(self) -> None:
        """Give them the event loop that runs."""
        self._limiter = current_default_thread_limiter()
        self._limiter.total_tokens = self.size

    @property
    def busy(self) -> int:
        """How many are at work."""
        return 0 if self._limiter is None else self._limiter.borrowed_tokens

    @property
    def waiting(self) -> int:
        """How many calls wait for one."""
        return 0 if self._limiter is None else self._limiter.statistics().tasks_waiting


class HttpServer:
    """Serves one application on a bound socket."""

    def __init__(self, application: ASGIApp, limits: HttpLimits | None = None) -> None:
        limits = self._limits = limits or HttpLimits()
        self._protocol = bounded(limits)
        self._config = uvicorn.Config(
            application,
            http=cast("type[asyncio.Protocol]", self._protocol),
            ws=SocketProtocol,
            ws_max_size=MAX_MESSAGE_BYTES,
            ws_ping_interval=PING_EVERY_S,
            ws_ping_timeout=PING_EVERY_S,
            ws_per_message_deflate=False,
            limit_concurrency=limits.max_connections,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            headers=list(EVERY_ANSWER.items()),
            proxy_headers=False,
            timeout_keep_alive=int(limits.keep_alive_timeout_s),
        )
        self._state = ServerState()
        self.framework_threads = FrameworkThreads()
        self._server: asyncio.Server | Listener | None = None
        self._dating: asyncio.TimerHandle | None = None

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._state.connections)

    async def listen(
        self,
        listener: socket.socket,
        context: Callable[[], ssl.SSLContext] | None = None,
        failed: Failed = lambda _host, _reason: None,
        balancers: Balancers = NO_BALANCERS,
    ) -> None:
        """Serve connections of a bound socket; with a context, which is asked anew for each, with TLS.

        Balancers say whom they forward.
        """
        loop = asyncio.get_running_loop()
        self._config.load()
        self.framework_threads.begin()
        self._date()
        if context is None and not balancers:
            self._server = await loop.create_server(self._connection, sock=listener, backlog=BACKLOG)
        else:
            limits = HandshakeLimits(self._limits.request_timeout_s)
            self._server = Listener(self._connection, context, limits, failed, balancers)
            self._server.listen(listener)

    async def close(self, grace_s: float = 0.0) -> None:
        """Stop listening; who is being answered has grace_s, seconds, before the connection is cut."""
        if self._server is None or self._dating is None:
            return
        self._dating.cancel()
        self._server.close()
        for connection in list(self._state.connections):
            connection.shutdown()
        if grace_s and self._state.tasks:
            await asyncio.wait(self._state.tasks, timeout=grace_s)
        for connection in list(self._state.connections):
            connection.transport.abort()
        tasks = list(self._state.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _connection(self, forwarded: Forwarded | None = None) -> asyncio.Protocol:
        protocol = self._protocol(config=self._config, server_state=self._state, app_state={})
        protocol.forwarded = forwarded
        return protocol

    def _date(self) -> None:
        """Write the headers of every answer, the date among them, once a second."""
        self._state.default_headers = [
            (b"date", formatdate(time.time(), usegmt=True).encode()),
            *self._config.encoded_headers,
        ]
        self._dating = asyncio.get_running_loop().call_later(_DATE_HOLDS_S, self._date)
