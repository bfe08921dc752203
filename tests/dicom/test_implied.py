"""A VR that the bytes do not give is that of a dictionary, and always one of the standard's."""

import pytest
from pydicom._dicom_dict import DicomDictionary, RepeatersDictionary
from pydicom._private_dict import private_dictionaries

from archimage.dicom.implied import LUT_DATA, SIGNED_BY_PIXELS, choose_vr, implied_vr
from archimage.dicom.layout import KNOWN_VRS


@pytest.mark.parametrize(
    ("tag", "creator", "vr"),
    [
        (0x00100010, "", "PN"), (0x7FE00010, "", "OW"), (0x60003000, "", "OW"), (0x60020010, "", "US"),
        (0x00100000, "", "UL"), (0x00109999, "", "UN"), (0x00280106, "", SIGNED_BY_PIXELS), (0x00283006, "", LUT_DATA),
        (0x00281200, "", "OW"),
        (0x00090010, "", "LO"), (0x000900FF, "X", "LO"), (0x00090001, "X", "UN"), (0x00091001, "", "UN"),
        (0x00091002, "GEMS_IDEN_01", "SH"), (0x00097702, "GEMS_IDEN_01", "SH"), (0x00091002, "UNKNOWN", "UN"),
    ],
)  # fmt: skip
def test_the_dictionaries_are_asked(tag: int, creator: str, vr: str) -> None:
    assert implied_vr(tag, creator) == vr


@pytest.mark.parametrize(
    ("vr", "size", "signed", "chosen"),
    [
        (LUT_DATA, 2, None, "US"), (LUT_DATA, 4, None, "OW"), (SIGNED_BY_PIXELS, 2, True, "SS"),
        (SIGNED_BY_PIXELS, 2, False, "US"), (SIGNED_BY_PIXELS, 2, None, SIGNED_BY_PIXELS), ("PN", 2, True, "PN"),
    ],
)  # fmt: skip
def test_what_depends_on_other_elements_is_chosen(vr: str, size: int, *, signed: bool | None, chosen: str) -> None:
    assert choose_vr(vr, size_bytes=size, signed=signed) == chosen


def test_every_entry_of_the_dictionaries_leads_to_a_vr() -> None:
    public = {implied_vr(tag, "") for tag in DicomDictionary if tag >> 16 != 0xFFFE}
    repeated = {implied_vr(int(mask.replace("x", "0"), 16), "") for mask in RepeatersDictionary}
    private = {
        implied_vr(int(mask.replace("xxxx", "0010").replace("xx", "10"), 16), creator)
        for creator, entries in private_dictionaries.items()
        for mask in entries
    }
    assert public | repeated | private <= KNOWN_VRS | {LUT_DATA, SIGNED_BY_PIXELS}
