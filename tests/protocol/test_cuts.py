"""The same bytes yield the same events, however they are cut; bytes without a meaning never raise. PS3.8 §9.3."""

import itertools
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archimage.protocol.command import c_find_rq, encode_command
from archimage.protocol.events import (
    AssociationRequested,
    DataReceived,
    Event,
    ReleaseRequested,
)
from archimage.protocol.pdu import (
    PDUType,
    ReleaseRequest,
    ReleaseResponse,
    encode_pdu,
)
from tests.protocol.joined import (
    CT,
    FULL_REQUEST,
    REQUEST,
    STORE,
    abort_bytes,
    accept_all,
    acceptor,
    data_bytes,
    echo_bytes,
    flatten,
    joined,
    requestor,
    sent,
)

# The same bytes, cut anywhere.


def _conversation() -> bytes:
    find = c_find_rq(2, CT)
    dataset = bytes(range(200))
    store = encode_command(STORE, has_dataset=True)
    return b"".join(
        (
            encode_pdu(FULL_REQUEST),
            echo_bytes(1),
            data_bytes(store[:30], 3, control=1),
            # One P-DATA-TF with three values: the rest of the command, an empty fragment, the first of the data.
            struct.pack(">BxI", 4, len(store) - 30 + 6 + 6 + 6 + 50),
            struct.pack(">IBB", len(store) - 30 + 2, 3, 3) + store[30:],
            struct.pack(">IBB", 2, 3, 0),
            struct.pack(">IBB", 52, 3, 0) + dataset[:50],
            data_bytes(dataset[50:], 3, control=0),
            data_bytes(b"", 3, control=2),
            data_bytes(encode_command(find, has_dataset=True), 3),
            data_bytes(b"keys", 3, control=2),
            encode_pdu(ReleaseRequest()),
            bytes.fromhex("99 00 00000003 010203"),
            encode_pdu(ReleaseRequest()),
            abort_bytes(0, 0),
        )
    )


def _answering(pieces: list[bytes]) -> tuple[list[Event], bytes]:
    scp, events, answers = acceptor(), [], b""
    for piece in pieces:
        for event in flatten(scp.receive_data(piece, 0.0)):
            events.append(event)
            if isinstance(event, AssociationRequested):
                accept_all(scp)
            if isinstance(event, ReleaseRequested):
                scp.accept_release(0.0)
        answers += sent(scp)
    return flatten(events), answers


def _by_pdu() -> list[bytes]:
    """Return the conversation cut after the PDUs that the owner has to answer."""
    whole, request = _conversation(), len(encode_pdu(FULL_REQUEST))
    release = whole.index(encode_pdu(ReleaseRequest())) + 10
    return [whole[:request], whole[request:release], whole[release:]]


EXPECTED_EVENTS, EXPECTED_ANSWERS = _answering(_by_pdu())


def test_the_conversation_says_what_was_meant() -> None:
    kinds = [type(event).__name__ for event in EXPECTED_EVENTS]

    assert kinds == [
        "AssociationRequested",
        "CommandReceived",
        "CommandReceived",
        "DataReceived",
        "CommandReceived",
        "DataReceived",
        "ReleaseRequested",
    ]
    assert EXPECTED_EVENTS[3] == DataReceived(3, memoryview(bytes(range(200))), True)
    assert EXPECTED_ANSWERS.endswith(encode_pdu(ReleaseResponse()) + abort_bytes(2, 1))


@pytest.mark.parametrize("part", range(3))
def test_a_cut_at_any_offset_changes_nothing(part: int) -> None:
    pieces = _by_pdu()
    for cut in range(len(pieces[part]) + 1):
        split = [*pieces[:part], pieces[part][:cut], pieces[part][cut:], *pieces[part + 1 :]]
        assert _answering(split) == (EXPECTED_EVENTS, EXPECTED_ANSWERS), cut


def test_single_bytes_change_nothing() -> None:
    assert _answering([bytes((byte,)) for byte in _conversation()]) == (EXPECTED_EVENTS, EXPECTED_ANSWERS)


@given(st.lists(st.integers(0, 800), max_size=12))
@settings(max_examples=100)
def test_random_cuts_change_nothing(cuts: list[int]) -> None:
    pieces = []
    for part in _by_pdu():
        bounds = [0, *sorted(cut for cut in cuts if cut < len(part)), len(part)]
        pieces += [part[start:end] for start, end in itertools.pairwise(bounds)]

    assert _answering(pieces) == (EXPECTED_EVENTS, EXPECTED_ANSWERS)


# Bytes that mean nothing.


@given(st.lists(st.binary(max_size=64), max_size=8))
@settings(max_examples=150)
def test_random_bytes_never_raise(pieces: list[bytes]) -> None:
    for association in (acceptor(), *joined()):
        for piece in pieces:
            association.receive_data(piece, 0.0)


@given(st.lists(st.tuples(st.sampled_from((1, 3, 5, 6)), st.integers(0, 7), st.binary(max_size=40)), max_size=8))
@settings(max_examples=150)
def test_random_values_never_raise(values: list[tuple[int, int, bytes]]) -> None:
    _, scp = joined()
    for context_id, control, fragment in values:
        scp.receive_data(data_bytes(fragment, context_id, control), 0.0)


@given(st.sampled_from(list(PDUType)), st.binary(max_size=120))
@settings(max_examples=150)
def test_random_bodies_never_raise(pdu_type: PDUType, body: bytes) -> None:
    scu = requestor()
    scu.request(REQUEST, 0.0)
    for association in (acceptor(), scu, *joined()):
        association.receive_data(struct.pack(">BxI", pdu_type, len(body)) + body, 0.0)
