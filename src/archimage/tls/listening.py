"""A listener that deals with what comes before a connection's protocol, and says why that failed.

That is the header of a balancer, which tells whom it forwards, and the TLS handshake. The event loop's own listener
knows no such header, and a failed handshake is an error of the operating system to it, and is dropped.
"""

import asyncio
import socket
import ssl
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

from archimage.errors import RemoteProtocolError
from archimage.logger import logger
from archimage.protocol.proxy import Forwarded
from archimage.tls.failures import explain
from archimage.tls.forwarded import NO_BALANCERS, Balancers, read_forwarded

_BACKLOG: Final = 1024
_SHUTDOWN_S: Final = 1.0
_PAUSE_S: Final = 0.1  # when no descriptor is left
_log = logger("security")


class MakeProtocol(Protocol):
    """Makes the protocol of a connection."""

    def __call__(self, forwarded: Forwarded | None = None) -> asyncio.BaseProtocol:
        """Make it; forwarded is what a balancer has said of the connection."""


Failed = Callable[[str, str], None]
"""Hears of a handshake that failed: the address, and why."""


@dataclass(frozen=True, slots=True)
class HandshakeLimits:
    """How long a handshake may take, seconds, and how many may go on at once: in all, and with one address."""

    timeout_s: float = 10.0
    at_once: int = 64
    of_address: int = 16


class Listener:
    """Accepts connections; who began a handshake first gives way when there are too many."""

    def __init__(
        self,
        protocol: MakeProtocol,
        context: Callable[[], ssl.SSLContext] | None,
        limits: HandshakeLimits,
        failed: Failed,
        balancers: Balancers = NO_BALANCERS,
    ) -> None:
        """Give each connection a protocol; context is asked anew for each, so that it may change. None: no TLS."""
        self._failed = failed
        self._protocol = protocol
        self._context = context
        self._limits = limits
        self._balancers = balancers
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
            is_forwarded = bool(self._balancers) and address[0] in self._balancers
            self._make_room("" if is_forwarded else address[0])
            task = loop.create_task(self._begin(accepted, address, is_forwarded=is_forwarded))
            self._going_on[task] = "" if is_forwarded else address[0]
            task.add_done_callback(lambda ended: self._going_on.pop(ended, None))

    def _make_room(self, host: str) -> None:
        """Drop a handshake where there are too many; host is empty for a balancer, which has many of its own right."""
        same = [task for task, theirs in self._going_on.items() if host and theirs == host]
        if len(same) >= self._limits.of_address:
            self._drop(same[0])
        elif len(self._going_on) >= self._limits.at_once:
            self._drop(next(iter(self._going_on)))

    def _drop(self, task: "asyncio.Task[None]") -> None:
        del self._going_on[task]
        task.cancel()

    async def _begin(self, accepted: socket.socket, address: tuple[str, int], *, is_forwarded: bool) -> None:
        """Deal with what comes first, and hand the connection over."""
        forwarded = None
        try:
            if is_forwarded:
                forwarded = await self._header(accepted, address)
                if forwarded is None:
                    accepted.close()
                    return
                self._is_from(forwarded)
            await self._hand_over(accepted, forwarded)
        except (OSError, asyncio.CancelledError) as error:
            accepted.close()
            if isinstance(error, asyncio.CancelledError):
                raise
            if self._context is None:
                return
            source = forwarded and forwarded.source
            host, port = source or address[:2]
            reason = explain(error, self._limits.timeout_s)
            _log.warning("TLS handshake failed", peer=f"{host}:{port}", reason=reason)
            self._failed(host, reason)

    async def _header(self, accepted: socket.socket, address: tuple[str, int]) -> Forwarded | None:
        """Read what the balancer says; None where there is nothing to go on with."""
        timeout_s = self._limits.timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                return await read_forwarded(accepted)
        except (OSError, RemoteProtocolError) as error:
            reason = f"it did not come within {timeout_s:g} s" if isinstance(error, TimeoutError) else str(error)
            _log.warning("PROXY header refused", peer=f"{address[0]}:{address[1]}", reason=reason)
            return None

    def _is_from(self, forwarded: Forwarded) -> None:
        """Count a handshake as one with whom the balancer forwards."""
        task = asyncio.current_task()
        if forwarded.source is not None and task is not None:
            self._going_on.pop(task, None)
            self._make_room(forwarded.source[0])
            self._going_on[task] = forwarded.source[0]

    async def _hand_over(self, accepted: socket.socket, forwarded: Forwarded | None) -> None:
        """Give a connection its protocol, with TLS after its handshake."""
        loop, make = asyncio.get_running_loop(), partial(self._protocol, forwarded)
        if self._context is None:
            await loop.connect_accepted_socket(make, accepted)
            return
        await loop.connect_accepted_socket(
            make,
            accepted,
            ssl=self._context(),
            ssl_handshake_timeout=self._limits.timeout_s,
            ssl_shutdown_timeout=_SHUTDOWN_S,
        )
