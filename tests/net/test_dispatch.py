"""What the dispatcher makes of requests and responses, away from any socket."""

import asyncio

import pytest

from archimage.errors import DuplicateInstanceError
from archimage.net.dispatch import (
    MAX_IDENTIFIER_BYTES,
    Refused,
    Registry,
    Response,
    ServiceClass,
    WholeRequest,
    answer,
    refusal,
)
from archimage.net.scp import verification
from archimage.protocol.command import CommandField, c_get_rq, c_store_rq
from archimage.protocol.negotiation import ANY, SupportedContext
from archimage.protocol.status import Status
from archimage.protocol.uids import STUDY_ROOT_GET, VERIFICATION

_LIMIT_BYTES = 1 << 20


class _Replies(list[Response]):
    """Keeps what a request was answered."""

    def __call__(self, response: Response) -> None:
        self.append(response)


def test_an_answer_names_its_request_and_carries_only_what_is_known() -> None:
    made = answer(c_get_rq(7, STUDY_ROOT_GET), Response(Status.PENDING, remaining=0, completed=2))
    assert (made.field, made.message_id_being_responded_to) == (CommandField.C_GET_RSP, 7)
    assert (made.remaining_suboperations, made.completed_suboperations) == (0, 2)
    assert made.failed_suboperations is None
    assert made.error_comment is None


def test_a_refusal_tells_the_status_of_the_error_and_its_text() -> None:
    made = refusal(DuplicateInstanceError("another object is kept"), CommandField.C_STORE_RQ)
    assert made == Response(Status.DUPLICATE_SOP_INSTANCE, error_comment="another object is kept")
    assert answer(c_store_rq(1, "1.2", "1.2.3"), made).affected_sop_instance_uid == "1.2.3"


def test_a_registry_joins_services() -> None:
    fallback = SupportedContext("", ANY)
    registry = Registry(verification.service(), ServiceClass((SupportedContext("1.2", ANY),), fallback=fallback))
    assert set(registry.contexts) == {VERIFICATION, "1.2"}
    assert set(registry.handlers) == {(VERIFICATION, CommandField.C_ECHO_RQ)}
    assert registry.fallback is fallback
    assert Registry(verification.service()).fallback is None


def test_a_refused_request_is_answered_once_its_data_set_is_over() -> None:
    replies = _Replies()
    refused = Refused(replies, Response(Status.DUPLICATE_INVOCATION))
    refused.add(memoryview(b"data"), last=False)
    asyncio.run(refused.settle())
    assert replies == []
    refused.add(memoryview(b""), last=True)
    assert replies == [Response(Status.DUPLICATE_INVOCATION)]


@pytest.mark.parametrize("size", [_LIMIT_BYTES, _LIMIT_BYTES + 1, 3 * _LIMIT_BYTES])
def test_an_identifier_is_gathered_up_to_its_limit(size: int) -> None:
    started: list[bytes] = []
    replies = _Replies()
    whole = WholeRequest(started.append, replies, CommandField.C_FIND_RQ, MAX_IDENTIFIER_BYTES)
    buffer = bytearray(b"x" * size)
    for position in range(0, size, 100_000):
        whole.add(memoryview(buffer)[position : position + 100_000], last=False)
    buffer[:] = bytes(size)
    whole.add(memoryview(b"end")[:0], last=True)
    if size > _LIMIT_BYTES:
        assert [reply.status for reply in replies] == [Status.OUT_OF_RESOURCES]
        assert started == []
    else:
        assert started == [b"x" * size]


def test_a_request_that_is_abandoned_starts_nothing() -> None:
    started: list[bytes] = []
    whole = WholeRequest(started.append, _Replies(), CommandField.C_FIND_RQ, MAX_IDENTIFIER_BYTES)
    whole.add(memoryview(b"half"), last=False)
    whole.abandon()
    assert started == []
