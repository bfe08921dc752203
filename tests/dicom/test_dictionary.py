"""The dictionary, read without pydicom around it, says what pydicom says."""

from collections.abc import Callable

import pytest
from pydicom import datadict
from pydicom._dicom_dict import DicomDictionary, RepeatersDictionary
from pydicom._private_dict import private_dictionaries

from archimage.dicom.dictionary import dictionary_vr, keyword_of_tag, private_vrs, public_vrs, tag_of_keyword

TAGS = sorted(DicomDictionary)
REPEATED = [int(mask.replace("x", digit), 16) for mask in RepeatersDictionary for digit in "02E"]
UNKNOWN = [0x00109999, 0x60FE9999, 0x00100000]


def _told(lookup: Callable[..., str], *arguments: object) -> str:
    try:
        return lookup(*arguments)
    except KeyError:
        return "UN"


@pytest.mark.parametrize("tags", [TAGS, REPEATED, UNKNOWN], ids=["single", "repeating", "unknown"])
def test_public_entries_are_those_of_pydicom(tags: list[int]) -> None:
    assert [keyword_of_tag(tag) for tag in tags] == [datadict.keyword_for_tag(tag) for tag in tags]
    assert [public_vrs(tag) for tag in tags] == [_told(datadict.dictionary_VR, tag) for tag in tags]


def test_private_entries_are_those_of_pydicom_in_every_block() -> None:
    asked = [
        (int(mask.replace("xxxx", f"00{block}").replace("xx", block), 16), creator)
        for creator, entries in private_dictionaries.items()
        for mask in entries
        for block in ("10", "FF")
    ]
    found = [private_vrs(tag, creator) for tag, creator in asked]
    assert found == [_told(datadict.private_dictionary_VR, tag, creator) for tag, creator in asked]
    assert private_vrs(0x00091002, "nobody") == "UN"


def test_a_keyword_leads_to_its_tag_and_back() -> None:
    assert [tag_of_keyword(keyword_of_tag(tag)) for tag in TAGS if keyword_of_tag(tag)] == [
        tag for tag in TAGS if DicomDictionary[tag][4]
    ]
    assert tag_of_keyword("NoSuchKeyword") is None


@pytest.mark.parametrize(
    ("tag", "vr"), [(0x00280106, "US"), (0x60003000, "OB"), (0x00090010, "LO"), (0x00100000, "UL")]
)
def test_of_several_vrs_the_first_counts(tag: int, vr: str) -> None:
    assert dictionary_vr(tag) == vr
