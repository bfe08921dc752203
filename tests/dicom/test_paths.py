"""Attribute paths name, set and delete elements at any depth."""

import pytest
from pydicom.dataset import Dataset

from archimage.dicom.paths import ALL, Step, delete_path, find_paths, format_step, get_path, parse_path, set_path
from archimage.errors import InvalidDatasetError, InvalidPathError
from tests.dicom.invented import too_deep


def study() -> Dataset:
    """A data set with two items, the second of which nests another."""
    inner = Dataset()
    inner.CodeValue = "C1"
    first, second = Dataset(), Dataset()
    first.CodeValue = "A1"
    second.CodeValue, second.PurposeOfReferenceCodeSequence = "B1", [inner]
    dataset = Dataset()
    dataset.PatientName, dataset.ProcedureCodeSequence = "A^B", [first, second]
    dataset.add_new(0x00091001, "LO", "private")
    return dataset


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("PatientName", ["A^B"]),
        ("(0010,0010)", ["A^B"]),
        ("00100010", ["A^B"]),
        ("(0009,1001)", ["private"]),
        ("ProcedureCodeSequence[0].CodeValue", ["A1"]),
        ("(0008,1032)[*].00080100", ["A1", "B1"]),
        ("ProcedureCodeSequence[*].PurposeOfReferenceCodeSequence[0].CodeValue", ["C1"]),
        ("ProcedureCodeSequence[2].CodeValue", []),
        ("PatientID", []),
        ("PurposeOfReferenceCodeSequence[0].CodeValue", []),
    ],
)
def test_a_path_gives_the_values_it_names(path: str, values: list[str]) -> None:
    assert get_path(study(), path) == values


def test_a_final_index_gives_items() -> None:
    dataset = study()
    assert get_path(dataset, "ProcedureCodeSequence[1]") == [dataset.ProcedureCodeSequence[1]]
    assert get_path(dataset, "ProcedureCodeSequence[*]") == list(dataset.ProcedureCodeSequence)


@pytest.mark.parametrize(
    "path",
    ["", ".", "PatientName.", "patientName", "NoSuchKeyword", "ProcedureCodeSequence.CodeValue", "A[1", "(0010,001)",
     "ProcedureCodeSequence[-1]", "ProcedureCodeSequence[9999999]", "PatientName[0]"],
)  # fmt: skip
def test_a_path_that_cannot_be_read_is_refused(path: str) -> None:
    with pytest.raises(InvalidPathError):
        get_path(study(), path)


def test_a_path_too_deep_is_refused() -> None:
    with pytest.raises(InvalidDatasetError):
        parse_path("ProcedureCodeSequence[0]." * 65 + "CodeValue")


def test_a_path_is_parsed_into_steps() -> None:
    assert parse_path("ProcedureCodeSequence[*].CodeValue") == (Step(0x00081032, ALL), Step(0x00080100))
    assert Step(0x00080100).vr == "SH"
    assert format_step(0x00091001, 3) == "(0009,1001)[3]"


def test_setting_reaches_every_place_and_makes_the_next_item() -> None:
    dataset = study()
    assert set_path(dataset, "ProcedureCodeSequence[*].CodeMeaning", "M") == 2
    assert get_path(dataset, "ProcedureCodeSequence[*].CodeMeaning") == ["M", "M"]
    assert set_path(dataset, "ProcedureCodeSequence[2].CodeValue", "N") == 1
    assert set_path(dataset, "ProcedureCodeSequence[0].CodeValue", "A2") == 1
    assert get_path(dataset, "ProcedureCodeSequence[*].CodeValue") == ["A2", "B1", "N"]
    assert set_path(dataset, "OtherPatientIDsSequence[0].PatientID", "P2") == 1
    assert dataset.OtherPatientIDsSequence[0].PatientID == "P2"
    assert set_path(dataset, "ReferencedStudySequence[*].PatientID", "P2") == 0
    assert "ReferencedStudySequence" not in dataset


def test_setting_keeps_the_vr_unless_told() -> None:
    dataset = study()
    set_path(dataset, "(0009,1001)", "other")
    assert dataset[0x00091001].VR == "LO"
    set_path(dataset, "(0009,1002)", b"12")
    assert dataset[0x00091002].VR == "UN"
    set_path(dataset, "(0009,1003)", "text", "LO")
    assert dataset[0x00091003].VR == "LO"


@pytest.mark.parametrize(
    "path", ["ProcedureCodeSequence[4].CodeValue", "ProcedureCodeSequence[0]", "PatientName[0].CodeValue"]
)
def test_setting_skips_no_items_and_sets_none(path: str) -> None:
    with pytest.raises(InvalidPathError):
        set_path(study(), path, "x")


def test_deleting_counts_what_was_there() -> None:
    dataset = study()
    assert delete_path(dataset, "ProcedureCodeSequence[*].CodeValue") == 2
    assert delete_path(dataset, "ProcedureCodeSequence[*].CodeValue") == 0
    assert delete_path(dataset, "ProcedureCodeSequence[0]") == 1
    assert len(dataset.ProcedureCodeSequence) == 1
    assert delete_path(dataset, "ProcedureCodeSequence[5]") == 0
    assert delete_path(dataset, "ProcedureCodeSequence[*]") == 1
    assert delete_path(dataset, "PatientName") == 1
    assert "PatientName" not in dataset


def test_finding_lists_every_place() -> None:
    assert find_paths(study(), "CodeValue") == [
        "ProcedureCodeSequence[0].CodeValue",
        "ProcedureCodeSequence[1].CodeValue",
        "ProcedureCodeSequence[1].PurposeOfReferenceCodeSequence[0].CodeValue",
    ]
    with pytest.raises(InvalidPathError):
        find_paths(study(), "ProcedureCodeSequence[0].CodeValue")
    with pytest.raises(InvalidPathError):
        find_paths(study(), "ProcedureCodeSequence[0]")


def test_finding_is_bounded() -> None:
    with pytest.raises(InvalidDatasetError):
        find_paths(too_deep(), "CodeValue")
