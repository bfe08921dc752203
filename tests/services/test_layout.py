"""Tests of services.layout."""

import pytest

from archimage.services.layout import Layout, replacement_path

_VALUES = {"study_instance_uid": "1.2", "series_instance_uid": "1.3", "sop_instance_uid": "1.4"}


def test_the_layout_by_uid_is_study_series_instance() -> None:
    assert Layout.UID.path(_VALUES, 0.0) == "1.2/1.3/1.4.dcm"


@pytest.mark.parametrize(
    ("date", "path"),
    [
        ("20240229", "2024/02/29/1.4.dcm"),
        ("", "1970/01/02/1.4.dcm"),
        ("2024", "1970/01/02/1.4.dcm"),
        ("../../..", "1970/01/02/1.4.dcm"),
        ("२०२४०२२९", "1970/01/02/1.4.dcm"),
        ("20240229\n", "1970/01/02/1.4.dcm"),
    ],
)
def test_the_layout_by_date_takes_the_study_date_or_the_day_of_arrival(date: str, path: str) -> None:
    assert Layout.DATE.path(_VALUES | {"study_date": date}, 86_400.0) == path


def test_a_replacement_stands_beside_what_it_replaces() -> None:
    assert replacement_path("1.2/1.3/1.4.dcm", bytes(range(16))) == "1.2/1.3/1.4-0001020304050607.dcm"


def test_a_path_does_not_grow_with_each_replacement() -> None:
    first = replacement_path("1.2/1.3/1.4.dcm", bytes(16))
    assert first == "1.2/1.3/1.4-0000000000000000.dcm"
    assert replacement_path(first, b"\1" * 16) == "1.2/1.3/1.4-0101010101010101.dcm"
