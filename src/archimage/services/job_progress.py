"""How far the work on one job is, and what becomes of it."""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from archimage.errors import (
    ArchimageError,
    CancelledError,
    ConfigError,
    DicomError,
    OutOfResourcesError,
    PeerFailedError,
    ServiceError,
    UnavailableError,
)
from archimage.model.jobs import Job, JobState, JsonValue, Steps
from archimage.ports.jobs import End, Rules

_DOUBLINGS: Final = 30


class WorkProgress:
    """Implements `ports.jobs.Progress`: what is told is remembered here, and kept now and then by whoever asks."""

    def __init__(self, job: Job, keep: Callable[[JsonValue], bool]) -> None:
        """Keep what a job reaches by keep, which tells whether the work is to go on."""
        self.job = job
        self.steps = Steps(job.done, job.total, job.message)
        self.is_new = False
        """Whether something was told that is not kept yet."""
        self.got_on = False
        """Whether anything was reached."""
        self.is_lost = False
        """Whether the job is not ours any more: cancelled, paused, or taken by somebody else."""
        self._keep = keep
        self._ending = threading.Event()

    @property
    def is_ended(self) -> bool:
        """Whether the work is to end."""
        return self._ending.is_set()

    def end(self, *, lost: bool) -> None:
        """Have the work end soon; lost tells that the job is not ours any more."""
        self.is_lost = self.is_lost or lost
        self._ending.set()

    def check(self) -> None:
        """Raise CancelledError if the work is to end."""
        if self._ending.is_set():
            raise CancelledError("the job was cancelled, paused, or is to go on elsewhere")

    def tell(self, done: int, total: int = 0, message: str = "") -> None:
        """Say how far the work is."""
        self.check()
        self.steps = Steps(done, total, message)
        self.is_new = True

    def reach(self, reached: JsonValue) -> None:
        """Keep how far it is."""
        self.check()
        if not self._keep(reached):
            self.end(lost=True)
            self.check()
        self.got_on = reached is not None

    def shown(self, job: Job) -> Job:
        """Return the job, as it is kept, as far as it is."""
        now = self.steps
        return replace(job, done=now.done, total=now.total, message=now.message)


def is_final(error: Exception) -> bool:
    """Tell whether trying again would not help."""
    if isinstance(error, PeerFailedError):
        return error.is_final
    if isinstance(error, UnavailableError | OutOfResourcesError):
        return False
    return isinstance(error, ServiceError | DicomError | ConfigError) or not isinstance(error, ArchimageError | OSError)


def wait_s(rules: Rules, attempts: int) -> float:
    """Return how long to wait after so many tries."""
    return float(min(rules.first_s * 2 ** min(max(attempts - 1, 0), _DOUBLINGS), rules.most_s))


def succeeded(progress: WorkProgress, result: JsonValue, now: float) -> End:
    """Return the end of work that was done."""
    return End(JobState.DONE, now, progress.job.attempts, progress.steps, result=result)


def failed(progress: WorkProgress, error: Exception, why: tuple[str, str], rules: Rules, now: float) -> End:
    """Return the end of a try that failed: for good, or until the next one.

    Where something was reached, the tries begin to be counted anew: what is large gets on in spite of many failures.
    """
    attempts = 1 if progress.got_on else progress.job.attempts
    if is_final(error) or attempts >= rules.attempts:
        return End(JobState.FAILED, now, attempts, progress.steps, error=why[0], next=why[1])
    due = now + wait_s(rules, attempts)
    return End(JobState.WAITING, None, attempts, progress.steps, due, error=why[0], next=why[1])


def left(progress: WorkProgress, due_at: float) -> End:
    """Return the end of a try that the end of the process has cut short; it does not count."""
    return End(JobState.WAITING, None, max(0, progress.job.attempts - 1), progress.steps, due_at)
