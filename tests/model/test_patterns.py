"""Bounds of texts, dates and times."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archimage.model.patterns import date_time_floor, has_offset, literal_prefix, successor, time_floor, to_utc

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)


@given(TEXT, TEXT)
def test_the_successor_bounds_what_begins_with_a_prefix_and_nothing_else(prefix: str, other: str) -> None:
    end = successor(prefix)
    assert end is None or prefix + other < end
    assert (prefix <= other and (end is None or other < end)) == other.startswith(prefix)


def test_the_successor_is_never_a_surrogate() -> None:
    assert successor("\ud7ff") == "\ue000"
    assert successor("a\U0010ffff") == "b"
    assert successor("\U0010ffff") is None


def test_the_literal_prefix_ends_at_the_first_wildcard() -> None:
    assert [literal_prefix(pattern) for pattern in ("a*b", "ab?", "*", "abc")] == ["a", "ab", "", "abc"]


@pytest.mark.parametrize(
    ("text", "shorter"),
    [("10", "10"), ("1000", "10"), ("100000.000", "10"), ("000000", "00"), ("1030", "1030"), ("100000.50", "100000.5")],
)
def test_a_time_loses_what_says_nothing(text: str, shorter: str) -> None:
    assert time_floor(text) == shorter


@pytest.mark.parametrize(
    ("text", "shorter"),
    [("20200101", "2020"), ("20200201000000", "202002"), ("202001021000", "2020010210"), ("2020", "2020")],
)
def test_a_date_time_loses_what_says_nothing(text: str, shorter: str) -> None:
    assert date_time_floor(text) == shorter


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("20200101120000+0100", "20200101110000.000000", "20200101110000.999999"),
        ("2020+0000", "20200101000000.000000", "20201231235959.999999"),
        ("202002-0530", "20200201053000.000000", "20200301052959.999999"),
        ("20201231235960.25+0000", "20201231235959.250000", "20201231235959.259999"),
        ("20200101", "20200101", "20200101"),
        ("20209901+0000", "20209901", "20209901"),
        ("99990101+0000", "99990101", "99990101"),
        ("20200101+9900", "20200101", "20200101"),
        ("nonsense+0100", "nonsense", "nonsense"),
    ],
)
def test_offsets_are_moved_to_utc_and_partial_values_to_their_ends(text: str, first: str, last: str) -> None:
    assert to_utc(text) == first
    assert to_utc(text, end=True) == last


def test_an_offset_is_a_sign_and_four_digits_at_the_end() -> None:
    assert has_offset("2020-0500")
    assert not has_offset("20200101120000.5")
    assert not has_offset("+0100")
