"""A header formats numbers and tags as text and falls back on the dictionary for a missing VR."""

import struct

import pytest

from archimage.dicom.header import format_value
from archimage.dicom.scan import scan
from tests.dicom.encoded import element, long_element, sequence

IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"


@pytest.mark.parametrize(
    ("raw", "vr", "text"),
    [
        (b"\x01\x02\xff\xff", "US", "513\\65535"),
        (b"\xff\xff", "SS", "-1"),
        (struct.pack("<i", -7), "SL", "-7"),
        (struct.pack("<2I", 7, 8), "UL", "7\\8"),
        (struct.pack("<f", 0.5), "FL", "0.5"),
        (struct.pack("<d", 0.1), "FD", "0.1"),
        (struct.pack("<q", -(1 << 40)), "SV", str(-(1 << 40))),
        (struct.pack("<Q", 1 << 63), "UV", str(1 << 63)),
        (b"\x08\x00\x18\x00", "AT", "00080018"),
        (b"\x01\x02\x03", "US", "513"),
        (b"\x08\x00\x18", "AT", ""),
        (b"", "US", ""),
    ],
)
def test_numbers_and_tags_are_text(raw: bytes, vr: str, text: str) -> None:
    assert format_value(raw, vr, None, little=True) == text


def test_big_endian_numbers_are_read_as_such() -> None:
    data = struct.pack(">HH2sHH", 0x0028, 0x0010, b"US", 2, 512)
    assert scan(data, BIG, frozenset({0x00280010})).text(0x00280010) == "512"


@pytest.mark.parametrize(("representation", "text"), [(b"\0\0", "65535"), (b"\1\0", "-1")])
def test_pixel_representation_decides_us_or_ss(representation: bytes, text: str) -> None:
    data = struct.pack("<HHI", 0x28, 0x103, 2) + representation + struct.pack("<HHI", 0x28, 0x106, 2) + b"\xff\xff"
    assert scan(data, IMPLICIT, frozenset({0x00280106})).text(0x00280106) == text


def test_un_takes_the_dictionary_s_vr() -> None:
    data = long_element(0x00100020, b"UN", b"P1 ") + long_element(0x00280010, b"UN", b"\0 ")
    header = scan(data, EXPLICIT, frozenset({0x00100020, 0x00280010, 0x00100010}))
    assert (header.text(0x00100020), header.text(0x00280010), header.text(0x00100010)) == ("P1", "8192", None)
    assert header.raw(0x00280010) == b"\0 "


def test_an_item_s_own_character_set_rules_it() -> None:
    name = element(0x00100010, b"PN", b"\xe9")
    data = element(0x00080005, b"CS", b"ISO_IR 101") + sequence(
        0x00081140, element(0x00080005, b"CS", b"ISO_IR 144") + name
    )
    header = scan(
        data + sequence(0x00081199, name), EXPLICIT, frozenset({(0x00081140, 0x00100010), (0x00081199, 0x00100010)})
    )
    assert header.texts(0x00081140, 0x00100010) == ("щ",)
    assert header.texts(0x00081199, 0x00100010) == ("é",)
    assert header.texts(0x00400275, 0x00100010) == ()
