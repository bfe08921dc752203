"""Merging keeps, replaces, fills or refuses, item by item."""

import copy

import pytest

from archimage.dicom.merge import MergePolicy, merge
from archimage.errors import InvalidDatasetError, MergeConflictError
from tests.dicom.invented import nested, too_deep


@pytest.mark.parametrize(
    ("policy", "patient_id", "codes"),
    [
        (MergePolicy.KEEP, "", ["A", "B"]),
        (MergePolicy.REPLACE, "2", ["C", "B"]),
        (MergePolicy.FILL, "2", ["A", "B"]),
    ],
)
def test_a_policy_decides_where_values_differ(policy: MergePolicy, patient_id: str, codes: list[str]) -> None:
    first, second = nested("", "A", "B"), nested("2", "C")
    second.Modality = "CT"
    before = copy.deepcopy((first, second))
    merged = merge(first, second, policy)
    assert merged.PatientID == patient_id
    assert [item.CodeValue for item in merged.ProcedureCodeSequence] == codes
    assert merged.Modality == "CT"
    assert (first, second) == before


def test_items_of_the_longer_sequence_are_kept_and_not_shared() -> None:
    second = nested("1", "A", "B")
    merged = merge(nested("1", "A"), second)
    assert [item.CodeValue for item in merged.ProcedureCodeSequence] == ["A", "B"]
    merged.ProcedureCodeSequence[1].CodeValue = "changed"
    assert second.ProcedureCodeSequence[1].CodeValue == "B"


def test_a_conflict_names_its_place() -> None:
    assert merge(nested("1", "A"), nested("1", "A"), MergePolicy.ERROR) == nested("1", "A")
    with pytest.raises(MergeConflictError, match=r"ProcedureCodeSequence\[0\]\.CodeValue differs"):
        merge(nested("1", "A"), nested("1", "B"), MergePolicy.ERROR)


def test_merging_is_bounded() -> None:
    deep = too_deep()
    with pytest.raises(InvalidDatasetError):
        merge(deep, deep)
