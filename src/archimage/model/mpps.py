"""Performed procedure steps: what modalities say that they do, and have done.

Ref: PS3.3 §B.17 (the information object), PS3.4 Annex F (the service).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from archimage.dicom.jsonmodel import Model


class StepState(StrEnum):
    """Where a performed procedure step stands; the last two are final. Ref: PS3.4 Tables F.1-3, F.1-4."""

    IN_PROGRESS = "IN PROGRESS"
    COMPLETED = "COMPLETED"
    DISCONTINUED = "DISCONTINUED"

    @property
    def is_final(self) -> bool:
        """Tell whether nothing may change any more."""
        return self is not StepState.IN_PROGRESS


class Awaited(StrEnum):
    """Whether others are to hear once all instances of a step are here."""

    NOT = ""
    WAITING = "waiting"
    TOLD = "told"


@dataclass(frozen=True, slots=True)
class PerformedStep:
    """One performed procedure step; times in seconds since 1970, UTC.

    dataset is all that is known of it, source_ae_title who made it. revision counts its changes, the making included.
    """

    sop_instance_uid: str
    state: StepState
    dataset: Model
    source_ae_title: str
    created_at: float
    changed_at: float
    revision: int = 1
    awaited: Awaited = Awaited.NOT
    id: int = 0


@dataclass(frozen=True, slots=True)
class Reference:
    """An instance that a step says it has made, by its series."""

    series_instance_uid: str
    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class StepKeys:
    """What of a step can be searched for, each as it stands in the data set, empty where it is not known."""

    patient_id: str = ""
    accession_number: str = ""
    study_instance_uid: str = ""
    modality: str = ""
    station_ae_title: str = ""
    start_date: str = ""


@dataclass(frozen=True, slots=True)
class StepFilter:
    """Which steps are looked for: those in a state, of these keys where they are given, before an id."""

    state: StepState | None = None
    keys: StepKeys = StepKeys()
    before: int | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Arrival:
    """An instance that a step says it has made, and whether the archive has it."""

    reference: Reference
    kept: bool


@dataclass(frozen=True, slots=True)
class PerformedSeries:
    """A series of a step, and which of its instances the archive has; missing are SOP Instance UIDs."""

    series_instance_uid: str
    description: str
    protocol_name: str
    instances: int
    kept: int
    missing: Sequence[str]


@dataclass(frozen=True, slots=True)
class StepSummary:
    """A step as lists show it; texts as they stand in it."""

    id: int
    sop_instance_uid: str
    state: StepState
    performed_procedure_step_id: str
    patient_id: str
    patient_name: str
    accession_number: str
    study_instance_uid: str
    modality: str
    station_ae_title: str
    description: str
    start_date: str
    start_time: str
    end_date: str
    end_time: str
    instances: int
    kept: int
    source_ae_title: str
    created_at: float
    changed_at: float
