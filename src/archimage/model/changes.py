"""Corrections, merges and moves of what is kept: what is asked for, and the trail that they leave."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from archimage.model.attributes import ATTRIBUTES, Attribute, Level

_CORRECTABLE: Final = {
    *("patient_name", "patient_id", "issuer_of_patient_id", "patient_birth_date", "patient_birth_time", "patient_sex"),
    *("other_patient_ids", "ethnic_group", "patient_comments"),
    *("study_date", "study_time", "accession_number", "study_id", "study_description", "referring_physician_name"),
    *("name_of_physicians_reading_study", "admitting_diagnoses_description", "patient_age", "patient_size"),
    *("patient_weight", "occupation"),
    *("series_number", "series_description", "series_date", "series_time", "body_part_examined", "laterality"),
    *("protocol_name", "performing_physician_name", "operators_name", "institution_name"),
    *("institutional_department_name", "station_name"),
}
CORRECTABLE: Final[Mapping[str, Attribute]] = MappingProxyType(
    {one.keyword: one for one in ATTRIBUTES if one.column in _CORRECTABLE and one.sequence_tag is None}
)
"""The attributes that may be corrected, by their keywords (PS3.3 §C.7.1.1, §C.7.2.1, §C.7.2.2, §C.7.3.1)."""

STAYING: Final = frozenset(
    {"PatientName", "PatientID", "PatientBirthDate", "PatientSex"}
    | {"StudyDate", "StudyTime", "AccessionNumber", "StudyID", "ReferringPhysicianName", "SeriesNumber"}
)
"""Those of type 2: without a value they stay in the object, empty."""

ALLOWED: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {"PatientSex": frozenset("MFO"), "Laterality": frozenset("LR")}
)
"""Enumerated values."""


class ChangeKind(StrEnum):
    """What is done."""

    CORRECT_PATIENT = "correct-patient"
    CORRECT_STUDY = "correct-study"
    CORRECT_SERIES = "correct-series"
    MERGE = "merge"
    MOVE = "move"

    @property
    def level(self) -> Level:
        """That of the attributes which change."""
        return {"correct-study": Level.STUDY, "correct-series": Level.SERIES}.get(self.value, Level.PATIENT)


class ChangeState(StrEnum):
    """Where a change stands; what is running goes on after a restart."""

    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


class ChangeCode(StrEnum):
    """Why values change: they were wrong, or those of another system (Reason for the Attribute Modification)."""

    CORRECT = "CORRECT"
    COERCE = "COERCE"


@dataclass(frozen=True, slots=True)
class ChangeEnd:
    """What state a change comes to, when (not with RUNNING), and what went wrong."""

    state: ChangeState
    ended_at: float | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class PatientKey:
    """What tells a patient from others; one without an ID is that of one study alone."""

    patient_id: str
    issuer_of_patient_id: str = ""
    lone_study: str = ""


@dataclass(frozen=True, slots=True)
class PatientRef:
    """How somebody names a patient: by ID and issuer, or by one of his studies."""

    patient_id: str = ""
    issuer_of_patient_id: str = ""
    study_instance_uid: str = ""


@dataclass(frozen=True, slots=True)
class ChangeRequest:
    """What somebody wants to have changed.

    correct-patient  patient and attributes: all of his studies
    correct-study    one study and attributes
    correct-series   one study, a series of it, and attributes
    merge            patient and into: all of his studies become those of the other, with what is known of that one
    move             studies of one patient, and into, or attributes of a patient who is not there yet
    """

    kind: ChangeKind
    patient: PatientRef = PatientRef()
    studies: Sequence[str] = ()
    series_instance_uid: str = ""
    into: PatientRef | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    code: ChangeCode = ChangeCode.CORRECT


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asked for something, as far as that is known: an address, and what his program calls itself."""

    address: str = ""
    user_agent: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """One change, as its trail tells it; times are seconds since 1970, UTC.

    patient      the one whom the objects belonged to
    person       all that the index is to tell of the one to whom they belong then, by columns; empty if that stays
    new_values   keyword -> text that all objects get; without a text the attribute has no value any more
    reason       in the words of whoever asked
    objects, done, failed  how many instances it is about, have the values by now, and could not be changed
    error        why it failed
    """

    number: int
    kind: ChangeKind
    state: ChangeState
    asked_at: float
    asker: Asker
    reason: str
    code: ChangeCode
    patient: PatientKey
    person: Mapping[str, str]
    new_values: Mapping[str, str]
    series_instance_uid: str = ""
    ended_at: float | None = None
    error: str = ""
    studies: int = 0
    objects: int = 0
    done: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class ChangedStudy:
    """A study of a change; old_values are those that its first object had; problems tell why instances failed."""

    study_instance_uid: str
    old_values: Mapping[str, str]
    objects: int
    done: int = 0
    failed: int = 0
    problems: Mapping[str, str] = field(default_factory=dict)
    is_done: bool = False


@dataclass(frozen=True, slots=True)
class ChangeTrail:
    """A change, and each of its studies."""

    change: Change
    studies: Sequence[ChangedStudy]


@dataclass(frozen=True, slots=True)
class Preview:
    """What a change would do; obstacle says why it cannot be done, warnings what somebody should look at before."""

    kind: ChangeKind
    patient: PatientKey
    new_values: Mapping[str, str]
    studies: Sequence[ChangedStudy]
    objects: int
    warnings: Sequence[str]
    obstacle: str
