"""Matching of data sets that are kept whole, and that it agrees with what the index does in SQL."""

import time

import pytest

from archimage.services.datasets import Model, attribute, made
from archimage.services.identifiers import Key
from archimage.services.modelmatching import matches, parse, selected

STEP = made(
    attribute(0x00080060, "CT"),
    attribute(0x00400001, "ONE", "TWO"),
    attribute(0x00400002, "20261129"),
    attribute(0x00400003, "103000"),
)
OTHER = made(attribute(0x00080060, "MR"), attribute(0x00400002, "20261130"))
MODEL: Model = made(
    attribute(0x00080050, "ACC-1"),
    attribute(0x00100010, "M\u00fcller^J\u00f6rg=\u5c71\u7530^\u592a\u90ce"),
    attribute(0x00100020, "DEMO-1"),
    attribute(0x0020000D, "1.2.3"),
    attribute(0x00101030, 71.5),
    attribute(0x00404005, "20261129103000+0100"),
    attribute(0x00400100, STEP, OTHER),
)


def _key(tag: int, vr: str, value: str) -> Key:
    return Key(tag, vr, value)


def _matches(*keys: Key) -> bool:
    return matches(MODEL, parse(keys))


@pytest.mark.parametrize(
    ("tag", "vr", "value", "expected"),
    [
        (0x00100020, "LO", "DEMO-1", True),
        (0x00100020, "LO", "demo-1", False),
        (0x00100020, "LO", "DEMO*", True),
        (0x00100020, "LO", "?EMO-1", True),
        (0x00100020, "LO", "*.*", False),
        (0x00100020, "LO", "", True),
        (0x00100020, "LO", "OTHER\\DEMO-1", True),
        (0x00100010, "PN", "muller^jorg", True),
        (0x00100010, "PN", "MUELLER*", True),
        (0x00100010, "PN", "\u5c71\u7530*", True),
        (0x00100010, "PN", "Miller*", False),
        (0x0020000D, "UI", "1.2.4\\1.2.3", True),
        (0x0020000D, "UI", "1.2.4", False),
        (0x00101030, "DS", "71.50", True),
        (0x00101030, "DS", "71", False),
        (0x00404005, "DT", "20261129", True),
        (0x00404005, "DT", "20261129093000-20261129093000", True),
        (0x00404005, "DT", "20261129100000-", False),
        (0x00080090, "PN", "Anybody", False),
        (0x00080090, "PN", "", True),
    ],
)
def test_a_key_matches_as_the_standard_says(tag: int, vr: str, value: str, expected: bool) -> None:
    assert _matches(_key(tag, vr, value)) is expected


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ((_key(0x00080060, "CS", "CT"), _key(0x00400002, "DA", "20261129")), True),
        ((_key(0x00080060, "CS", "CT"), _key(0x00400002, "DA", "20261130")), False),
        ((_key(0x00080060, "CS", "MR"), _key(0x00400002, "DA", "20261129-20261130")), True),
        ((_key(0x00400003, "TM", "10"),), True),
        ((_key(0x00400003, "TM", "1031-"),), False),
        ((_key(0x00400001, "AE", "TWO"),), True),
        ((), True),
    ],
)
def test_keys_of_a_sequence_are_met_by_one_item(keys: tuple[Key, ...], expected: bool) -> None:
    assert _matches(Key(0x00400100, "SQ", "", (keys,))) is expected


def test_what_is_asked_for_comes_back_and_empty_where_it_is_not_known() -> None:
    wanted = parse(
        (
            _key(0x00080050, "SH", ""),
            _key(0x00080090, "PN", ""),
            Key(0x00400100, "SQ", "", ((_key(0x00080060, "CS", "MR"), _key(0x00400006, "PN", "")),)),
            Key(0x00081110, "SQ", "", ()),
        )
    )
    assert selected(MODEL, wanted) == {
        "00080050": MODEL["00080050"],
        "00080090": {"vr": "PN"},
        "00400100": {"vr": "SQ", "Value": [{"00080060": OTHER["00080060"], "00400006": {"vr": "PN"}}]},
        "00081110": {"vr": "SQ"},
    }


def test_a_sequence_without_keys_comes_whole() -> None:
    assert selected(MODEL, parse((Key(0x00400100, "SQ", "", ()),))) == {"00400100": MODEL["00400100"]}


def test_a_pattern_of_many_stars_takes_no_time() -> None:
    model = made(attribute(0x00100020, "a" * 5_000 + "b"))
    began = time.monotonic()
    assert not matches(model, parse((_key(0x00100020, "LO", "*a" * 15 + "*c"),)))
    assert time.monotonic() - began < 1
