"""What rules of retention look at, and what became of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from archimage.model.tiers import Share, Shares


@dataclass(frozen=True, slots=True)
class StudyFacts:
    """What is known of a study that rules ask for; times are seconds since 1970, UTC.

    key          orders the studies as they came
    received_at  when the last of its instances came
    accessed_at  when somebody was last given something of it, 0 where nobody was
    shares       what of it lies in which tier
    """

    key: int
    study_instance_uid: str
    patient_id: str
    study_date: str
    held: bool
    accessed_at: float
    received_at: float
    instances: int
    size_bytes: int
    modalities: frozenset[str] = frozenset()
    stations: frozenset[str] = frozenset()
    source_ae_titles: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()
    shares: Shares = field(default_factory=dict)

    def outside(self, tier: str) -> Share:
        """Return what of it lies in other tiers than this."""
        others = [share for name, share in self.shares.items() if name != tier]
        return Share(sum(one.instances for one in others), sum(one.size_bytes for one in others))

    @property
    def used_at(self) -> float:
        """When something of it last came, or was given to somebody."""
        return max(self.accessed_at, self.received_at)


class RunState(StrEnum):
    """How far a run is."""

    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class RetentionRun:
    """One run of the rules over all studies; cursor is the key of the study up to which it has come.

    asked_by is who wants it, empty where it began by itself. held, spared and failed count studies that a rule would
    have deleted or moved and that are still there: on legal hold, used lately, or for the reason in error.
    """

    number: int
    state: RunState
    asked_by: str
    started_at: float
    ended_at: float | None = None
    cursor: int = 0
    looked: int = 0
    deleted: int = 0
    deleted_bytes: int = 0
    held: int = 0
    spared: int = 0
    failed: int = 0
    error: str = ""
    moved: int = 0
    moved_bytes: int = 0


@dataclass(frozen=True, slots=True)
class PlannedStudy:
    """A study that a rule would delete, or move to a tier; stays says why it does not all the same, else empty."""

    study_instance_uid: str
    patient_id: str
    study_date: str
    used_at: float
    instances: int
    size_bytes: int
    rule: str
    stays: str = ""
    to: str = ""


@dataclass(frozen=True, slots=True)
class PlannedRule:
    """What a rule would do: with how many studies, how many of them go, and how many to another tier."""

    name: str
    action: str
    when_full: bool
    studies: int
    deleted: int
    deleted_bytes: int
    to: str = ""
    moved: int = 0
    moved_bytes: int = 0


@dataclass(frozen=True, slots=True)
class RetentionPlan:
    """What a run would do now: by rule, and with the first of the studies; looked counts all studies."""

    looked: int
    rules: Sequence[PlannedRule]
    studies: Sequence[PlannedStudy]
