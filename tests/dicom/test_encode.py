"""Flat encoding equals pydicom's writer; identifiers are bounded before they are decoded."""

import zlib

import pydicom
import pytest
from hypothesis import given, settings
from pydicom.dataset import Dataset

from archimage.dicom.encode import decode_identifier, encode_dataset, encode_elements, encode_items
from archimage.dicom.limits import ScanLimits
from archimage.errors import ExcessiveDatasetError, InvalidDatasetError
from tests.dicom.encoded import long_element
from tests.dicom.strategies import SYNTAXES, datasets

IMPLICIT, EXPLICIT, BIG, DEFLATED = SYNTAXES
ELEMENTS = [
    (0x00080005, "CS", b"ISO_IR 192"), (0x00080018, "UI", b"1.2.3"), (0x00080050, "SH", b"A1 2"),
    (0x00080119, "UC", b"x"), (0x00091010, "OB", b"abc"), (0x00100010, "PN", b"A^B"), (0x00201206, "IS", b"12"),
]  # fmt: skip


def dataset() -> Dataset:
    """The same as ELEMENTS, by way of pydicom."""
    same = Dataset()
    same.SpecificCharacterSet, same.SOPInstanceUID, same.AccessionNumber = "ISO_IR 192", "1.2.3", "A1 2"
    same.add_new(0x00080119, "UC", "x")
    same.add_new(0x00091010, "OB", b"abc\0")
    same.PatientName, same.NumberOfStudyRelatedSeries = "A^B", 12
    return same


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_elements_are_encoded_as_pydicom_encodes_them(syntax: str) -> None:
    encoded = encode_elements(ELEMENTS, syntax)
    assert encoded == encode_dataset(dataset(), syntax)
    assert len(encoded) % 2 == 0
    assert encode_dataset(decode_identifier(encoded, syntax), syntax) == encoded


@pytest.mark.parametrize("syntax", SYNTAXES[:3])
def test_items_are_encoded_as_pydicom_encodes_them(syntax: str) -> None:
    outer = Dataset()
    outer.ReferencedImageSequence = [dataset(), Dataset()]
    value = encode_items([ELEMENTS, []], syntax)
    assert encode_elements([(0x00081140, "SQ", value)], syntax) == encode_dataset(outer, syntax)


def test_a_value_too_long_for_its_vr_is_refused() -> None:
    assert len(encode_elements([(0x00100010, "PN", bytes(0xFFFE))], EXPLICIT)) == 0xFFFE + 8
    with pytest.raises(InvalidDatasetError, match="too long for PN"):
        encode_elements([(0x00100010, "PN", bytes(0xFFFF))], EXPLICIT)


@pytest.mark.parametrize("syntax", SYNTAXES)
@settings(max_examples=30, deadline=None)
@given(random=datasets())
def test_data_sets_come_back_as_they_were(syntax: str, random: Dataset) -> None:
    encoded = encode_dataset(random, syntax)
    assert encode_dataset(decode_identifier(encoded, syntax), syntax) == encoded


def test_a_value_that_does_not_fit_its_vr_is_not_encoded() -> None:
    wrong = Dataset()
    wrong.add(pydicom.DataElement(0x00280010, "US", "many"))
    with pytest.raises(InvalidDatasetError, match="cannot be encoded"):
        encode_dataset(wrong, EXPLICIT)


def test_an_identifier_is_bounded_before_it_is_decoded() -> None:
    data = encode_elements(ELEMENTS, EXPLICIT)
    with pytest.raises(ExcessiveDatasetError):
        decode_identifier(data, EXPLICIT, ScanLimits(max_elements=3))
    with pytest.raises(InvalidDatasetError):
        decode_identifier(data[:-1], EXPLICIT)
    with pytest.raises(ExcessiveDatasetError):
        decode_identifier(zlib.compress(long_element(0x00091001, b"UN", bytes(40 << 20)), wbits=-15), DEFLATED)


def test_a_character_set_that_pydicom_cannot_look_up_is_invalid() -> None:
    with pytest.raises(InvalidDatasetError, match="cannot be decoded"):
        decode_identifier(encode_elements([(0x00080005, "CS", b"A\0B")], EXPLICIT), EXPLICIT)
