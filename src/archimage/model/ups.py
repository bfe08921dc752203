"""Work items (Unified Procedure Steps), who subscribes to them, and what these are told.

Ref: PS3.4 Annex CC.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any


class StepState(StrEnum):
    """Where a work item stands; the last two are final."""

    SCHEDULED = "SCHEDULED"
    IN_PROGRESS = "IN PROGRESS"
    COMPLETED = "COMPLETED"
    CANCELED = "CANCELED"

    @property
    def is_final(self) -> bool:
        """Tell whether nothing changes any more."""
        return self in {StepState.COMPLETED, StepState.CANCELED}


@dataclass(frozen=True, slots=True)
class Workitem:
    """One work item.

    model is its data set in the DICOM JSON Model, without its state and Transaction UID, which stand beside it: a claim
    is one conditional update. version grows with every change; times are seconds since 1970, UTC. number orders items
    by when they came.
    """

    uid: str
    state: StepState
    transaction_uid: str
    model: Mapping[str, Any]
    version: int
    created_at: float
    ended_at: float | None = None
    number: int = 0


@dataclass(frozen=True, slots=True)
class WorkitemSummary:
    """What a list tells of a work item; start, a date and time, and progress, in percent, stand as they were told."""

    number: int
    uid: str
    state: StepState
    label: str
    worklist: str
    priority: str
    start: str
    patient_name: str
    patient_id: str
    study_instance_uid: str
    progress: str
    progress_description: str
    performers: Sequence[str]


@dataclass(frozen=True, slots=True)
class WorkitemPage:
    """Work items, and the number before which older ones may be found, None where there are none."""

    items: Sequence[WorkitemSummary]
    next: int | None


class Door(StrEnum):
    """By which way a subscriber is told: N-EVENT-REPORT to its node, or a WebSocket that it opens."""

    DIMSE = "dimse"
    WEB = "web"


class Reach(StrEnum):
    """What a subscription is to: one work item, all of them now and later, or those that match a filter."""

    ONE = "one"
    ALL = "all"
    FILTERED = "filtered"


@dataclass(frozen=True, slots=True)
class Subscription:
    """What an AE title wants to hear of.

    uid is the work item of `Reach.ONE`, empty for others. lock keeps what is final from being deleted. wanted False
    stands for one work item that is left out of a subscription to all. until is the number of the last work item that
    a subscription to all covers once it was suspended, None before. filter is the keys of `Reach.FILTERED`, a data set
    in the DICOM JSON Model.
    """

    ae_title: str
    reach: Reach
    door: Door
    uid: str = ""
    lock: bool = False
    wanted: bool = True
    until: int | None = None
    filter: str = ""


class EventType(IntEnum):
    """Event Type IDs of N-EVENT-REPORT (PS3.4 Table CC.2.4-1)."""

    STATE_REPORT = 1
    CANCEL_REQUESTED = 2
    PROGRESS_REPORT = 3
    SCP_STATUS_CHANGE = 4
    ASSIGNED = 5


@dataclass(frozen=True, slots=True)
class UpsEvent:
    """Something that happened to a work item; payload is what the report tells, in the DICOM JSON Model."""

    uid: str
    type: EventType
    payload: str


@dataclass(frozen=True, slots=True)
class KeptEvent:
    """An event that waits until a subscriber has heard it over its WebSocket."""

    number: int
    ae_title: str
    event: UpsEvent
