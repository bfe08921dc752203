"""The client against our own server, and against peers that do not keep to the rules."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from archimage.errors import (
    AssociationAbortedError,
    AssociationRejectedError,
    ConnectionFailedError,
    ContextNotAcceptedError,
    OperationFailedError,
    TimerExpiredError,
)
from archimage.net import reasons
from archimage.net.client import OutgoingInstance
from archimage.net.conversation import RemoteNode
from archimage.net.dispatch import Request, Response
from archimage.protocol.uids import STUDY_ROOT_FIND, STUDY_ROOT_MOVE
from tests.interop.peers import free_port
from tests.net.serving import QUICK, associate, misbehaving, serving

pytestmark = pytest.mark.anyio

ABORT = bytes((7, 0, 0, 0, 0, 4, 0, 0, 2, 6))


async def _counting(request: Request) -> AsyncGenerator[Response, None]:
    """Answer with numbers until cancelled."""
    for number in range(100_000):
        if request.cancelled.is_set():
            yield Response(0xFE00)
            return
        yield Response(0xFF00, str(number).zfill(8).encode())
        await asyncio.sleep(0)
    yield Response(0)


async def _refusing(_request: Request) -> AsyncGenerator[Response, None]:
    yield Response(0xA700, error_comment="too much")


async def _moving(request: Request) -> AsyncGenerator[Response, None]:
    assert request.command.move_destination == "DEST"
    yield Response(0xFF00, remaining=1, completed=1, failed=0, warning=0)
    yield Response(0xB000, b"list", completed=1, failed=1, warning=0)


async def test_an_echo_is_answered_as_often_as_asked() -> None:
    async with serving() as node, await associate(node) as association:
        assert [await association.echo() for _ in range(3)] == [0, 0, 0]
        assert association.usable


async def test_operations_of_several_tasks_take_turns() -> None:
    async with serving() as node, await associate(node) as association:
        assert await asyncio.gather(*(association.echo() for _ in range(20))) == [0] * 20


async def test_a_find_left_early_is_cancelled_and_the_association_goes_on() -> None:
    served = serving(STUDY_ROOT_FIND, C_FIND_RQ=_counting)
    async with served as node, await associate(node, STUDY_ROOT_FIND) as association:
        matches = association.find(STUDY_ROOT_FIND, b"\0\0")
        assert [await anext(matches), await anext(matches)] == [b"00000000", b"00000001"]
        assert not association.usable
        async with asyncio.timeout(1):
            await matches.aclose()
        assert await association.echo() == 0


async def test_a_refused_find_says_who_what_and_why() -> None:
    served = serving(STUDY_ROOT_FIND, C_FIND_RQ=_refusing)
    expected = pytest.raises(OperationFailedError, match=r"SERVER at .*0xA700: out of resources \(too much\)")
    async with served as node, await associate(node, STUDY_ROOT_FIND) as association:
        with expected as caught:
            await anext(association.find(STUDY_ROOT_FIND, b"\0\0"))
        assert caught.value.status == 0xA700
        assert caught.value.next_step == "Free room at the peer, or try again later."


async def test_a_move_tells_its_counts_as_they_come() -> None:
    served = serving(STUDY_ROOT_MOVE, C_MOVE_RQ=_moving)
    async with served as node, await associate(node, STUDY_ROOT_MOVE) as association:
        found = [progress async for progress in association.move(STUDY_ROOT_MOVE, b"\0\0", "DEST")]
    assert [(p.status, p.remaining, p.completed, p.failed) for p in found] == [(0xFF00, 1, 1, 0), (0xB000, None, 1, 1)]
    assert found[-1].identifier == b"list"


async def test_a_class_that_the_peer_lacks_is_named() -> None:
    async with serving() as node, await associate(node, STUDY_ROOT_FIND) as association:
        with pytest.raises(ContextNotAcceptedError, match=f"{STUDY_ROOT_FIND}: it does not support the SOP class"):
            await anext(association.find(STUDY_ROOT_FIND, b""))
        with pytest.raises(ContextNotAcceptedError, match="it was not proposed"):
            await association.store(OutgoingInstance("1.2", "1.3", "1.2.840.10008.1.2", b""))


async def test_a_wrong_title_is_told_in_words() -> None:
    async with serving() as node:
        wrong = RemoteNode("WRONG", node.host, node.port)
        with pytest.raises(AssociationRejectedError, match="called AE title not recognized") as caught:
            await associate(wrong)
    assert (caught.value.result, caught.value.source, caught.value.reason) == (1, 1, 7)
    assert "WRONG" in caught.value.next_step


async def test_a_peer_that_says_nothing_is_given_up() -> None:
    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with misbehaving(silent) as node:
        with pytest.raises(TimerExpiredError, match=r"ODD at .* did not answer within 0.3 s") as caught:
            await associate(node, settings=QUICK)
    assert caught.value.next_step == reasons.SILENT


async def test_a_peer_that_hangs_up_is_named() -> None:
    async def rude(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read(10)

    async with misbehaving(rude) as node:
        with pytest.raises(ConnectionFailedError, match=r"ODD at .* closed the connection") as caught:
            await associate(node, settings=QUICK)
    assert caught.value.next_step == reasons.HUNG_UP


async def test_a_name_that_does_not_resolve_is_told_from_a_port_that_nobody_serves() -> None:
    with pytest.raises(ConnectionFailedError, match=r"LOST at no-such\.invalid:104: .*cannot be resolved") as caught:
        await associate(RemoteNode("LOST", "no-such.invalid", 104))
    assert "host name" in caught.value.next_step
    port = free_port()
    with pytest.raises(ConnectionFailedError, match=f"LOST at localhost:{port}: Connection refused") as caught:
        await associate(RemoteNode("LOST", "localhost", port))
    assert f"port {port}" in caught.value.next_step


async def test_an_abort_is_told_with_its_reason() -> None:
    async def aborting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(ABORT)
        await reader.read()

    async with misbehaving(aborting) as node:
        with pytest.raises(AssociationAbortedError, match="it found an invalid value in a PDU") as caught:
            await associate(node, settings=QUICK)
    assert (caught.value.source, caught.value.reason) == (2, 6)


async def test_what_is_no_dicom_is_told_apart() -> None:
    async def http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()

    async with misbehaving(http) as node:
        with pytest.raises(AssociationAbortedError, match=r"ODD at .* broke the protocol") as caught:
            await associate(node, settings=QUICK)
    assert caught.value.next_step == reasons.BROKEN
