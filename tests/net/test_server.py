"""The listener: binding, sharing a port, and an end that waits for nobody."""

import asyncio
import socket
import time
from collections.abc import AsyncGenerator
from contextlib import ExitStack

import pytest

from archimage.net.dispatch import Request, Response, ServiceClass
from archimage.net.server import bind
from archimage.protocol.command import CommandField, c_echo_rq
from archimage.protocol.items import PresentationContext
from archimage.protocol.negotiation import ANY, SupportedContext
from archimage.protocol.pdu import Abort
from archimage.protocol.uids import IMPLICIT_VR_LITTLE_ENDIAN
from tests.attacks.server import wait_until
from tests.attacks.wire import Peer, request
from tests.net.background import listening


def test_a_port_is_had_by_one_and_shared_when_both_want_it() -> None:
    with bind("127.0.0.1", 0, shared=False) as first:
        first.listen()
        port = first.getsockname()[1]
        for shared in (False, True):
            with pytest.raises(OSError, match="in use"):
                bind("127.0.0.1", port, shared=shared)
    with bind("127.0.0.1", 0, shared=True) as first:
        first.listen()
        with bind("127.0.0.1", first.getsockname()[1], shared=True) as second:
            second.listen()


def test_the_host_decides_the_family() -> None:
    with bind("::1", 0, shared=False) as listener:
        assert listener.family == socket.AF_INET6


def test_stopping_takes_a_moment_however_many_peers_do_not_close() -> None:
    with ExitStack() as stack:
        with listening() as server:
            peers = [stack.enter_context(Peer.associated(server.port)) for _ in range(50)]
            silent = stack.enter_context(Peer(server.port))
            assert wait_until(lambda: server.holds()[0] >= 51, 20.0)
            started = time.monotonic()
        assert time.monotonic() - started < 1.0
        assert [peer.receive() for peer in peers] == [Abort(0, 0)] * 50
        assert silent.ended()


def test_a_handler_that_does_not_want_to_end_is_ended() -> None:
    started = []

    async def stubborn(_request: Request) -> AsyncGenerator[Response, None]:
        started.append(True)
        await asyncio.get_running_loop().create_future()
        yield Response(0)

    service = ServiceClass((SupportedContext("1.2.3", ANY),), {("1.2.3", CommandField.C_ECHO_RQ): stubborn})
    with listening(service) as server:
        asked = request((PresentationContext(1, "1.2.3", (IMPLICIT_VR_LITTLE_ENDIAN,)),))
        with Peer.associated(server.port, asked) as peer:
            peer.send_command(1, c_echo_rq(1), has_dataset=False)
            assert wait_until(lambda: bool(started), 20.0)
            begun = time.monotonic()
    assert time.monotonic() - begun < 1.0
