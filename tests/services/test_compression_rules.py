"""Which objects wait to be compressed."""

from typing import get_args

import pytest

from archimage.config import Compression
from archimage.dicom.scan import scan
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN
from archimage.services.attributes import WANTED
from archimage.services.compression_rules import TARGETS, CompressionRules
from tests.attacks.datasets import PIXEL_DATA, dataset

HEADER = scan(dataset("1.2"), EXPLICIT_VR_LITTLE_ENDIAN, WANTED)
HTJ2K = "1.2.840.10008.1.2.4.201"


def test_the_settings_know_the_same_names() -> None:
    assert set(get_args(Compression)) == set(TARGETS)


@pytest.mark.parametrize(
    ("rules", "modality", "target"),
    [
        ({}, "CT", ""),
        ({"CT": "htj2k-lossless"}, "CT", HTJ2K),
        ({"CT": "htj2k-lossless"}, "ct", HTJ2K),
        ({"CT": "htj2k-lossless"}, "MR", ""),
        ({"*": "htj2k-lossless"}, "MR", HTJ2K),
        ({"*": "htj2k-lossless"}, "", HTJ2K),
        ({"*": "htj2k-lossless", "US": "none"}, "US", ""),
        ({"*": "rle-lossless", "CT": "htj2k-lossless"}, "CT", HTJ2K),
    ],
)
def test_the_rule_of_the_modality_counts_and_else_that_of_all_others(
    rules: dict[str, str], modality: str, target: str
) -> None:
    values = {"modality": modality} if modality else {}
    assert CompressionRules(rules).target(HEADER, values, EXPLICIT_VR_LITTLE_ENDIAN) == target


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.5"])
def test_what_is_compressed_already_stays_as_it_is(syntax: str) -> None:
    assert CompressionRules({"*": "htj2k-lossless"}).target(HEADER, {}, syntax) == ""


def test_what_has_no_pixel_data_stays_as_it_is() -> None:
    header = scan(dataset("1.2", left_out=frozenset({PIXEL_DATA})), EXPLICIT_VR_LITTLE_ENDIAN, WANTED)
    assert CompressionRules({"*": "htj2k-lossless"}).target(header, {}, EXPLICIT_VR_LITTLE_ENDIAN) == ""
