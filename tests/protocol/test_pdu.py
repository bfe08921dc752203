"""The seven PDUs, PS3.8 §9.3."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archimage.errors import RemoteProtocolError
from archimage.protocol.items import UserIdentity, UserInformation
from archimage.protocol.pdu import (
    PDU,
    Abort,
    AssociateReject,
    AssociateRequest,
    PDUType,
    ReleaseRequest,
    ReleaseResponse,
    decode_pdu,
    encode_data_header,
    encode_pdu,
    pdu_header,
)
from archimage.protocol.wire import encode_item
from tests.protocol import strategies
from tests.protocol.joined import FULL_REQUEST, refusal


def _decode(encoded: bytes) -> PDU:
    pdu_type, length = pdu_header.unpack_from(encoded)
    assert length == len(encoded) - 6
    return decode_pdu(PDUType(pdu_type), encoded[6:])


def _longer(encoded: bytes, more: bytes) -> bytes:
    return encoded[6:] + more


@given(strategies.pdus)
def test_every_pdu_round_trips(pdu: PDU) -> None:
    assert _decode(encode_pdu(pdu)) == pdu


@pytest.mark.parametrize(
    ("pdu", "encoded"),
    [
        (AssociateReject(1, 2, 3), "03 00 00000004 00 01 02 03"),
        (ReleaseRequest(), "05 00 00000004 00000000"),
        (ReleaseResponse(), "06 00 00000004 00000000"),
        (Abort(2, 6), "07 00 00000004 0000 02 06"),
    ],
)
def test_short_pdus_have_the_bytes_of_the_standard(pdu: PDU, encoded: str) -> None:
    assert encode_pdu(pdu) == bytes.fromhex(encoded)


def test_a_request_opens_as_the_standard_says() -> None:
    encoded = encode_pdu(FULL_REQUEST)

    assert encoded[6:10] == bytes.fromhex("0001 0000")
    assert encoded[10:42] == b"SCP             SCU             "
    assert encoded[42:74] == bytes(32)
    assert encoded[74:78] == bytes.fromhex("10000015")


def test_a_data_header_counts_the_value_and_the_pdu() -> None:
    assert encode_data_header(3, 100, 0x02) == bytes.fromhex("04 00 0000006a 00000066 03 02")


def test_reserved_bytes_are_not_tested() -> None:
    encoded = bytearray(encode_pdu(FULL_REQUEST))
    encoded[1] = encoded[8] = encoded[9] = 0xFF
    encoded[42:74] = b"\xff" * 32

    assert _decode(bytes(encoded)) == FULL_REQUEST
    assert decode_pdu(PDUType.ABORT, b"\xff\xff\x02\x01") == Abort(2, 1)


def test_unknown_items_are_passed_over() -> None:
    body = _longer(encode_pdu(FULL_REQUEST), encode_item(0x77, b"?"))

    assert decode_pdu(PDUType.ASSOCIATE_RQ, body) == FULL_REQUEST


def test_two_user_identities_in_two_user_information_items_are_refused() -> None:
    identity = UserInformation(user_identity=UserIdentity(1, b"ann"))
    item = encode_item(0x50, encode_item(0x58, bytes.fromhex("0100 0003 616e6e 0000")))
    request = encode_pdu(replace(FULL_REQUEST, user_information=identity))

    with pytest.raises(RemoteProtocolError, match="58H"):
        decode_pdu(PDUType.ASSOCIATE_RQ, _longer(request, item))


def test_a_request_without_contexts_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="no presentation context"):
        _decode(encode_pdu(AssociateRequest("SCP", "SCU")))


def test_a_context_id_that_stands_twice_is_refused() -> None:
    twice = replace(FULL_REQUEST, contexts=FULL_REQUEST.contexts[:1] * 2)

    with pytest.raises(RemoteProtocolError, match="twice"):
        _decode(encode_pdu(twice))


@pytest.mark.parametrize("pdu_type", [PDUType.ASSOCIATE_RJ, PDUType.RELEASE_RQ, PDUType.RELEASE_RP, PDUType.ABORT])
@pytest.mark.parametrize("length", [0, 3, 5])
def test_short_pdus_have_four_bytes(pdu_type: PDUType, length: int) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_pdu(pdu_type, bytes(length))


def test_a_request_cut_anywhere_is_refused_or_says_less() -> None:
    body = encode_pdu(FULL_REQUEST)[6:]
    refused = 0

    for size in range(len(body)):
        try:
            assert decode_pdu(PDUType.ASSOCIATE_RQ, body[:size]) != FULL_REQUEST
        except RemoteProtocolError:
            refused += 1

    assert refused > 0.9 * len(body)


@given(st.sampled_from([kind for kind in PDUType if kind is not PDUType.DATA_TF]), st.binary(max_size=300))
def test_any_bytes_decode_or_are_refused(pdu_type: PDUType, body: bytes) -> None:
    assert refusal(lambda: decode_pdu(pdu_type, body)) in {None, (2, 6)}
