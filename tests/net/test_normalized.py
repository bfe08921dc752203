"""Requests of normalized services, in both directions of one association."""

from collections.abc import AsyncGenerator

import pytest

from archimage.errors import RefusedOperationError, TimerExpiredError
from archimage.net.dispatch import Request, Response
from archimage.protocol.command import CommandField, n_create_rq, n_event_report_rq, n_set_rq
from archimage.protocol.status import Status
from archimage.protocol.uids import MPPS
from tests.net.serving import associate, serving

pytestmark = pytest.mark.anyio


async def _creating(request: Request) -> AsyncGenerator[Response, None]:
    """Make an instance, and tell of it after the answer; and of what the peer thinks of that."""
    yield Response(Status.SUCCESS, request.identifier, sop_instance_uid="1.2.3")
    for event in (1, 2):
        report = n_event_report_rq(0, MPPS, "1.2.3", event)
        status = await request.channel.report(request.context.context_id, report, b"%04x" % event)
        assert status == 0x0107


async def _setting(_request: Request) -> AsyncGenerator[Response, None]:
    yield Response(Status.SUCCESS)


async def _refusing(_request: Request) -> AsyncGenerator[Response, None]:
    raise RefusedOperationError("it is over", status=0x0110, error_id=0xA710, offending=(0x00400252,))
    yield Response(Status.SUCCESS)


async def test_an_instance_is_made_and_the_peer_hears_of_it() -> None:
    async with serving(MPPS, N_CREATE_RQ=_creating) as node, await associate(node, MPPS) as association:
        response = await association.request(MPPS, lambda number: n_create_rq(number, MPPS), b"made")
        assert (response.command.affected_sop_instance_uid, response.dataset) == ("1.2.3", b"made")
        for number in (1, 2):
            event = await association.requested(2)
            assert (event.command.field, event.command.event_type_id) == (CommandField.N_EVENT_REPORT_RQ, number)
            assert event.dataset == b"%04x" % number
            await association.respond(event, 0x0107)


async def test_what_the_peer_asks_before_it_answers_is_kept() -> None:
    async with serving(MPPS, N_CREATE_RQ=_creating, N_SET_RQ=_setting) as node, await associate(node, MPPS) as one:
        await one.request(MPPS, lambda number: n_create_rq(number, MPPS), b"made")
        response = await one.request(MPPS, lambda number: n_set_rq(number, MPPS, "1.2.3"), b"")
        assert response.command.status == Status.SUCCESS
        event = await one.requested(2)
        assert event.command.event_type_id == 1
        await one.respond(event, 0x0107)


async def test_a_refusal_tells_what_was_wrong_with_which_attribute() -> None:
    async with serving(MPPS, N_SET_RQ=_refusing) as node, await associate(node, MPPS) as association:
        response = await association.request(MPPS, lambda number: n_set_rq(number, MPPS, "1.2.3"), b"")
        command = response.command
        assert (command.status, command.error_id, command.offending_elements) == (0x0110, 0xA710, (0x00400252,))
        assert command.error_comment == "it is over"


async def test_a_peer_that_asks_nothing_is_not_waited_for_longer_than_agreed() -> None:
    async with serving() as node:
        association = await associate(node)
        with pytest.raises(TimerExpiredError):
            await association.requested(0.1)


async def _failing_late(_request: Request) -> AsyncGenerator[Response, None]:
    yield Response(Status.SUCCESS)
    raise RefusedOperationError("too late")


async def test_what_fails_after_the_answer_answers_nothing_more() -> None:
    async with serving(MPPS, N_SET_RQ=_failing_late) as node, await associate(node, MPPS) as association:
        for _ in range(2):
            response = await association.request(MPPS, lambda number: n_set_rq(number, MPPS, "1.2.3"), b"")
            assert response.command.status == Status.SUCCESS
        assert await association.echo() == 0
