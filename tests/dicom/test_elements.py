"""The element tree equals pydicom's structure, and refuses what is broken."""

import struct
from contextlib import suppress
from pathlib import Path

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from archimage.dicom.elements import RawElement, iter_elements
from archimage.dicom.limits import ScanLimits
from archimage.errors import ExcessiveDatasetError, InvalidDatasetError
from tests.dicom.encoded import element, item, long_element, pixels, sequence
from tests.dicom.files import BROKEN, real_dataset, real_file, real_files

EXPLICIT = "1.2.840.10008.1.2.1"
PARSED = [path for path in real_files() if path.name not in {*BROKEN, "image_dfl.dcm"}]


def assert_same(elements: tuple[RawElement, ...], dataset: Dataset) -> None:
    """Compare tags and items, repeated tags once."""
    found = {one.tag: one for one in elements}
    assert sorted(found) == sorted(map(int, dataset.keys()))
    for tag, one in found.items():
        if one.vr == "SQ":
            assert len(one.items) == len(dataset[tag].value)
            for inner, entry in zip(one.items, dataset[tag].value, strict=True):
                assert_same(inner, entry)
        else:
            assert one.items == ()


@pytest.mark.parametrize("path", [pytest.param(path, id=path.name) for path in PARSED])
def test_every_real_file_has_the_structure_that_pydicom_reads(path: Path) -> None:
    meta, data = real_dataset(path)
    assert_same(tuple(iter_elements(data, meta.transfer_syntax_uid)), pydicom.dcmread(path))


def test_values_are_views_of_the_data_set() -> None:
    data = element(0x00100010, b"PN", b"A^B ") + pixels(b"ab", b"cd")
    name, encapsulated = iter_elements(data, EXPLICIT)
    assert name == RawElement(0x00100010, "PN", 4, 8, memoryview(data)[8:12])
    assert encapsulated.length is None
    assert [bytes(view) for view in encapsulated.value if isinstance(view, memoryview)] == [b"", b"ab", b"cd"]


def test_a_missing_vr_is_that_of_the_dictionary() -> None:
    data = (
        long_element(0x00100020, b"UN", b"P1")
        + long_element(0x00091001, b"UN", b"12")
        + element(9 << 16 | 16, b"ZZ", b"")
    )
    assert [element.vr for element in iter_elements(data, EXPLICIT)] == ["LO", "UN", "LO"]


@pytest.mark.parametrize("size", [0, 7])
def test_less_than_an_element_is_nothing_or_invalid(size: int) -> None:
    if size == 0:
        assert list(iter_elements(b"", EXPLICIT)) == []
        return
    with pytest.raises(InvalidDatasetError, match="cut short"):
        list(iter_elements(bytes(size), EXPLICIT))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (long_element(0x00091001, b"UN", b"12", 3), "runs beyond"),
        (long_element(0x00081140, b"SQ", element(0x00080060, b"CS", b"CT")), "no item"),
        (long_element(0x7FE00010, b"OB", element(0x00080060, b"CS", b"CT"), 0xFFFFFFFF), "no fragment"),
        (pixels(b"ab")[:-8], "cut short"),
        (sequence(0x00081140, b"", undefined=True)[:-8], "cut short"),
        (sequence(0x00081140, b"", undefined=True)[:-16], "cut short"),
        (element(0x00020010, b"UI", b""), "group 0002"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_broken_is_invalid(data: bytes, message: str) -> None:
    with pytest.raises(InvalidDatasetError, match=message):
        list(iter_elements(data, EXPLICIT))


def test_the_limits_of_a_scan_hold() -> None:
    data = item(b"")
    for _ in range(65):
        data = item(long_element(0x00081140, b"SQ", data))
    with pytest.raises(InvalidDatasetError, match="deeper than 64"):
        list(iter_elements(data[8:], EXPLICIT))
    with pytest.raises(ExcessiveDatasetError):
        list(iter_elements(element(0x00091001, b"LO", b"") * 9, EXPLICIT, ScanLimits(max_elements=8)))


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=300), start=st.integers(0, 400))
def test_random_bytes_raise_only_our_errors(data: bytes, start: int) -> None:
    blob = real_dataset(real_file("nested_priv_SQ.dcm"))[1][:start] + data
    for syntax in ("1.2.840.10008.1.2", EXPLICIT, "1.2.840.10008.1.2.2"):
        with suppress(InvalidDatasetError):
            assert sum(1 for _ in iter_elements(blob, syntax)) <= len(blob) // 8


def test_big_endian_elements_say_so() -> None:
    data = struct.pack(">HH2sHH", 0x0028, 0x0010, b"US", 2, 512)
    (rows,) = iter_elements(data, "1.2.840.10008.1.2.2")
    assert not rows.little
    assert isinstance(rows.value, memoryview)
    assert bytes(rows.value) == b"\x02\x00"
