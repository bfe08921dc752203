"""Paths of bulk values come back as they were, and nothing else is one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archimage.dicom.bulk import BulkPath, format_bulk_path, parse_bulk_path
from archimage.errors import InvalidDatasetError, InvalidPathError

_TAGS = st.integers(0, 0xFFFFFFFF)
_PATHS = st.builds(
    lambda first, further: (first, *(part for pair in further for part in pair)),
    _TAGS,
    st.lists(st.tuples(st.integers(1, 999_999_999), _TAGS), max_size=5),
)


@given(path=_PATHS)
def test_a_path_comes_back_as_it_was(path: BulkPath) -> None:
    assert parse_bulk_path(format_bulk_path(path)) == path


def test_items_count_from_one_and_tags_have_eight_digits() -> None:
    assert format_bulk_path((0x00880200, 1, 0x7FE00010)) == "00880200/1/7FE00010"
    assert parse_bulk_path("0042001a") == (0x0042001A,)


@pytest.mark.parametrize(
    "text",
    [
        "", "/", "0042001", "004200111", "00420011/", "00420011/1", "00420011/0/00420011", "00420011/1/", "x0420011",
        "../00420011", "00420011/-1/00420011", "00420011/1/00420011\n", "٠٠٤٢٠٠١١", "00420011/1234567890/00420011",
    ],
)  # fmt: skip
def test_what_names_no_element_is_refused(text: str) -> None:
    with pytest.raises(InvalidPathError):
        parse_bulk_path(text)


def test_a_path_is_no_deeper_than_a_data_set() -> None:
    with pytest.raises(InvalidDatasetError):
        parse_bulk_path("00420011" + "/1/00420011" * 65)
