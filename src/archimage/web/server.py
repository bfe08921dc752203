"""The HTTP listener: uvicorn inside the archive's own event loop."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from archimage.web.protocol import HttpLimits, bounded
from archimage.web.refusals import EVERY_ANSWER


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the archive, which has more to stop than HTTP."""
        yield


class HttpServer:
    """Serves one application on a bound socket."""

    def __init__(self, application: ASGIApp, limits: HttpLimits | None = None) -> None:
        limits = limits or HttpLimits()
        config = uvicorn.Config(
            application,
            http=bounded(limits),
            ws="none",
            limit_concurrency=limits.max_connections,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            headers=list(EVERY_ANSWER.items()),
            proxy_headers=False,
            timeout_keep_alive=int(limits.keep_alive_timeout_s),
        )
        self._server = _Server(config)
        self._task: asyncio.Task[None] | None = None

    def listen(self, listener: socket.socket) -> None:
        """Serve connections of a bound socket."""
        listener.listen(128)
        self._task = asyncio.get_running_loop().create_task(self._server.serve(sockets=[listener]))

    async def close(self) -> None:
        """Stop, open requests included."""
        self._server.should_exit = True
        self._server.force_exit = True
        if self._task is not None:
            await self._task
