"""Data sets as plain trees."""

import struct

from archimage.dicom.elements import RawElement, iter_elements
from archimage.dicom.encode import encode_elements
from archimage.dicom.plain import PlainElement, plain_elements
from archimage.protocol.uids import EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN


def plain(*elements: tuple[int, str, bytes], syntax: str = EXPLICIT_VR_LITTLE_ENDIAN) -> list[PlainElement]:
    """Encode elements and read them."""
    return [*plain_elements(iter_elements(encode_elements(elements, syntax), syntax))]


def texts(*elements: tuple[int, str, bytes], syntax: str = EXPLICIT_VR_LITTLE_ENDIAN) -> list[str | None]:
    """Return their texts."""
    return [element.text for element in plain(*elements, syntax=syntax)]


def test_text_is_told_as_it_stands_without_its_padding() -> None:
    assert texts((0x00100020, "LO", b" 12 "), (0x00180050, "DS", b"1.50"), (0x00200013, "IS", b"+7")) == [
        *(" 12", "1.50", "+7")
    ]


def test_numbers_are_told_apart_in_both_byte_orders() -> None:
    for syntax, order in ((EXPLICIT_VR_LITTLE_ENDIAN, "<"), (EXPLICIT_VR_BIG_ENDIAN, ">")):
        values = (
            (0x00189074, "FD", struct.pack(f"{order}2d", 0.1, 1e300)),
            (0x00189075, "FL", struct.pack(f"{order}f", 178.0799255371)),
            (0x00280010, "US", struct.pack(f"{order}2H", 512, 1)),
            (0x00280009, "AT", struct.pack(f"{order}4H", 0x0018, 0x1063, 0x0018, 0x106A)),
        )
        assert texts(*values, syntax=syntax) == [
            "0.10000000000000001\\1.0000000000000001e+300",
            "178.07992553710938",
            "512\\1",
            "0018,1063\\0018,106a",
        ]


def test_of_binary_values_nothing_is_told() -> None:
    assert texts((0x00420011, "OB", b"%PDF"), (0x00091001, "UN", b"ab")) == [None, None]


def test_private_elements_know_who_reserved_their_block() -> None:
    creator, element, other = plain((0x00090010, "LO", b"MAKER "), (0x00091001, "LO", b"x "), (0x00091101, "LO", b"y "))
    assert (creator.keyword, creator.text) == ("PrivateCreator", "MAKER")
    assert (element.keyword, element.creator, other.creator) == ("", "MAKER", "")


def test_characters_are_those_of_the_nearest_character_set() -> None:
    def name() -> RawElement:
        return RawElement(0x00100010, "PN", 4, 0, memoryview("Jö".encode() + b" "))

    charset = RawElement(0x00080005, "CS", 10, 0, memoryview(b"ISO_IR 192"))
    latin = RawElement(0x00080005, "CS", 10, 0, memoryview(b"ISO_IR 100"))
    inner = ((name(),), (latin, name()))
    told = [*plain_elements([charset, name(), RawElement(0x00101002, "SQ", None, 0, inner)])]
    assert told[1].text == "Jö"
    assert told[2].items is not None
    assert [item[-1].text for item in told[2].items] == ["Jö", "JÃ¶"]


def test_padding_is_left_out_and_group_lengths_have_a_name() -> None:
    (length,) = plain((0x00100000, "UL", b"\4\0\0\0"), (0xFFFCFFFC, "OB", b"\0\0"))
    assert (length.keyword, length.text) == ("GenericGroupLength", "4")
