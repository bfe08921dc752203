"""Data sets leave piece by piece, and every way an association can end is told."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from archimage.errors import AssociationAbortedError, TimerExpiredError
from archimage.net.client import ClientAssociation, OutgoingInstance, connect
from archimage.net.conversation import Pieces, RemoteNode
from archimage.net.dispatch import Request, Response
from archimage.net.proposals import for_storage
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN
from tests.net.serving import QUICK, serving

pytestmark = pytest.mark.anyio

CT = "1.2.840.10008.5.1.4.1.1.2"


async def _associate(node: RemoteNode) -> ClientAssociation:
    contexts = for_storage([(CT, EXPLICIT_VR_LITTLE_ENDIAN)])
    return await connect(node, calling_ae_title="CLIENT", contexts=contexts, settings=QUICK)


def _instance(pieces: Pieces) -> OutgoingInstance:
    return OutgoingInstance(CT, "1.2.3", EXPLICIT_VR_LITTLE_ENDIAN, pieces, ("MOVER", 7))


async def _pieces(*pieces: bytes) -> AsyncGenerator[bytes, None]:
    for piece in pieces:
        yield piece


@pytest.mark.parametrize("pieces", [(), (b"",), (b"ab",), (b"ab", b"cd"), (b"", b"ab", b"c" * 300_000, b"de")])
async def test_pieces_arrive_as_one_data_set(pieces: tuple[bytes, ...]) -> None:
    received: list[Request] = []

    async def keep(request: Request) -> AsyncGenerator[Response, None]:
        received.append(request)
        yield Response(0xB007)

    async with serving(CT, C_STORE_RQ=keep) as node, await _associate(node) as association:
        assert await association.store(_instance(_pieces(*pieces))) == 0xB007
    assert [request.identifier for request in received] == [b"".join(pieces)]
    assert received[0].command.move_originator_ae_title == "MOVER"
    assert received[0].command.move_originator_message_id == 7


async def test_a_source_that_fails_half_way_aborts_the_association() -> None:
    async def failing() -> AsyncGenerator[bytes, None]:
        yield b"ab"
        yield b"cd"
        raise OSError("the disk is gone")

    async with serving(CT) as node:
        association = await _associate(node)
        with pytest.raises(OSError, match="the disk is gone"):
            await association.store(_instance(failing()))
        assert not association.usable


async def test_an_answer_that_does_not_come_in_time_is_told_and_ends_the_association() -> None:
    async def slow(request: Request) -> AsyncGenerator[Response, None]:
        await request.cancelled.wait()
        yield Response(0)

    async with serving(CT, C_STORE_RQ=slow) as node:
        association = await _associate(node)
        with pytest.raises(TimerExpiredError, match=r"SERVER at .* did not answer within 0.3 s"):
            await association.store(_instance(b"ab"))
        assert not association.usable
        await association.release()


async def test_a_server_that_ends_in_the_middle_is_told() -> None:
    begun = asyncio.Event()

    async def endless(request: Request) -> AsyncGenerator[Response, None]:
        begun.set()
        await request.cancelled.wait()
        yield Response(0)

    async with serving(CT, C_STORE_RQ=endless) as node:
        association = await _associate(node)
        storing = asyncio.create_task(association.store(_instance(b"ab")))
        await begun.wait()
    with pytest.raises(AssociationAbortedError, match=r"SERVER at .* aborted"):
        await storing
