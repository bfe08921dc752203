"""Fills an index with invented studies, as an archive of some size has them.

Run `python -m bench.index_fill PATH STUDIES INSTANCES_PER_STUDY`.
"""

import sys
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import islice
from pathlib import Path
from typing import Final

from archimage.index.sqlite import SqliteIndex
from archimage.model.records import FrameTable, InstanceRecord

_BATCH: Final = 2000  # records
_SERIES_PER_STUDY: Final = 2
_STUDIES_PER_PATIENT: Final = 2
_FIRST_DAY: Final = date(2000, 1, 1)
_DAYS: Final = 9000
_SYLLABLES: Final = [
    "ba",
    "del",
    "fin",
    "gor",
    "hum",
    "jas",
    "kel",
    "lor",
    "mav",
    "nid",
    "ost",
    "pra",
    "quin",
    "rud",
    "sev",
    "tul",
    "vok",
    "wen",
    "yar",
    "zim",
]
_GIVEN: Final = ("Ana", "Björn", "Chloé", "Dario", "Émile", "Freya", "Göran", "Hana", "Ida", "José", "Karla", "Łucja")
_OTHER_SCRIPTS: Final = (
    "Yamanoue^Sora=山ノ上^空=やまのうえ^そら",
    "Вымышлев^Илья",
    "Gangnim^Bora=강님^보라",
    "Φανταστός^Νίκος",
    "خيالي^سامي",
)
_MODALITIES: Final = (("CT", "1.2.840.10008.5.1.4.1.1.2"), ("MR", "1.2.840.10008.5.1.4.1.1.4"))
_RARE_MODALITY: Final = ("US", "1.2.840.10008.5.1.4.1.1.6.1")


def fill(path: Path, studies: int, instances_per_study: int) -> None:
    """Add studies to the index at path, which is made when it is not there."""
    index = SqliteIndex(path, durable=False)
    records = (record for number in range(studies) for record in _study(number, instances_per_study))
    while batch := list(islice(records, _BATCH)):
        index.add(batch)
        index.sync()
    index.close()


def patient_name(patient: int) -> str:
    """Invent a name; one in fifty is not in Latin letters."""
    if patient % 50 == 49:
        return _OTHER_SCRIPTS[patient // 50 % len(_OTHER_SCRIPTS)].replace("^", f"{patient}^", 1)
    mixed = patient * 7919
    family = "".join(_SYLLABLES[mixed // 20**place % 20] for place in range(3))
    return f"{family.capitalize()}^{_GIVEN[patient % len(_GIVEN)]}"


def study_uid(number: int) -> str:
    """Return the Study Instance UID of a study."""
    return f"1.2.826.0.1.3680043.8.498.{number * 7919 % 10**9:09}.{number}"


def study_day(number: int) -> str:
    """Return the Study Date of a study."""
    return f"{_FIRST_DAY + timedelta(days=number * 31 % _DAYS):%Y%m%d}"


def series_uid(study: int, series: int) -> str:
    """Return the Series Instance UID of a series, counted from 0."""
    return f"{study_uid(study)}.{series + 1}"


def sop_uid(study: int, instance: int) -> str:
    """Return the SOP Instance UID of an instance, counted from 0 in its study."""
    return f"{series_uid(study, instance % _SERIES_PER_STUDY)}.{instance}"


def _study(number: int, instances: int) -> Iterator[InstanceRecord]:
    """Invent the instances of a study."""
    for instance in range(instances):
        yield record(number, instance)


def record(study: int, instance: int) -> InstanceRecord:
    """Invent one instance."""
    patient, series = study // _STUDIES_PER_PATIENT, instance % _SERIES_PER_STUDY
    modality, sop_class = _RARE_MODALITY if study % 100 == 99 else _MODALITIES[study % 2]
    values = {
        "patient_id": f"PID{patient:07}",
        "patient_name": patient_name(patient),
        "patient_birth_date": f"19{patient % 100:02}0{patient % 9 + 1}15",
        "patient_sex": "FM"[patient % 2],
        "study_instance_uid": study_uid(study),
        "study_date": study_day(study),
        "study_time": f"{study % 24:02}{study % 60:02}00",
        "accession_number": f"A{study:08}",
        "study_id": f"S{study}",
        "study_description": f"EXAM {study % 50}",
        "referring_physician_name": f"Doctor{study % 300}^Ref",
        "series_instance_uid": series_uid(study, series),
        "modality": modality,
        "series_number": str(series + 1),
        "series_description": f"Series {series + 1}",
        "body_part_examined": "CHEST",
        "manufacturer": "Example Devices",
        "operators_name": f"Operator{study % 40}^Op",
        "sop_instance_uid": sop_uid(study, instance),
        "sop_class_uid": sop_class,
        "instance_number": str(instance + 1),
        "image_type": "ORIGINAL\\PRIMARY\\AXIAL",
        "content_date": study_day(study),
        "content_time": "101500.250000",
        "acquisition_number": "1",
        "rows": "512",
        "columns": "512",
        "bits_allocated": "16",
        "photometric_interpretation": "MONOCHROME2",
    }
    return InstanceRecord(
        values=values,
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        path=f"{values['study_instance_uid']}/{values['series_instance_uid']}/{values['sop_instance_uid']}.dcm",
        size_bytes=526_000,
        data_set_offset=340,
        digest=instance.to_bytes(16, "big"),
        received_at=1.7e9 + study,
        source_ae_title="MODALITY",
        frames=FrameTable(False, (1700,), (524_288,)),
    )


if __name__ == "__main__":
    fill(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
