"""Differences are found at any depth and named by their paths."""

import pytest

from archimage.dicom.diff import Change, diff
from archimage.errors import InvalidDatasetError
from tests.dicom.invented import nested, too_deep


def test_equal_data_sets_do_not_differ() -> None:
    assert diff(nested("1", "A"), nested("1", "A")) == []


def test_each_difference_has_its_path_and_kind() -> None:
    first, second = nested("1", "A", "B", "C"), nested("2", "A", "D")
    first.Modality, second.Manufacturer = "CT", "M"
    assert [(found.path, found.change) for found in diff(first, second)] == [
        ("Modality", Change.REMOVED),
        ("Manufacturer", Change.ADDED),
        ("ProcedureCodeSequence[1].CodeValue", Change.CHANGED),
        ("ProcedureCodeSequence[2]", Change.REMOVED),
        ("PatientID", Change.CHANGED),
    ]
    changed = diff(first, second)[-1]
    assert changed.before == first["PatientID"]
    assert changed.after == second["PatientID"]


def test_an_item_more_is_added() -> None:
    (found,) = diff(nested("1"), nested("1", "A"))
    assert (found.path, found.change, found.before) == ("ProcedureCodeSequence[0]", Change.ADDED, None)


def test_comparing_is_bounded() -> None:
    deep = too_deep()
    with pytest.raises(InvalidDatasetError):
        diff(deep, deep)
