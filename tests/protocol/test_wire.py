"""Bounds-checked reading, PS3.8 §9.3.1."""

from struct import Struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archimage.errors import LocalProtocolError, RemoteProtocolError
from archimage.protocol.wire import Cursor, SplitHeader, decode_text, encode_item, encode_sized, encode_text


def test_numbers_are_big_endian() -> None:
    cursor = Cursor(bytes.fromhex("01 0203 04050607 08"))

    assert (cursor.u8(), cursor.u16(), cursor.u32(), cursor.remaining) == (0x01, 0x0203, 0x04050607, 1)


def test_reading_past_the_end_is_the_peers_fault() -> None:
    with pytest.raises(RemoteProtocolError, match="4 bytes announced, 3 present") as caught:
        Cursor(b"abc").u32()

    assert (caught.value.source, caught.value.reason) == (2, 6)


def test_rest_may_be_empty() -> None:
    assert Cursor(b"").rest() == b""


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=40)), max_size=5))
def test_items_round_trip(items: list[tuple[int, bytes]]) -> None:
    encoded = b"".join(encode_item(item_type, value) for item_type, value in items)

    assert list(Cursor(encoded).items()) == items


@pytest.mark.parametrize("encoded", ["5100", "51000004", "5100000500000000"])
def test_an_item_length_that_lies_is_refused(encoded: str) -> None:
    with pytest.raises(RemoteProtocolError):
        list(Cursor(bytes.fromhex(encoded)).items())


def test_an_item_that_is_too_long_is_our_fault() -> None:
    with pytest.raises(LocalProtocolError):
        encode_item(0x50, bytes(65536))
    with pytest.raises(LocalProtocolError):
        encode_sized(bytes(65536))


def test_the_longest_item_can_be_sent() -> None:
    assert Cursor(encode_sized(bytes(65535))).sized() == bytes(65535)


def test_padding_is_dropped_and_no_byte_is_refused() -> None:
    assert decode_text(b"  1.2.3\0") == "1.2.3"
    assert decode_text(b"CT ROOM 1       ") == "CT ROOM 1"
    assert decode_text(b"1.2\0.3") == "1.2\0.3"
    assert decode_text(bytes(range(0x80, 0x100))) == "".join(map(chr, range(0x80, 0x100)))


def test_characters_that_do_not_travel_become_question_marks() -> None:
    assert encode_text("Müller 山") == b"M\xfcller ?"


@pytest.mark.parametrize("cut", range(7))
def test_a_header_may_be_cut_anywhere(cut: int) -> None:
    header, data = SplitHeader(Struct(">BxI")), memoryview(bytes.fromhex("07 00 00000004"))

    first, position = header.read(data, 0, cut)
    fields, end = (first, position) if first else header.read(data, position, 6)

    assert (fields, end, header.missing) == ((7, 4), 6, 6)
    assert (first is None) == (cut < 6)
