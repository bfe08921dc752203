"""Print jobs: films that somebody had printed here."""

from dataclasses import dataclass
from enum import StrEnum


class JobState(StrEnum):
    """Where a print job stands."""

    PENDING = "pending"
    PRINTING = "printing"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        """Tell whether nothing more happens to it by itself."""
        return self in {JobState.DONE, JobState.FAILED, JobState.CANCELLED}


@dataclass(frozen=True, slots=True)
class PrintJob:
    """A print job; uid is its SOP Instance UID, printer the AE title that was called, originator the caller's.

    Times are seconds since 1970, UTC; error says why it failed, empty otherwise. dpi is the resolution of its films.
    """

    uid: str
    printer: str
    originator: str
    label: str
    priority: str
    copies: int
    films: int
    dpi: int
    created_at: float
    state: JobState = JobState.PENDING
    ended_at: float | None = None
    error: str = ""
