"""A listener that ends a TLS handshake before anybody sees a connection, and says why one failed.

The event loop's own does not say: a failed handshake is an error of the operating system to it, and is dropped.
"""

import asyncio
import socket
import ssl
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from archimage.logger import logger
from archimage.tls.failures import explain

_BACKLOG: Final = 1024
_SHUTDOWN_S: Final = 1.0
_PAUSE_S: Final = 0.1  # when no descriptor is left
_log = logger("security")

MakeProtocol = Callable[[], asyncio.BaseProtocol]


Failed = Callable[[str, str], None]
"""Hears of a handshake that failed: the address, and why."""


@dataclass(frozen=True, slots=True)
class HandshakeLimits:
    """How long a handshake may take, seconds, and how many may go on at once: in all, and with one address."""

    timeout_s: float = 10.0
    at_once: int = 64
    of_address: int = 16


class TlsListener:
    """Accepts connections; who began a handshake first gives way when there are too many."""

    def __init__(
        self,
        protocol: Callable[[], asyncio.BaseProtocol],
        context: Callable[[], ssl.SSLContext],
        limits: HandshakeLimits,
        failed: Failed,
    ) -> None:
        """Give each connection a protocol; context is asked anew for each, so that it may change."""
        self._failed = failed
        self._protocol = protocol
        self._context = context
        self._limits = limits
        self._going_on: OrderedDict[asyncio.Task[None], str] = OrderedDict()
        self._accepting: asyncio.Task[None] | None = None
        self._listener: socket.socket | None = None

    def listen(self, listener: socket.socket) -> None:
        """Accept on a bound socket."""
        listener.setblocking(False)
        listener.listen(_BACKLOG)
        self._listener = listener
        self._accepting = asyncio.get_running_loop().create_task(self._accept(listener))

    def close(self) -> None:
        """Accept no more, and drop whoever has no connection yet."""
        if self._accepting is not None:
            self._accepting.cancel()
        for task in self._going_on:
            task.cancel()
        if self._listener is not None:
            self._listener.close()

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, address = await loop.sock_accept(listener)
            except OSError:
                await asyncio.sleep(_PAUSE_S)
                continue
            self._make_room(address[0])
            task = loop.create_task(self._secure(accepted, address))
            self._going_on[task] = address[0]
            task.add_done_callback(lambda ended: self._going_on.pop(ended, None))

    def _make_room(self, host: str) -> None:
        same = [task for task, theirs in self._going_on.items() if theirs == host]
        if len(same) >= self._limits.of_address:
            self._drop(same[0])
        elif len(self._going_on) >= self._limits.at_once:
            self._drop(next(iter(self._going_on)))

    def _drop(self, task: "asyncio.Task[None]") -> None:
        del self._going_on[task]
        task.cancel()

    async def _secure(self, accepted: socket.socket, address: tuple[str, int]) -> None:
        timeout_s = self._limits.timeout_s
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._protocol,
                accepted,
                ssl=self._context(),
                ssl_handshake_timeout=timeout_s,
                ssl_shutdown_timeout=_SHUTDOWN_S,
            )
        except (OSError, asyncio.CancelledError) as error:
            accepted.close()
            if isinstance(error, asyncio.CancelledError):
                raise
            host, port = address[:2]
            reason = explain(error, timeout_s)
            _log.warning("TLS handshake failed", peer=f"{host}:{port}", reason=reason)
            self._failed(host, reason)
