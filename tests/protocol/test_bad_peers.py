"""What a peer may not do, and the A-ABORT or A-ASSOCIATE-RJ that answers it. PS3.8 §9.3.4, §9.3.8."""

import struct
from dataclasses import replace

import pytest

from archimage.protocol.command import encode_command
from archimage.protocol.events import (
    Aborted,
    AssociationRejected,
    AssociationRequested,
    CommandReceived,
    DataReceived,
)
from archimage.protocol.items import (
    ContextAnswer,
    PresentationContext,
    UserInformation,
)
from archimage.protocol.machine import State
from archimage.protocol.pdu import (
    AssociateAccept,
    AssociateReject,
    ReleaseRequest,
    encode_pdu,
)
from tests.protocol.joined import (
    CONTEXTS,
    CT,
    FULL_REQUEST,
    REQUEST,
    STORE,
    SYNTAXES,
    abort_bytes,
    acceptor,
    data_bytes,
    echo_bytes,
    joined,
    requestor,
    sent,
)


def _request_bytes(**changes: object) -> bytes:
    return encode_pdu(replace(FULL_REQUEST, **changes))  # type: ignore[arg-type]


# Bytes that an acceptor does not take as its first: A-ABORT of the user, without a reason.


@pytest.mark.parametrize(
    ("what", "data"),
    [
        ("unknown type", bytes.fromhex("99 00 00000004 00000000")),
        ("HTTP", b"GET / HTTP/1.1\r\nHost: pacs\r\n\r\n"),
        ("TLS", bytes.fromhex("16 03 01 0200 01 00 01fc 03 03")),
        ("HL7", b"\x0bMSH|^~\\&|ADT1|MCM|\r\x1c\r"),
        ("a length that no request has", bytes.fromhex("01 00 fffffff0")),
        ("an empty request", bytes.fromhex("01 00 00000000")),
        ("P-DATA-TF", echo_bytes()),
        ("release", encode_pdu(ReleaseRequest())),
        ("acceptance", encode_pdu(AssociateAccept("SCP", "SCU"))),
        ("an item length that lies", _request_bytes().replace(b"\x51\0\0\4", b"\x51\0\0\xf0")),
        ("an even context id", _request_bytes(contexts=(PresentationContext(2, CT, SYNTAXES),))),
        ("a context twice", _request_bytes(contexts=CONTEXTS[:1] * 2)),
        ("no context", _request_bytes(contexts=())),
        ("a tiny maximum", _request_bytes(user_information=UserInformation(max_pdu_length=127))),
    ],
)
def test_what_is_no_request_is_aborted(what: str, data: bytes) -> None:
    scp = acceptor()

    events = scp.receive_data(data, 0.0)

    assert (events, sent(scp)) == ([Aborted(0, 0, by_peer=False)], abort_bytes(0, 0)), what
    assert scp.state is State.AWAITING_TRANSPORT_CLOSE


def test_more_contexts_than_there_are_ids_are_aborted() -> None:
    contexts = tuple(PresentationContext(2 * (number % 128) + 1, CT, SYNTAXES) for number in range(129))
    scp = acceptor()

    scp.receive_data(_request_bytes(contexts=contexts), 0.0)

    assert sent(scp) == abort_bytes(0, 0)


def test_a_huge_request_is_refused_on_its_header() -> None:
    scp = acceptor()

    scp.receive_data(bytes.fromhex("01 00 fffffff0"), 0.0)
    assert sent(scp) == abort_bytes(0, 0)
    scp.receive_data(bytes(1 << 20), 0.0)

    assert (sent(scp), scp.state) == (b"", State.AWAITING_TRANSPORT_CLOSE)


def test_every_context_may_be_proposed() -> None:
    contexts = tuple(PresentationContext(number, CT, SYNTAXES) for number in range(1, 256, 2))
    scu, _ = joined(replace(REQUEST, contexts=contexts))

    assert len(scu.contexts) == 128
    assert all(context.accepted for context in scu.contexts.values())


@pytest.mark.parametrize(
    ("changes", "answer"),
    [({"protocol_version": 2}, (1, 2, 2)), ({"application_context": "1.2.3"}, (1, 1, 2))],
)
def test_what_the_provider_does_not_speak_is_rejected(changes: dict[str, object], answer: tuple[int, int, int]) -> None:
    scp = acceptor()

    events = scp.receive_data(_request_bytes(**changes), 1.0)

    assert (events, sent(scp)) == ([AssociationRejected(*answer)], encode_pdu(AssociateReject(*answer)))
    assert (scp.state, scp.deadline) == (State.AWAITING_TRANSPORT_CLOSE, 31.0)


def test_further_protocol_versions_do_not_matter() -> None:
    scp = acceptor()

    assert isinstance(scp.receive_data(_request_bytes(protocol_version=0xFFFF), 0.0)[0], AssociationRequested)


def test_no_acceptable_context_still_makes_an_association() -> None:
    scu, scp = joined(replace(REQUEST, contexts=CONTEXTS[2:]))

    assert {context.result for context in scu.contexts.values()} == {3}
    assert (scp.state, scp.deadline) == (State.ESTABLISHED, 60.0)


