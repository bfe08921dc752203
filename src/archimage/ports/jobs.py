"""Durable work, as services hand it in and do it, as protocols; adapters live in `index` and `jobs`.

Work is done at least once: a process may die after a step and before that was noted, so a handler's steps are such that
doing one again changes nothing. What a handler has done it keeps by `Progress.reach`, and finds again in `Job.reached`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from archimage.model.jobs import Job, JobState, JsonValue, NewJob, Origin, Priority, Steps


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

    def every(self, name: str, cron: str, timer: "Timer") -> None:
        """Have something done again and again, in one process of all; before the archive begins its work.

        cron has five fields, in UTC. What takes long is to be a job, which the timer submits.
        """

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
    """Which jobs are listed: those of a kind, in a state, for a destination, older than a number, where given.

    owner is who asked for them, None for whoever did.
    """

    kind: str = ""
    state: JobState | None = None
    destination: str = ""
    before: int | None = None
    limit: int = 100
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class Lane:
    """Jobs of one kind for one destination."""

    kind: str
    destination: str


@dataclass(frozen=True, slots=True)
class Hold:
    """By whom jobs are held, and until when, seconds since 1970, nobody else takes them."""

    worker: str
    until: float


@dataclass(frozen=True, slots=True)
class End:
    """What became of a try: ended_at is None where it is made again at due_at; attempts is what counts from then on."""

    state: JobState
    ended_at: float | None
    attempts: int
    steps: Steps
    due_at: float = 0.0
    result: JsonValue = None
    error: str = ""
    next: str = ""


class JobRows(Protocol):
    """Keeps jobs, for every process.

    What `add`, `turn`, `pause` and `resume` return from survives a crash of the machine, all else one of the process:
    what is lost of it is only done again.
    """

    def add(self, jobs: Sequence[NewJob], origin: Origin, now: float) -> Sequence[int]:
        """Keep jobs, or find those of their keys; return their numbers."""

    def lanes(self, at_once: Mapping[str, int], now: float) -> Sequence[Lane]:
        """Return where something is due that may be begun, the most urgent first; what nobody holds any more is due.

        at_once tells how many jobs of each kind may be at work for one destination.
        """

    def take(self, lane: Lane, at_once: int, hold: Hold, now: float) -> Job | None:
        """Take the first job of a lane that is due; None where there is none, or as many as may be are held already."""

    def hold(self, job_id: int, hold: Hold, now: float) -> Job | None:
        """Take one job that waits, due or not, and is due once it is let go of; None where it does not wait."""

    def renew(self, job_ids: Sequence[int], hold: Hold) -> None:
        """Hold jobs until another time, as far as they are still that worker's."""

    def held(self, worker: str) -> Sequence[int]:
        """Return what a worker holds: all else he is not to go on with."""

    def release(self, worker: str) -> int:
        """Let go of all that a worker holds, who is no more; return how many jobs that are."""

    def release_all(self) -> int:
        """Let go of all that anybody holds: nobody else is there; return how many jobs that are."""

    def note(self, worker: str, steps: Mapping[int, Steps]) -> None:
        """Note how far jobs are, as far as they are still that worker's."""

    def reach(self, job_id: int, worker: str, reached: JsonValue) -> bool:
        """Keep what a job has reached; False where its worker is not to go on."""

    def end(self, job_id: int, worker: str, end: End) -> bool:
        """Note what became of a try; False where the job is not that worker's any more."""

    def next_due(self, kinds: Sequence[str], now: float) -> float | None:
        """Return when the next job is due after now, or not held any more; None where none is."""

    def turn(self, job_id: int, before: Sequence[JobState], state: JobState, now: float) -> bool:
        """Put a job that is in one of some states into another; False where it is in none of them."""

    def pause(self, lane: Lane) -> None:
        """Begin no job of a lane until it is resumed."""

    def resume(self, lane: Lane) -> bool:
        """Begin jobs of a lane again; False where it was not paused."""

    def paused(self) -> Sequence[Lane]:
        """Return the lanes that are paused."""

    def get(self, job_id: int) -> Job | None:
        """Return one, or None."""

    def find(self, wanted: Wanted) -> Sequence[Job]:
        """Return the newest."""

    def name_owners(self) -> int:
        """Note who asked for jobs that nodes of the release before have kept; return how many these were.

        Until then neither `find` nor `counts` knows them as anybody's.
        """

    def counts(self, owner: str | None = None) -> Sequence[tuple[str, JobState, int]]:
        """Count them by kind and state: those that somebody asked for, or of None, all."""

    def forget(self, ended_before: float) -> int:
        """Forget what was done or cancelled before a time; return how many these were."""


class Timer(Protocol):
    """Does what is to be done again and again; blocks briefly."""

    def __call__(self) -> None: ...


class Lanes(Protocol):
    """Does the work of lanes, in threads of its own, and rings timers in one process of all. `close` it."""

    def start(self, work: "LaneWork", timers: Mapping[str, tuple[str, Timer]]) -> None:
        """Begin; timers are by name, each with when it rings, five fields of cron in UTC."""

    def begin(self, lane: Lane) -> None:
        """Have a lane worked through, soon."""

    def close(self) -> None:
        """Wait until what was begun has ended."""


class LaneWork(Protocol):
    """What a lane is worked through by."""

    worker: str
    """By which name jobs are held; a process that comes again has another one."""

    def work(self, lane: Lane) -> None:
        """Do what is due in a lane, until nothing is, or others have waited long enough."""

    def gone(self, worker: str) -> None:
        """Hear that a worker is no more."""
