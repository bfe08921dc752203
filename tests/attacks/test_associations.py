"""Association requests and PDUs that no honest peer sends, and the A-ABORT or A-ASSOCIATE-RJ that each gets (PS3.8)."""

import struct
import time

import pytest

from archimage.protocol.items import PresentationContext, UserIdentity, UserInformation
from archimage.protocol.pdu import (
    Abort,
    AssociateAccept,
    AssociateReject,
    AssociateRequest,
    ReleaseRequest,
    ReleaseResponse,
    encode_pdu,
)
from archimage.protocol.uids import IMPLICIT_VR_LITTLE_ENDIAN, VERIFICATION
from tests.attacks.conftest import ARTIM_S, IDLE_S
from tests.attacks.server import Server
from tests.attacks.wire import CT, ECHO_CONTEXT, Peer, request

_AT_ONCE_S = 1.0
_MAX_PDU_LENGTH = 131_072
_ITEMS_BEGIN = 6 + 68
_BY_USER = Abort(0, 0)


def _abort_to(server: Server, sent: bytes, *, associated: bool = False) -> object:
    """Send bytes on a new connection; return the answer, which has to come at once."""
    with Peer.associated(server.port) if associated else Peer(server.port) as peer:
        started = time.monotonic()
        peer.send(sent)
        answer = peer.receive()
        assert time.monotonic() - started <= _AT_ONCE_S
        return answer


def _values(*values: bytes) -> bytes:
    """Return a P-DATA-TF."""
    body = b"".join(values)
    return struct.pack(">BxI", 4, len(body)) + body


def _value(fragment: bytes, *, context_id: int = ECHO_CONTEXT, control: int = 3, length: int | None = None) -> bytes:
    """Return a presentation data value, its length a lie where one is given."""
    return struct.pack(">IBB", len(fragment) + 2 if length is None else length, context_id, control) + fragment


# Silence, row 1 and 2, 16, 21.


def test_a_silent_connection_is_closed_when_artim_ends(server: Server) -> None:
    with Peer(server.port) as peer:
        started = time.monotonic()
        assert peer.ended()
        assert ARTIM_S - 0.1 <= time.monotonic() - started <= ARTIM_S + 1


def test_artim_bounds_a_request_that_comes_byte_by_byte(server: Server) -> None:
    with Peer(server.port, timeout_s=0.2) as peer:
        started = time.monotonic()
        for byte in encode_pdu(request()):
            try:
                peer.send(bytes((byte,)))
                if peer.ended():
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break
        assert time.monotonic() - started <= ARTIM_S + 1


def test_an_association_without_a_usable_context_is_told_so_and_closed_when_idle(server: Server) -> None:
    contexts = (
        PresentationContext(1, "1.2.3.4.5", (IMPLICIT_VR_LITTLE_ENDIAN,)),
        PresentationContext(3, VERIFICATION, ("1.2.3.4.5",)),
    )
    with Peer(server.port) as peer:
        answer = peer.associate(request(contexts))
        assert isinstance(answer, AssociateAccept)
        assert [context.result for context in answer.contexts] == [3, 4]
        started = time.monotonic()
        assert peer.receive() == _BY_USER
        assert time.monotonic() - started <= IDLE_S + 1


def test_a_peer_that_does_not_close_after_its_abort_is_closed_by_artim(server: Server) -> None:
    with Peer(server.port) as peer:
        peer.send(encode_pdu(ReleaseRequest()))
        assert peer.receive() == _BY_USER
        started = time.monotonic()
        assert peer.ended()
        assert time.monotonic() - started <= ARTIM_S + 1


# Not DICOM at all, row 3, 4, 6.


@pytest.mark.parametrize(
    "sent",
    [
        b"\x99\0\0\0\0\4\0\0\0\0",
        b"GET / HTTP/1.1\r\nHost: pacs\r\n\r\n",
        bytes.fromhex("16030100c8010000c40303") + bytes(64),
        b"\x0bMSH|^~\\&|HIS|A|PACS|B|20200101||ADT^A01|1|P|2.5\r\x1c\r",
    ],
    ids=["type 99H", "HTTP", "TLS", "HL7"],
)
def test_what_is_no_pdu_is_aborted_at_once(server: Server, sent: bytes) -> None:
    assert _abort_to(server, sent) == _BY_USER


def test_an_unknown_pdu_on_an_association_is_aborted_by_the_provider(server: Server) -> None:
    assert _abort_to(server, b"\x99\0\0\0\0\4\0\0\0\0", associated=True) == Abort(2, 1)


def test_a_request_of_four_gigabytes_is_aborted_on_its_header(server: Server) -> None:
    assert _abort_to(server, b"\1\0\xff\xff\xff\xf0") == _BY_USER


@pytest.mark.parametrize(
    "sent",
    [
        _values(_value(b"\0" * 8)),
        encode_pdu(ReleaseRequest()),
        encode_pdu(ReleaseResponse()),
        encode_pdu(AssociateAccept("PACS_SCP", "ATTACKER")),
        encode_pdu(AssociateReject(1, 1, 1)),
    ],
    ids=["P-DATA", "RELEASE-RQ", "RELEASE-RP", "AC", "RJ"],
)
def test_another_pdu_than_a_request_first_is_aborted(server: Server, sent: bytes) -> None:
    assert _abort_to(server, sent) == _BY_USER


