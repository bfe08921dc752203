"""Scheduled procedure steps, as modalities ask for them; and what they are searched by.

Ref: PS3.4 Annex K.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from archimage.model.query import Match


class StepState(StrEnum):
    """Where a scheduled procedure step stands; the last two are its ends, and are not told to modalities."""

    SCHEDULED = "scheduled"
    ARRIVED = "arrived"
    STARTED = "started"
    COMPLETED = "completed"
    DISCONTINUED = "discontinued"

    @property
    def is_open(self) -> bool:
        """Tell whether a modality may still work on it."""
        return self not in {StepState.COMPLETED, StepState.DISCONTINUED}


WORKLIST_LEVEL: Final = "WORKLIST"
"""What queries of the worklist are counted under, beside the levels of the archive's."""
OPEN: Final = tuple(state for state in StepState if state.is_open)


@dataclass(frozen=True, slots=True)
class WorklistItem:
    """One scheduled procedure step, with whom and what it is for.

    model is its data set as DICOM JSON Model, with one item in the Scheduled Procedure Step Sequence; source says where
    it came from (`api`, `hl7`, `fhir`, a file's name). Times are seconds since 1970, UTC; from expires_at on it is not
    told to modalities.
    """

    key: str
    model: dict[str, Any]
    state: StepState
    source: str
    created_at: float
    changed_at: float
    expires_at: float


@dataclass(frozen=True, slots=True)
class Searched:
    """An attribute that has a column: in the item of the Scheduled Procedure Step Sequence, or at the top."""

    column: str
    tag: int
    vr: str
    in_step: bool = False


SEARCHED: Final = (
    Searched("start_date", 0x00400002, "DA", in_step=True),
    Searched("start_time", 0x00400003, "TM", in_step=True),
    Searched("modality", 0x00080060, "CS", in_step=True),
    Searched("station_ae_title", 0x00400001, "AE", in_step=True),
    Searched("station_name", 0x00400010, "SH", in_step=True),
    Searched("performing_physician", 0x00400006, "PN", in_step=True),
    Searched("step_id", 0x00400009, "SH", in_step=True),
    Searched("patient_id", 0x00100020, "LO"),
    Searched("patient_name", 0x00100010, "PN"),
    Searched("accession_number", 0x00080050, "SH"),
    Searched("study_uid", 0x0020000D, "UI"),
    Searched("requested_procedure_id", 0x00401001, "SH"),
)


@dataclass(frozen=True, slots=True)
class Sought:
    """What a column must match."""

    searched: Searched
    match: Match


@dataclass(frozen=True, slots=True)
class WorklistQuery:
    """Items that meet every condition, in the order of their start, and expire after a time; fuzzy is about names.

    text is a part of a name, an identifier or a description, without regard to case; states empty are all.
    """

    conditions: tuple[Sought, ...] = ()
    states: tuple[StepState, ...] = ()
    fuzzy: bool = False
    text: str = ""


@dataclass(frozen=True, slots=True)
class WorklistRow:
    """An item as the index keeps it: columns are its searched values, backslashes between several."""

    item: WorklistItem
    columns: Mapping[str, str]
    description: str = ""


@dataclass(frozen=True, slots=True)
class WorklistFields:
    """An entry in plain fields, as people enter and read it: the values are those of DICOM.

    Dates are YYYYMMDD, times HHMM or HHMMSS, names FAMILY^GIVEN.
    """

    patient_name: str = ""
    patient_id: str = ""
    patient_birth_date: str = ""
    patient_sex: str = ""
    accession_number: str = ""
    study_instance_uid: str = ""
    requested_procedure_id: str = ""
    requested_procedure_description: str = ""
    referring_physician: str = ""
    step_id: str = ""
    step_description: str = ""
    modality: str = ""
    station_ae_titles: tuple[str, ...] = ()
    station_name: str = ""
    start_date: str = ""
    start_time: str = ""
    performing_physician: str = ""


@dataclass(frozen=True, slots=True)
class WorklistEntry:
    """An entry as it is listed; is_told says whether modalities are told of it now."""

    key: str
    state: StepState
    is_told: bool
    source: str
    created_at: float
    changed_at: float
    expires_at: float
    fields: WorklistFields


@dataclass(frozen=True, slots=True)
class WorklistPage:
    """A part of the entries, and how many there are in all."""

    items: tuple[WorklistEntry, ...]
    total: int
