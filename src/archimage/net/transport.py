"""One socket and its association core: bytes in, events out, back-pressure both ways.

Received bytes stay where the kernel put them. A connection reads into a small buffer while little comes; once a data
set is on its way it reads into large ones from a pool, one being filled while the views into the other are in use. When
both are full it stops reading, and the peer's TCP window closes. Its owner is woken when a message is complete or a
buffer is nearly full, not for every piece: a turn of the owner costs more than what it could begin early.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, cast

from archimage.buffers import BufferPool
from archimage.errors import ConnectionFailedError, LocalProtocolError, TimerExpiredError
from archimage.protocol.association import Association
from archimage.protocol.events import CommandReceived, DataReceived, Event
from archimage.protocol.proxy import Forwarded
from archimage.tls.certificates import PeerCertificate

_SMALL_BYTES: Final = 16 << 10
_MIN_READ_BYTES: Final = 2 << 10
_FULL: Final = 0.75
HIGH_WATER_BYTES: Final = 1 << 20


class Connection(asyncio.BufferedProtocol):
    """Pumps bytes between a transport and an association. Used by one task at a time, on the loop's thread."""

    def __init__(
        self,
        association: Association,
        buffers: BufferPool,
        *,
        write_timeout_s: float = 60.0,
        on_connected: "Callable[[Connection], None] | None" = None,
        forwarded: Forwarded | None = None,
    ) -> None:
        """Begin; forwarded is what a balancer has said of the connection."""
        self.association = association
        self._forwarded = forwarded
        self.peer_address: tuple[str, int] = ("", 0)
        self.encrypted = False
        """Whether it is connected with TLS."""
        self.certificate: PeerCertificate | None = None
        """The peer's, once it is connected with TLS and has one that was checked."""
        self.received_bytes = 0
        self.sent_bytes = 0
        self._buffers = buffers
        self._on_connected = on_connected
        self._write_timeout_s = write_timeout_s
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._small = memoryview(bytearray(_SMALL_BYTES))
        self._active = self._small
        self._filled = 0
        self._lent: memoryview | None = None
        self._events: list[Event] = []
        self._in_data_set = False
        self._ready = False
        self._reader: asyncio.Future[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._closed: asyncio.Future[None] = self._loop.create_future()
        self._reading_paused = False
        self._timer: asyncio.TimerHandle | None = None

    # What the owner calls.

    async def receive(self) -> list[Event]:
        """Return the next events, at least one; the views in those returned before are no longer valid.

        Raises:
            ConnectionFailedError: the connection has ended and every event was returned.
        """
        self._take_back()
        while not self._ready:
            if self._closed.done():
                raise ConnectionFailedError(f"the connection with {self.peer_address[0]} has ended")
            self._reader = self._loop.create_future()
            await self._reader
        return self._lend()

    def flush(self) -> None:
        """Hand what the association has to say to the socket; close when it is at its end."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        pieces = self.association.data_to_send()
        if pieces:
            self.sent_bytes += sum(map(len, pieces))
            transport.writelines(cast("Sequence[bytes]", pieces))
        if self.association.closed:
            transport.close()
            self._set_timer(self._loop.time() + self._write_timeout_s)
        else:
            self._arm()

    async def drain(self) -> None:
        """Wait until the socket takes more.

        Raises:
            TimerExpiredError: the peer took nothing for too long; the connection was dropped.
            ConnectionFailedError: the connection has ended.
        """
        if self._closed.done():
            raise ConnectionFailedError(f"the connection with {self.peer_address[0]} has ended")
        if self._writable.is_set():
            return
        try:
            async with asyncio.timeout(self._write_timeout_s):
                await self._writable.wait()
        except TimeoutError:
            self.drop()
            raise TimerExpiredError(f"{self.peer_address[0]} read nothing for {self._write_timeout_s:g} s") from None

    def give_up(self) -> None:
        """Abort, and do not wait for a peer to close that has been waited for long enough."""
        with suppress(LocalProtocolError):
            self.association.abort(self._loop.time())
        self.flush()
        self._leave()

    def drop(self) -> None:
        """Cut the connection without a word."""
        if self._transport is not None:
            self._transport.abort()

    async def close(self) -> None:
        """Close once what is queued has left, or after write_timeout_s, and wait for it."""
        if self._transport is not None:
            self._transport.close()
            self._set_timer(self._loop.time() + self._write_timeout_s)
        await asyncio.shield(self._closed)

    @property
    def closed(self) -> bool:
        """Tell whether the socket is gone."""
        return self._closed.done()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=HIGH_WATER_BYTES)
        source = None if self._forwarded is None else self._forwarded.source
        peer = source or transport.get_extra_info("peername")
        if peer:
            self.peer_address = (str(peer[0]), int(peer[1]))
        secured = transport.get_extra_info("ssl_object")
        self.encrypted = secured is not None
        self.certificate = PeerCertificate.of(secured)
        self._arm()
        if self._on_connected is not None:
            self._on_connected(self)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - the loop's hint is smaller than our buffers
        """Return where to read to."""
        return self._active[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Take nbytes that were read."""
        self.received_bytes += nbytes
        end = self._filled + nbytes
        events = self.association.receive_data(self._active[self._filled : end], self._loop.time())
        self._filled = end
        if len(self._active) - end < _MIN_READ_BYTES:
            self._make_room(events)
        self._deliver(events)

    def eof_received(self) -> bool:
        """Take the peer's end of stream."""
        self._deliver(self.association.receive_eof(self._loop.time()))
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - how it broke changes nothing
        """End."""
        self._transport = None
        events = self.association.receive_eof(self._loop.time())
        self._closed.set_result(None)
        if self._timer is not None:
            self._timer.cancel()
        self._events += events
        self._ready = bool(self._events)
        self._wake_reader()
        self._writable.set()

    def pause_writing(self) -> None:
        """The socket is full."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """The socket has room."""
        self._writable.set()

    # Buffers.

    def _make_room(self, events: Sequence[Event]) -> None:
        """Start the buffer again if nothing points into it, else stop reading until the owner comes."""
        if not self._events and not any(isinstance(event, DataReceived) for event in events):
            self._filled = 0
        elif self._transport is not None:
            self._reading_paused = True
            self._transport.pause_reading()

    def _lend(self) -> list[Event]:
        events, self._events, self._ready = self._events, [], False
        self._lent = self._active
        self._active = self._buffers.take() if self._in_data_set or self._lent is self._small else self._small
        self._filled = 0
        if self._reading_paused and self._transport is not None:
            self._reading_paused = False
            self._transport.resume_reading()
        return events

    def _take_back(self) -> None:
        """End the loan of the former batch; an idle connection keeps its small buffer only."""
        lent, self._lent = self._lent, None
        if lent is None:
            return
        if lent is not self._small:
            self._buffers.give(lent)
        elif not self._filled and not self._in_data_set:
            self._buffers.give(self._active)
            self._active = self._small

    def _deliver(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, DataReceived):
                self._in_data_set = not event.last
                self._ready |= event.last
            else:
                self._ready = True
                if isinstance(event, CommandReceived):
                    self._in_data_set = event.has_dataset
        self._events += events
        if events and self._filled > _FULL * len(self._active):
            self._ready = True
        if self._ready:
            self._wake_reader()
        self.flush()

    def _wake_reader(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    # Deadlines.

    def _arm(self) -> None:
        deadline = self.association.deadline
        if deadline is not None and (self._timer is None or self._timer.when() > deadline):
            self._set_timer(deadline)

    def _set_timer(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self._on_timer)

    def _on_timer(self) -> None:
        """Act on the deadline; when it has moved on since, only wait again: cheaper than a new timer each time."""
        self._timer = None
        if self._transport is None or self._transport.is_closing():
            self.drop()
            return
        deadline = self.association.deadline
        if deadline is not None and deadline <= self._loop.time():
            self._deliver(self.association.handle_timeout(self._loop.time()))
            self._leave()
        else:
            self._arm()

    def _leave(self) -> None:
        """Close without waiting for the peer; one that reads nothing would not read an A-ABORT either."""
        if self._transport is None or self._transport.get_write_buffer_size():
            self.drop()
        else:
            self._transport.close()
