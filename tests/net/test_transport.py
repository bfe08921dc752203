"""A connection over a real socket: bytes arrive intact in borrowed buffers, and neither side can swell the other."""

import asyncio
import random
import socket
import struct
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

import pytest

from archimage.buffers import BufferPool
from archimage.errors import ConnectionFailedError, TimerExpiredError
from archimage.net.transport import Connection
from archimage.protocol.association import Association, AssociationSettings
from archimage.protocol.command import c_echo_rq, c_store_rq, encode_command
from archimage.protocol.events import (
    Aborted,
    AssociationRequested,
    CommandReceived,
    ConnectionLost,
    DataReceived,
    Event,
    TimedOut,
)
from archimage.protocol.negotiation import ANY, SupportedContext, negotiate
from archimage.protocol.pdu import CONTROL_COMMAND, CONTROL_LAST, Abort, encode_data_header, encode_pdu
from archimage.protocol.uids import VERIFICATION
from tests.attacks.wire import CT, CT_CONTEXT, ECHO_CONTEXT, request

pytestmark = pytest.mark.anyio

_SETTINGS: Final = AssociationSettings("PACS_SCP", max_operations_performed=0)
_LARGE_BYTES: Final = 1 << 20
_SUPPORTED: Final = {uid: SupportedContext(uid, ANY) for uid in (VERIFICATION, CT)}
_PIPE_BYTES: Final = 24 << 20
"""More than the kernel keeps for both ends of a loopback connection."""


class _Counting(BufferPool):
    """Knows how many buffers are out."""

    def __init__(self) -> None:
        super().__init__()
        self.out = 0
        self.most = 0

    def take(self) -> memoryview:
        self.out += 1
        self.most = max(self.most, self.out)
        return super().take()

    def give(self, buffer: memoryview) -> None:
        self.out -= 1
        super().give(buffer)


class _Link:
    """Our connection, and the peer's bare socket."""

    def __init__(self, connection: Connection, peer: socket.socket, buffers: _Counting) -> None:
        self.connection = connection
        self.peer = peer
        self.buffers = buffers
        self.loop = asyncio.get_running_loop()

    @property
    def association(self) -> Association:
        """Our side's core."""
        return self.connection.association

    async def send(self, data: bytes) -> None:
        """Send from the peer."""
        await self.loop.sock_sendall(self.peer, data)

    async def read_to_end(self) -> bytes:
        """Read all that the peer gets."""
        read = bytearray()
        while piece := await self.loop.sock_recv(self.peer, 1 << 20):
            read += piece
        return bytes(read)

    async def associate(self) -> None:
        """Make an association, with all bytes of it read."""
        await self.send(encode_pdu(request()))
        (event,) = await self.connection.receive()
        assert isinstance(event, AssociationRequested)
        self.association.accept(negotiate(event.request.contexts, _SUPPORTED), self.loop.time())
        self.connection.flush()
        header = await self.loop.sock_recv(self.peer, 6)
        await self.loop.sock_recv(self.peer, int.from_bytes(header[2:]))


@asynccontextmanager
async def _linked(
    settings: AssociationSettings = _SETTINGS, *, write_timeout_s: float = 5.0, associated: bool = True
) -> AsyncGenerator[_Link, None]:
    """Connect a peer to a connection, and end both after."""
    loop = asyncio.get_running_loop()
    made: asyncio.Future[Connection] = loop.create_future()
    buffers = _Counting()

    def accept() -> Connection:
        association = Association(settings, requestor=False, now=loop.time())
        return Connection(association, buffers, write_timeout_s=write_timeout_s, on_connected=made.set_result)

    server = await loop.create_server(accept, "127.0.0.1", 0)
    peer = socket.socket()
    peer.setblocking(False)
    try:
        async with asyncio.timeout(20):
            await loop.sock_connect(peer, server.sockets[0].getsockname())
            link = _Link(await made, peer, buffers)
            if associated:
                await link.associate()
            yield link
            link.connection.drop()
            await link.connection.close()
    finally:
        peer.close()
        server.close()


def _message(number: int, data: bytes, fragment_bytes: int) -> bytes:
    """Return a C-STORE request and its data set, in fragments."""
    encoded = encode_command(c_store_rq(number, CT, "1.2.3"), has_dataset=True)
    parts = [encode_data_header(CT_CONTEXT, len(encoded), CONTROL_COMMAND | CONTROL_LAST), encoded]
    for start in range(0, len(data), fragment_bytes) or (0,):
        piece = data[start : start + fragment_bytes]
        control = CONTROL_LAST if start + fragment_bytes >= len(data) else 0
        parts += [encode_data_header(CT_CONTEXT, len(piece), control), piece]
    return b"".join(parts)


def _echo(number: int) -> bytes:
    encoded = encode_command(c_echo_rq(number), has_dataset=False)
    return encode_data_header(ECHO_CONTEXT, len(encoded), CONTROL_COMMAND | CONTROL_LAST) + encoded


