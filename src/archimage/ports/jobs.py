"""Durable work, as services hand it in and do it, as protocols; adapters live in `index` and `jobs`.

Work is done at least once: a process may die after a step and before that was noted, so a handler's steps are such that
doing one again changes nothing. What a handler has done it keeps by `Progress.reach`, and finds again in `Job.reached`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from archimage.model.jobs import Job, JobState, JsonValue, NewJob, Origin, Priority


class Progress(Protocol):
    """Hears how far the work is, from any thread; raises CancelledError once it is to end, for good or for now."""

    def check(self) -> None:
        """Raise CancelledError if it is to end."""

    def tell(self, done: int, total: int = 0, message: str = "") -> None:
        """Say how far it is, total 0 where that is not known; raises what `check` raises."""

    def reach(self, reached: JsonValue) -> None:
        """Keep, durably, how far it is; raises what `check` raises."""


Handler = Callable[[Job, Progress], JsonValue]
"""Does a job, blocking, and returns its result.

Errors are final where trying again would not help: any ServiceError but UnavailableError and OutOfResourcesError, any
DicomError, and whatever is none of ours, which is a bug. All others (a node or the storage that fails) are tried again.
"""


@dataclass(frozen=True, slots=True)
class Rules:
    """How jobs of a kind are done: at_once of them for each destination; tried again after waits that double.

    The waits go from first_s up to most_s, until attempts were made.
    """

    at_once: int = 1
    first_s: float = 5.0
    most_s: float = 900.0
    attempts: int = 12


class Jobs(Protocol):
    """Takes work that outlasts the process. All of it blocks; what returns is durable."""

    def register(self, kind: str, handler: Handler, rules: Rules | None = None) -> None:
        """Say who does a kind; before the archive begins its work."""

    def submit(
        self,
        kind: str,
        title: str,
        payload: JsonValue = None,
        *,
        destination: str = "",
        priority: int = Priority.NORMAL,
        key: str = "",
    ) -> int:
        """Keep a job and return its number: that of the one which has not ended, where there is one of its key."""

    def submit_all(self, jobs: Sequence[NewJob]) -> Sequence[int]:
        """Keep several at once, all or none, and return their numbers."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which jobs are listed: those of a kind, in a state, for a destination, older than a number, where given."""

    kind: str = ""
    state: JobState | None = None
    destination: str = ""
    before: int | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Lane:
    """Jobs of one kind for one destination: so many wait, the first of them with this priority."""

    kind: str
    destination: str
    priority: int


@dataclass(frozen=True, slots=True)
class Hold:
    """By whom a job was taken, and until when, seconds since 1970, nobody else takes it."""

    worker: str
    until: float


@dataclass(frozen=True, slots=True)
class End:
    """What became of a try: ended_at is None where it is made again at due_at."""

    state: JobState
    ended_at: float | None
    due_at: float = 0.0
    result: JsonValue = None
    error: str = ""
    next: str = ""


class JobRows(Protocol):
    """Keeps jobs, for every process; what returns from writing is durable, but for what `note` writes."""

    def add(self, jobs: Sequence[NewJob], origin: Origin, now: float) -> Sequence[int]:
        """Keep jobs, or find those of their keys; return their numbers."""

    def lanes(self, limits: Mapping[str, int], now: float) -> Sequence[Lane]:
        """Return where something is due that may be begun, by these limits a kind; the most urgent first."""

    def take(self, lane: Lane, at_once: int, hold: Hold, now: float) -> Job | None:
        """Take the first job of a lane that is due, unless as many as may be are held already."""

    def renew(self, job_ids: Sequence[int], hold: Hold) -> Sequence[int]:
        """Keep jobs until another time; return those that are to go on."""

    def note(self, job_id: int, worker: str, done: int, total: int, message: str) -> bool:
        """Note how far a job is; False where its worker is not to go on."""

    def reach(self, job_id: int, worker: str, reached: JsonValue) -> bool:
        """Keep what a job has reached; False where its worker is not to go on."""

    def end(self, job_id: int, worker: str, end: End) -> bool:
        """Note what became of a try; False where the job is not that worker's any more."""

    def next_due(self, kinds: Sequence[str], now: float) -> float | None:
        """Return when the next job is due after now, or let go of; None where none is."""

    def turn(self, job_id: int, before: Sequence[JobState], state: JobState, now: float) -> bool:
        """Put a job that is in one of some states into another; False where it is in none of them."""

    def get(self, job_id: int) -> Job | None:
        """Return one, or None."""

    def find(self, wanted: Wanted) -> Sequence[Job]:
        """Return the newest."""

    def counts(self) -> Sequence[tuple[str, JobState, int]]:
        """Count them by kind and state."""

    def forget(self, ended_before: float) -> int:
        """Forget what ended before a time, but for what failed; return how many these were."""
