"""Layouts agree with pydicom's dictionary and transfer syntaxes."""

import pydicom
import pytest
from pydicom.valuerep import EXPLICIT_VR_LENGTH_16, EXPLICIT_VR_LENGTH_32

from archimage.dicom.dictionary import dictionary_vr
from archimage.dicom.layout import (
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_BIG,
    IMPLICIT_LITTLE,
    LONG_VRS,
    SHORT_VRS,
    Layout,
    layout_of,
    sniff_item,
)


def test_the_34_vrs_are_those_of_pydicom() -> None:
    assert {str(vr.value) for vr in EXPLICIT_VR_LENGTH_16} == SHORT_VRS
    assert {str(vr.value) for vr in EXPLICIT_VR_LENGTH_32} == LONG_VRS
    assert len(SHORT_VRS | LONG_VRS) == 34


@pytest.mark.parametrize("uid", sorted(map(str, pydicom.uid.AllTransferSyntaxes)))
def test_every_transfer_syntax_has_the_layout_that_pydicom_gives_it(uid: str) -> None:
    theirs = pydicom.uid.UID(uid)
    layout = layout_of(uid)
    assert layout.explicit is not theirs.is_implicit_VR
    assert layout.little is theirs.is_little_endian


@pytest.mark.parametrize("layout", [IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG, IMPLICIT_BIG])
def test_a_key_is_the_tag_as_it_is_read(layout: Layout) -> None:
    order = "little" if layout.little else "big"
    raw = (0x0008).to_bytes(2, order) + (0x1140).to_bytes(2, order)  # type: ignore[arg-type]
    assert layout.key(0x00081140) == layout.word.unpack(raw)[0]
    assert layout.key(layout.key(0x00081140)) == 0x00081140


@pytest.mark.parametrize(
    ("tag", "vr"),
    [
        (0x00100010, "PN"),
        (0x00280106, "US"),
        (0x00080000, "UL"),
        (0x00090010, "LO"),
        (0x00091010, "UN"),
        (0x66601000, "UN"),
    ],
)
def test_the_dictionary_names_one_vr(tag: int, vr: str) -> None:
    assert dictionary_vr(tag) == vr


def test_an_item_without_capitals_is_implicit() -> None:
    assert sniff_item(EXPLICIT_BIG, b"\0\x08\0\x60\0\0\0\2", 0) is IMPLICIT_BIG
    assert sniff_item(EXPLICIT_LITTLE, b"\x08\0\x60\0\2\0\0\0", 0) is IMPLICIT_LITTLE
    assert sniff_item(EXPLICIT_LITTLE, b"\x08\0\x60\0CS\2\0", 0) is EXPLICIT_LITTLE
    assert sniff_item(IMPLICIT_LITTLE, b"\x08\0\x60\0CS\2\0", 0) is IMPLICIT_LITTLE
