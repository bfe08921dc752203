"""Rules say which pixels of which images hold text; wrong ones are not read."""

import pytest
from pydicom.dataset import Dataset

from archimage.dicom.deidentify.regions import Blanking, Rectangle, blanking_of, parse_rules
from archimage.errors import ConfigError, InvalidDatasetError

RULE = """
[[rule]]
modality = "US"
manufacturer = "maker"
model = "scan"
rows = 480
columns = 640
blank = [[0, 0, 640, 40], [600, 40, 40, 440]]

[[rule]]
modality = "OT"
blank = []
"""


def ultrasound(*corners: tuple[int, int, int, int]) -> Dataset:
    header = Dataset()
    header.Modality, header.Manufacturer, header.ManufacturerModelName = "US", "The MAKER Inc.", "Scanner 7"
    header.Rows, header.Columns, header.SequenceOfUltrasoundRegions = 480, 640, []
    for left, top, right, bottom in corners:
        region = Dataset()
        region.RegionLocationMinX0, region.RegionLocationMinY0 = left, top
        region.RegionLocationMaxX1, region.RegionLocationMaxY1 = right, bottom
        header.SequenceOfUltrasoundRegions.append(region)
    return header


def test_of_ultrasound_all_but_its_regions_is_blanked() -> None:
    kept = (Rectangle(10, 20, 111, 221), Rectangle(300, 0, 400, 100))
    assert blanking_of(ultrasound((10, 20, 110, 220), (300, 0, 399, 99)), ()) == Blanking(keep=kept)
    assert blanking_of(ultrasound(), ()) is None


def test_the_first_rule_of_the_user_that_fits_counts() -> None:
    rules = parse_rules(RULE)
    found = blanking_of(ultrasound((0, 0, 9, 9)), rules)
    assert found == Blanking((Rectangle(0, 0, 640, 40), Rectangle(600, 40, 640, 480)))
    other = ultrasound((0, 0, 9, 9))
    other.Rows = 481
    assert blanking_of(other, rules) == Blanking(keep=(Rectangle(0, 0, 10, 10),))
    scan = Dataset()
    scan.Modality = "OT"
    found = blanking_of(scan, rules)
    assert found is not None
    assert not found
    scan.Modality = "CT"
    assert blanking_of(scan, rules) is None


@pytest.mark.parametrize(
    "text",
    [
        "rule = 5",
        "[[rule]]\nmodality = ",
        '[[rule]]\nmodality = "US"',
        '[[rule]]\nkeep = "everything"',
        '[[rule]]\nkeep = "ultrasound-regions"\nblank = []',
        "[[rule]]\nblank = [[0, 0, 0, 5]]",
        "[[rule]]\nblank = [[0, 0, 5]]",
        "[[rule]]\nmodalty = 'US'\nblank = []",
    ],
)
def test_rules_that_are_wrong_are_told(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_rules(text)


def test_regions_that_are_none_are_an_error() -> None:
    header = ultrasound((0, 0, 9, 9))
    del header.SequenceOfUltrasoundRegions[0].RegionLocationMaxX1
    with pytest.raises(InvalidDatasetError):
        blanking_of(header, ())
