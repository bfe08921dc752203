"""What the dispatcher makes of requests and responses, away from any socket."""

import asyncio

import pytest

from archimage.buffers import Allowance
from archimage.errors import DuplicateInstanceError
from archimage.net.dispatch import (
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


class _Gathering:
    """A request that is gathered: what was started, and what was answered."""

    def __init__(self, allowance: Allowance, most_bytes: int = 4 * _LIMIT_BYTES) -> None:
        self.started: list[tuple[bytes, int]] = []
        self.replies = _Replies()
        self.whole = WholeRequest(self._start, self.replies, CommandField.N_SET_RQ, most_bytes, allowance)

    def _start(self, identifier: bytes, taken: int) -> None:
        self.started.append((identifier, taken))

    def send(self, size: int, *, last: bool = True) -> None:
        """Send so many bytes from a buffer that is used again."""
        buffer = bytearray(b"x" * size)
        for position in range(0, size, 100_000):
            self.whole.add(memoryview(buffer)[position : position + 100_000], last=False)
        buffer[:] = bytes(size)
        if last:
            self.whole.add(memoryview(b""), last=True)


def _is_whole(allowance: Allowance, size: int) -> bool:
    """Tell whether all of an allowance is there, and no more."""
    return allowance.take(size) and not allowance.take(1)


@pytest.mark.parametrize("size", [_LIMIT_BYTES, _LIMIT_BYTES + 1, 3 * _LIMIT_BYTES])
def test_an_identifier_is_gathered_up_to_its_limit(size: int) -> None:
    allowance = Allowance(_LIMIT_BYTES)
    gathering = _Gathering(allowance, _LIMIT_BYTES)
    gathering.send(size)
    if size > _LIMIT_BYTES:
        assert [reply.status for reply in gathering.replies] == [Status.OUT_OF_RESOURCES]
        assert gathering.started == []
    else:
        assert gathering.started == [(b"x" * size, 0)]
    assert _is_whole(allowance, _LIMIT_BYTES)


def test_what_is_larger_takes_of_what_all_may_hold_and_who_answers_gives_it_back() -> None:
    allowance = Allowance(_LIMIT_BYTES)
    gathering = _Gathering(allowance)
    gathering.send(_LIMIT_BYTES + 500_000)
    assert gathering.started == [(b"x" * (_LIMIT_BYTES + 500_000), 500_000)]
    allowance.give(500_000)
    assert _is_whole(allowance, _LIMIT_BYTES)


def test_when_others_hold_it_all_a_large_request_is_refused_and_a_small_one_is_not() -> None:
    allowance = Allowance(_LIMIT_BYTES)
    first, second, small = (_Gathering(allowance) for _ in range(3))
    first.send(2 * _LIMIT_BYTES, last=False)
    second.send(_LIMIT_BYTES + 1)
    small.send(_LIMIT_BYTES)
    assert [reply.status for reply in second.replies] == [Status.OUT_OF_RESOURCES]
    assert (second.started, len(small.started)) == ([], 1)
    first.whole.abandon()
    assert _is_whole(allowance, _LIMIT_BYTES)


def test_a_request_that_is_abandoned_starts_nothing() -> None:
    gathering = _Gathering(Allowance(0))
    gathering.send(4, last=False)
    gathering.whole.abandon()
    assert gathering.started == []