class _Owner:
    """Receives as a session does, and puts messages together."""

    def __init__(self, link: _Link) -> None:
        self._link = link
        self.messages: list[bytes] = []
        self.commands = 0
        self._parts: list[bytes] = []

    async def receive(self, *, turns: int = 0) -> list[Event]:
        """Take one batch; look at it again after so many turns of the loop, while more arrives."""
        events = await self._link.connection.receive()
        views = [event.data for event in events if isinstance(event, DataReceived)]
        copies = [bytes(view) for view in views]
        for _ in range(turns):
            await asyncio.sleep(0)
        assert [bytes(view) for view in views] == copies
        for event in events:
            if isinstance(event, CommandReceived):
                self.commands += 1
            if isinstance(event, DataReceived):
                self._parts.append(copies.pop(0))
                if event.last:
                    self.messages.append(b"".join(self._parts))
                    self._parts.clear()
        return events

    async def receive_messages(self, count: int, *, turns: int = 0) -> Sequence[bytes]:
        """Take batches until there are so many messages."""
        while len(self.messages) < count:
            await self.receive(turns=turns)
        return self.messages


# Bytes.


@pytest.mark.parametrize("seed", range(12))
async def test_messages_of_any_size_arrive_intact_however_they_are_cut(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - no secret
    sizes = [chance.choice((0, 1, 100, 20_000, 600_000, 1_500_000)) for _ in range(8)]
    sent = [chance.randbytes(size + chance.randrange(3)) for size in sizes]
    fragment_bytes = chance.choice((64, 4_096, 131_066)) if max(sizes) < 600_000 else chance.choice((9_000, 131_066))
    stream = b"".join(_message(number, data, fragment_bytes) for number, data in enumerate(sent, 1))
    async with _linked() as link:

        async def send() -> None:
            position = 0
            while position < len(stream):
                step = chance.choice((1, 13, 5_000, 70_000, 400_000))
                await link.send(stream[position : position + step])
                position += step

        sending = asyncio.create_task(send())
        assert await _Owner(link).receive_messages(len(sent), turns=chance.randrange(4)) == sent
        await sending
        assert link.buffers.most <= 2


async def test_many_small_messages_in_one_read_arrive_in_order() -> None:
    sent = [str(number).encode() * 5 for number in range(300)]
    async with _linked() as link:
        await link.send(b"".join(_message(number + 1, data, 1_000) for number, data in enumerate(sent)))
        owner = _Owner(link)
        assert await owner.receive_messages(len(sent)) == sent
        assert owner.commands == len(sent)


async def test_large_buffers_go_back_when_the_data_set_is_over() -> None:
    async with _linked() as link:
        owner = _Owner(link)
        for number in range(1, 4):
            await asyncio.gather(
                link.send(_message(number, bytes(3 * _LARGE_BYTES), 131_066)), owner.receive_messages(number)
            )
            await link.send(_echo(100 + number))
            await owner.receive()
            waiting = asyncio.create_task(owner.receive())
            await asyncio.sleep(0)
            assert link.buffers.out == 0
            await link.send(_echo(200 + number))
            await waiting
        assert 0 < link.buffers.most <= 2


async def test_the_pool_keeps_some_buffers_and_lets_the_rest_go() -> None:
    pool = BufferPool()
    taken = [pool.take() for _ in range(40)]
    for buffer in taken:
        pool.give(buffer)
    again = [pool.take() for _ in range(40)]
    known = {id(buffer) for buffer in taken}
    assert sum(id(buffer) in known for buffer in again) == 32
    assert all(len(buffer) == _LARGE_BYTES for buffer in again)


# Back-pressure.


async def test_a_slow_owner_stops_the_peer_and_loses_nothing() -> None:
    data = random.Random(1).randbytes(1 << 20) * (_PIPE_BYTES >> 20)  # noqa: S311 - no secret
    async with _linked() as link:
        sending = asyncio.create_task(link.send(_message(1, data, 131_066)))
        finished, _ = await asyncio.wait((sending,), timeout=0.5)
        assert not finished
        assert link.buffers.most <= 2
        assert await _Owner(link).receive_messages(1) == [data]
        await sending
        assert link.buffers.most <= 2


async def test_commands_alone_do_not_fill_the_buffer() -> None:
    count = 2_000
    async with _linked() as link:
        owner = _Owner(link)
        sending = asyncio.create_task(link.send(b"".join(_echo(number + 1) for number in range(count))))
        while owner.commands < count:
            await owner.receive()
        await sending


async def test_drain_waits_until_the_peer_reads() -> None:
    async with _linked() as link:
        link.association.send_command(CT_CONTEXT, c_store_rq(1, CT, "1.2.3"), link.loop.time(), has_dataset=True)
        link.association.send_data(CT_CONTEXT, bytes(_PIPE_BYTES), link.loop.time(), last=True)
        link.connection.flush()
        draining = [asyncio.create_task(link.connection.drain()) for _ in range(2)]
        finished, _ = await asyncio.wait(draining, timeout=0.2)
        assert not finished
        reading = asyncio.create_task(link.read_to_end())
        await asyncio.gather(*draining)
        await link.connection.drain()
        await link.connection.close()
        assert len(await reading) > _PIPE_BYTES


async def test_a_peer_that_reads_nothing_is_dropped() -> None:
    async with _linked(write_timeout_s=0.2) as link:
        link.association.send_command(CT_CONTEXT, c_store_rq(1, CT, "1.2.3"), link.loop.time(), has_dataset=True)
        link.association.send_data(CT_CONTEXT, bytes(_PIPE_BYTES), link.loop.time(), last=True)
        link.connection.flush()
        with pytest.raises(TimerExpiredError, match=r"127\.0\.0\.1 read nothing for 0.2 s"):
            await link.connection.drain()
        assert isinstance((await link.connection.receive())[-1], ConnectionLost)
        with pytest.raises(ConnectionFailedError):
            await link.connection.drain()


@pytest.mark.parametrize("aborts", [True, False])
async def test_closing_does_not_wait_for_a_peer_that_reads_nothing(aborts: bool) -> None:
    async with _linked(write_timeout_s=0.2) as link:
        link.association.send_command(CT_CONTEXT, c_store_rq(1, CT, "1.2.3"), link.loop.time(), has_dataset=True)
        link.association.send_data(CT_CONTEXT, bytes(_PIPE_BYTES), link.loop.time(), last=True)
        link.connection.flush()
        if aborts:
            await link.send(encode_pdu(Abort(0, 0)))
            assert isinstance((await link.connection.receive())[0], Aborted)
        started = link.loop.time()
        await link.connection.close()
        assert link.loop.time() - started < 2
        assert link.connection.closed


# Ends.


async def test_what_is_queued_leaves_before_the_connection_closes() -> None:
    async with _linked() as link:
        link.association.abort(link.loop.time())
        link.connection.flush()
        reading = asyncio.create_task(link.read_to_end())
        await link.connection.close()
        assert await reading == encode_pdu(Abort(0, 0))
        link.connection.flush()


@pytest.mark.parametrize("how", ["end", "reset"])
async def test_the_end_of_the_stream_is_the_last_event(how: str) -> None:
    async with _linked() as link:
        if how == "reset":
            link.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        link.peer.close()
        assert await link.connection.receive() == [ConnectionLost()]
        for _ in range(2):
            with pytest.raises(ConnectionFailedError, match=r"127\.0\.0\.1 has ended"):
                await link.connection.receive()


async def test_events_that_came_before_the_end_are_not_lost() -> None:
    async with _linked() as link:
        await link.send(_message(1, b"data", 100) + encode_pdu(Abort(0, 0)))
        owner = _Owner(link)
        events = await owner.receive()
        while len(events) < 3:
            events += await owner.receive()
        assert isinstance(events[-1], Aborted)
        assert owner.messages == [b"data"]


# Deadlines.


async def test_a_silent_connection_is_closed_when_artim_ends() -> None:
    async with _linked(replace(_SETTINGS, artim_timeout_s=0.1), associated=False) as link:
        started = link.loop.time()
        assert await link.read_to_end() == b""
        assert 0.09 <= link.loop.time() - started < 2
        assert await link.connection.receive() == [TimedOut()]


async def test_the_idle_deadline_moves_on_with_traffic_and_ends_silence() -> None:
    async with _linked(replace(_SETTINGS, idle_timeout_s=0.3, artim_timeout_s=5)) as link:
        owner = _Owner(link)
        number, until = 0, link.loop.time() + 0.7
        while link.loop.time() < until:
            number += 1
            await link.send(_echo(number))
            (received,) = await owner.receive()
            assert isinstance(received, CommandReceived)
            link.association.send_message(ECHO_CONTEXT, received.command.response(0), None, link.loop.time())
            link.connection.flush()
            await link.loop.sock_recv(link.peer, 1_000)
        started = link.loop.time()
        assert await owner.receive() == [TimedOut()]
        assert 0.2 <= link.loop.time() - started < 2
        assert await link.read_to_end() == encode_pdu(Abort(0, 0))
        assert link.loop.time() - started < 2  # the peer's own closing is not waited for


async def test_a_deadline_that_no_longer_stands_is_let_pass() -> None:
    async with _linked(replace(_SETTINGS, idle_timeout_s=0.1)) as link:
        link.association.pause_idle()
        waiting = asyncio.create_task(link.connection.receive())
        finished, _ = await asyncio.wait((waiting,), timeout=0.4)
        assert not finished
        link.association.resume_idle(link.loop.time())
        link.connection.flush()
        assert await waiting == [TimedOut()]
