"""Texts of query keys become matches as PS3.4 §C.2.2.2 has it, and nonsense is refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archimage.errors import InvalidQueryError
from archimage.model.query import Empty, Exact, Match, Range, UIDList, Universal, Wildcard
from archimage.services.matching import MAX_KEY_LENGTH, MAX_VALUES, MAX_WILDCARDS, parse_match

VRS = ("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "US", "UT")


@pytest.mark.parametrize(
    ("vr", "text", "match"),
    [
        ("LO", "", Universal()),
        ("LO", "   ", Universal()),
        ("PN", "*", Universal()),
        ("PN", "**", Universal()),
        ("DA", "*", Universal()),
        ("LO", " 123 ", Exact("123")),
        ("LO", "a%_b", Exact("a%_b")),
        ("PN", "Doe^J*", Wildcard("Doe^J*")),
        ("PN", "D?e", Wildcard("D?e")),
        ("PN", "a***b", Wildcard("a*b")),
        ("UI", "1.2.3", Exact("1.2.3")),
        ("UI", "1.2.3\0", Exact("1.2.3")),
        ("UI", "1.2\\1.3", UIDList(("1.2", "1.3"))),
        ("UI", "1.2\\1.2\\", UIDList(("1.2",))),
        ("UI", "1.2\\", Exact("1.2")),
        ("UI", "\\", Universal()),
        ("CS", "CT\\MR", UIDList(("CT", "MR"))),
        ("CS", "C*", Wildcard("C*")),
        ("LT", "a\\b", Exact("a\\b")),
        ("DA", "20240229", Exact("20240229")),
        ("DA", "2024.02.29", Exact("20240229")),
        ("DA", "20240101-20240131", Range("20240101", "20240131")),
        ("DA", "20240101-", Range("20240101", None)),
        ("DA", "-20240131", Range(None, "20240131")),
        ("DA", "20240101 - 20240131", Range("20240101", "20240131")),
        ("TM", "10", Exact("10")),
        ("TM", "10:30:15", Exact("103015")),
        ("TM", "235960.123456", Exact("235960.123456")),
        ("TM", "10-1130", Range("10", "1130")),
        ("DT", "20240229103015.5+0100", Exact("20240229103015.5+0100")),
        ("DT", "2024-0500", Exact("2024-0500")),
        ("DT", "2019-2024", Range("2019", "2024")),
        ("DT", "20240101-0500-20240201-0500", Range("20240101-0500", "20240201-0500")),
        ("DT", "20240101-0500-", Range("20240101-0500", None)),
        ("IS", "+12", Exact("+12")),
        ("DS", "1.5e3", Exact("1.5e3")),
        ("US", "512", Exact("512")),
        ("AS", "045Y", Exact("045Y")),
    ],
)
def test_a_value_means_what_its_vr_says(vr: str, text: str, match: Match) -> None:
    assert parse_match(text, vr) == match


@pytest.mark.parametrize(
    ("vr", "text"),
    [
        ("DA", "20230229"),
        ("DA", "2023"),
        ("DA", "20230101-20231301"),
        ("DA", "-"),
        ("DA", "20230101\\20230102"),
        ("DA", "２０２３０１０１"),
        ("TM", "24"),
        ("TM", "10:3"),
        ("DT", "20241301"),
        ("DT", "-"),
        ("UI", "1.2.*"),
        ("UI", "../../x"),
        ("UI", "1" * 65),
        ("UI", "1.2\\x"),
        ("CS", "CT\\M*"),
        ("IS", "1.5"),
        ("DS", "twelve"),
        ("US", "1\\2"),
        ("PN", "*a" * (MAX_WILDCARDS + 1)),
        ("LO", "x" * (MAX_KEY_LENGTH + 1)),
        ("UI", "\\".join(["1.2"] * (MAX_VALUES + 1))),
    ],
)
def test_nonsense_is_refused(vr: str, text: str) -> None:
    with pytest.raises(InvalidQueryError):
        parse_match(text, vr)


def test_a_list_may_be_as_long_as_the_limit() -> None:
    values = tuple(f"1.{number}" for number in range(MAX_VALUES))
    assert parse_match("\\".join(values), "UI") == UIDList(values)


@settings(max_examples=200)
@given(st.sampled_from(VRS), st.text(max_size=40))
def test_any_text_is_a_match_or_refused(vr: str, text: str) -> None:
    try:
        match = parse_match(text, vr)
    except InvalidQueryError:
        return
    assert isinstance(match, Match)


def test_two_quotation_marks_ask_for_no_value_only_where_that_was_agreed_on() -> None:
    for vr in ("LO", "PN", "DA", "UI", "IS"):
        assert parse_match('"" ', vr, empty_values=True) == Empty()
    assert parse_match('""', "LO") == Exact('""')
    assert parse_match("", "LO", empty_values=True) == Universal()
    assert parse_match('"a"', "LO", empty_values=True) == Exact('"a"')
