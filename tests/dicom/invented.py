"""Small data sets made up for the tests of data set operations."""

from pydicom.dataset import Dataset


def nested(patient_id: str, *codes: str) -> Dataset:
    """A data set with an ID and one item for each code."""
    dataset = Dataset()
    dataset.PatientID, dataset.ProcedureCodeSequence = patient_id, []
    for code in codes:
        entry = Dataset()
        entry.CodeValue = code
        dataset.ProcedureCodeSequence.append(entry)
    return dataset


def too_deep() -> Dataset:
    """Sequences inside one another beyond what anything here follows."""
    deep = Dataset()
    for _ in range(66):
        outer = Dataset()
        outer.ProcedureCodeSequence = [deep]
        deep = outer
    return deep