# Requests that lie, row 5, 11 to 15, 22.


@pytest.mark.parametrize("length", [0, 1, 0x7FFF, 0xFFFF])
def test_an_item_whose_length_lies_is_aborted(server: Server, length: int) -> None:
    sent = bytearray(encode_pdu(request()))
    sent[_ITEMS_BEGIN + 2 : _ITEMS_BEGIN + 4] = length.to_bytes(2)
    answer = _abort_to(server, bytes(sent))
    # An application context of no length is one we do not know: the rest of the items still reads.
    assert answer in (_BY_USER, AssociateReject(1, 1, 2))


@pytest.mark.parametrize("length", [1, 0x7FFF, 0xFFFF])
@pytest.mark.parametrize("item", [b"\x20\0", b"\x30\0", b"\x40\0", b"\x50\0", b"\x51\0", b"\x52\0"])
def test_a_sub_item_whose_length_lies_is_aborted(server: Server, item: bytes, length: int) -> None:
    sent = bytearray(encode_pdu(request()))
    at = sent.index(item, _ITEMS_BEGIN)
    sent[at + 2 : at + 4] = length.to_bytes(2)
    assert _abort_to(server, bytes(sent)) == _BY_USER


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (AssociateRequest("PACS_SCP", "A", request().contexts, protocol_version=2), AssociateReject(1, 2, 2)),
        (AssociateRequest("PACS_SCP", "A", request().contexts, application_context="1.2.3"), AssociateReject(1, 1, 2)),
        (request(called="OTHER"), AssociateReject(1, 1, 7)),
    ],
    ids=["version", "application context", "called"],
)
def test_a_request_for_something_else_is_rejected(
    server: Server, sent: AssociateRequest, answer: AssociateReject
) -> None:
    with Peer(server.port) as peer:
        assert peer.associate(sent) == answer


@pytest.mark.parametrize("title", ["../x", " ", "", "A\nB", "A\x1b[31mRED", "$(reboot)", "`id`", "A;ls", "a|b", "A\\B"])
def test_a_hostile_ae_title_is_rejected_on_either_side_and_not_logged_raw(server: Server, title: str) -> None:
    for asked, answer in (
        (request(called=title), AssociateReject(1, 1, 7)),
        (request(calling=title), AssociateReject(1, 1, 3)),
    ):
        with Peer(server.port) as peer:
            assert peer.associate(asked) == answer
    assert "\x1b" not in server.log
    assert all(line.startswith(("ready ", "timestamp=")) for line in server.log.splitlines())


@pytest.mark.parametrize(
    "ids", [(2,), (1, 1), (0,), (*range(1, 257, 2), 1)], ids=["even", "twice", "zero", "129 contexts"]
)
def test_context_ids_that_are_not_allowed_are_aborted(server: Server, ids: tuple[int, ...]) -> None:
    contexts = [PresentationContext(number, CT, (IMPLICIT_VR_LITTLE_ENDIAN,)) for number in ids]
    assert _abort_to(server, encode_pdu(request(contexts))) == _BY_USER


def test_two_user_identities_are_aborted(server: Server) -> None:
    identity = UserInformation(user_identity=UserIdentity(1, b"somebody"), implementation_class_uid="1.2.3")
    sent = encode_pdu(AssociateRequest("PACS_SCP", "ATTACKER", request().contexts, identity))
    item = sent[sent.index(b"\x58\0", _ITEMS_BEGIN) :]
    at = sent.index(b"\x50\0", _ITEMS_BEGIN)
    longer = struct.unpack_from(">H", sent, at + 2)[0] + len(item)
    twice = sent[: at + 2] + struct.pack(">H", longer) + sent[at + 4 :] + item
    assert _abort_to(server, twice[:2] + struct.pack(">I", len(twice) - 6) + twice[6:]) == _BY_USER


# On an association, row 7 to 10.


@pytest.mark.parametrize("sent", [request(), AssociateAccept("A", "B")], ids=["RQ", "AC"])
def test_a_second_association_pdu_is_aborted(server: Server, sent: AssociateRequest | AssociateAccept) -> None:
    assert _abort_to(server, encode_pdu(sent), associated=True) == Abort(2, 2)


def test_a_pdu_above_the_advertised_maximum_is_aborted_on_its_header(server: Server) -> None:
    assert _abort_to(server, struct.pack(">BxI", 4, _MAX_PDU_LENGTH + 1), associated=True) == Abort(2, 6)


@pytest.mark.parametrize(
    "sent",
    [
        _values(_value(b"", length=0)),
        _values(_value(b"", length=1)),
        _values(_value(b"\0" * 8, length=0x100)),
        _values(_value(b"\0" * 8, length=0xFFFFFFFF)),
        _values(_value(b"", control=1), b"\0\0\0"),
        _values(),
    ],
    ids=["0", "1", "beyond", "4 GiB", "rest", "empty"],
)
def test_a_value_whose_length_lies_is_aborted(server: Server, sent: bytes) -> None:
    assert _abort_to(server, sent, associated=True) == Abort(2, 6)


@pytest.mark.parametrize("context_id", [0, 2, 99])
def test_a_value_on_a_context_that_was_not_accepted_is_aborted(server: Server, context_id: int) -> None:
    assert _abort_to(server, _values(_value(b"\0" * 8, context_id=context_id)), associated=True) == Abort(2, 5)
