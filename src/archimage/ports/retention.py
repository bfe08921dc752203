"""What retention needs of the index, as protocols; the adapters are in `index.retention`."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from archimage.model.retention import RetentionRun, RunState, StudyFacts


class Accesses(Protocol):
    """Keeps when something of a study was last given to somebody."""

    def note(self, accessed_at: Mapping[str, float]) -> None:
        """Note the times of some studies, seconds since 1970; an earlier one than is known counts for nothing."""


class Retention(Protocol):
    """Tells the facts of studies, and keeps how far runs are."""

    def page(self, after: int, limit: int) -> Sequence[StudyFacts]:
        """Return the facts of the next studies by key."""

    def facts(self, study_instance_uid: str) -> StudyFacts | None:
        """Return those of one study, None where it is not kept."""

    def runs(self, limit: int) -> Sequence[RetentionRun]:
        """Return some runs, the newest first."""

    def get(self, number: int) -> RetentionRun | None:
        """Return a run, or None."""

    def begin(self, asked_by: str, now: float) -> RetentionRun:
        """Begin a run and return it, or the one that is running already; durable."""

    def note(self, run: RetentionRun) -> None:
        """Note how far a run is, but for its state; durable with whatever is next."""

    def end(self, number: int, state: RunState, now: float) -> bool:
        """End a run; False where it was not running. Durable."""