# Within an association: A-ABORT of the provider, with a reason.

_STORE_BYTES = encode_command(STORE, has_dataset=True)
_GOOD_COMMAND = data_bytes(_STORE_BYTES, 3)


@pytest.mark.parametrize(
    ("what", "data", "answer"),
    [
        ("unknown type", bytes.fromhex("99 00 00000004 00000000"), (2, 1)),
        ("a second request", encode_pdu(FULL_REQUEST), (2, 2)),
        ("acceptance", encode_pdu(AssociateAccept("SCP", "SCU")), (2, 2)),
        ("a release of five bytes", bytes.fromhex("05 00 00000005 0000000000"), (2, 6)),
        ("P-DATA-TF over the maximum", struct.pack(">BxI", 4, 131073), (2, 6)),
        ("P-DATA-TF without a value", bytes.fromhex("04 00 00000000"), (2, 6)),
        ("P-DATA-TF with half a header", bytes.fromhex("04 00 00000005 0000000201"), (2, 6)),
        ("a value of no length", bytes.fromhex("04 00 00000006 00000000 01 03"), (2, 6)),
        ("a value of length one", bytes.fromhex("04 00 00000006 00000001 01 03"), (2, 6)),
        ("a value beyond its PDU", bytes.fromhex("04 00 00000006 00000003 01 03"), (2, 6)),
        ("half a header after a value", bytes.fromhex("04 00 00000009 00000002 01 01 000000"), (2, 6)),
        ("a context that was refused", data_bytes(b"", 5), (2, 5)),
        ("a context that was not proposed", data_bytes(b"", 7), (2, 5)),
        ("a data set without a command", data_bytes(b"", 3, control=2), (2, 5)),
        ("a command instead of its data set", _GOOD_COMMAND * 2, (2, 5)),
        ("a data set on another context", _GOOD_COMMAND + data_bytes(b"", 1, control=2), (2, 5)),
        ("a command within a command", data_bytes(b"", 3, control=1) + echo_bytes(), (2, 5)),
        ("a garbage command set", data_bytes(b"\xff" * 40, 3), (0, 0)),
        ("an oversize command set", data_bytes(bytes(40_000), 3, control=1) * 2, (0, 0)),
    ],
)
def test_what_breaks_the_rules_is_aborted(what: str, data: bytes, answer: tuple[int, int]) -> None:
    _, scp = joined()

    events = scp.receive_data(data + echo_bytes(), 0.0)

    assert events[-1] == Aborted(*answer, by_peer=False), what
    assert sent(scp) == abort_bytes(*answer)
    assert scp.state is State.AWAITING_TRANSPORT_CLOSE


def test_an_abort_says_what_was_wrong() -> None:
    _, scp = joined()

    (aborted,) = scp.receive_data(data_bytes(b"", 7), 0.0)

    assert isinstance(aborted, Aborted)
    assert aborted.detail == "presentation context 7 is not accepted"


def test_a_flood_after_the_abort_is_answered_once() -> None:
    _, scp = joined()

    scp.receive_data(bytes.fromhex("99 00 00000000") * 1000, 0.0)

    assert sent(scp) == abort_bytes(2, 1)


@pytest.mark.parametrize(
    "answer",
    [
        encode_pdu(AssociateAccept("SCP", "SCU", user_information=UserInformation(max_pdu_length=7))),
        encode_pdu(AssociateAccept("SCP", "SCU")).replace(b"\x51\0\0\4", b"\x51\0\0\5"),
        encode_pdu(AssociateReject(1, 1, 1))[:5] + b"\3\1\1\1",
    ],
)
def test_an_answer_that_cannot_be_taken_is_aborted(answer: bytes) -> None:
    scu = requestor()
    scu.request(REQUEST, 0.0)
    sent(scu)

    assert scu.receive_data(answer, 0.0) == [Aborted(2, 6, by_peer=False)]
    assert sent(scu) == abort_bytes(2, 6)


def test_what_comes_while_we_abort_is_skipped() -> None:
    _, scp = joined()
    data = data_bytes(encode_command(STORE, has_dataset=True), 3) + data_bytes(bytes(1000), 3, control=2)

    before = scp.receive_data(data[:500], 0.0)
    scp.abort(0.0)
    after = scp.receive_data(data[500:] + abort_bytes(0, 0), 0.0)

    assert [type(event) for event in before] == [CommandReceived, DataReceived]
    assert (after, scp.closed) == ([], True)


def test_half_an_answer_is_skipped_after_the_abort() -> None:
    scu = requestor()
    scu.request(REQUEST, 0.0)
    answer = encode_pdu(AssociateAccept("SCP", "SCU", (ContextAnswer(1, 0, SYNTAXES[0]),)))

    scu.receive_data(answer[:50], 0.0)
    scu.abort(0.0)

    assert scu.receive_data(answer[50:] + abort_bytes(0, 0), 0.0) == []
    assert (scu.closed, scu.accepted) == (True, None)
