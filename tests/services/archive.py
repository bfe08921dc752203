"""A small invented archive for the tests of services."""

from collections.abc import Iterator
from pathlib import Path

from archimage.index.sqlite import SqliteIndex
from archimage.model.records import InstanceRecord

COUNT = 12


def records() -> Iterator[InstanceRecord]:
    """Yield two patients of two studies of one series of three instances."""
    for number in range(COUNT):
        patient, study, instance = number // 6, number // 3, number % 3
        values = {
            "patient_id": f"P{patient}",
            "patient_name": ("Müller^Jörg", "Yamada^Tarou=山田^太郎")[patient],
            "study_instance_uid": f"1.{study}",
            "study_date": f"2024010{study + 1}",
            "study_time": "120000",
            "series_instance_uid": f"1.{study}.1",
            "modality": "CT",
            "sop_instance_uid": f"1.{study}.1.{instance}",
            "sop_class_uid": "1.2.840.10008.5.1.4.1.1.2",
            "rows": "512",
            "request_scheduled_procedure_step_id": "S1\\S2",
            "request_requested_procedure_id": "R1",
        }
        yield InstanceRecord(
            values, "1.2.840.10008.1.2.1", f"{number}.dcm", 100, 10, number.to_bytes(16), 0.0, "MODALITY"
        )


def fill(directory: Path) -> SqliteIndex:
    """Return an index that holds them."""
    index = SqliteIndex(directory / "index.db", durable=False)
    index.add(list(records()))
    return index
