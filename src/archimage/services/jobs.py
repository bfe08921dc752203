"""Durable work: handed in by whoever, listed, paused, cancelled, resumed and tried again by people."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from archimage import spans
from archimage.errors import ConflictError, InvalidRequestError, NotFoundError
from archimage.model import callers
from archimage.model.events import TaskChanged
from archimage.model.jobs import Job, JobState, JsonValue, NewJob, Origin, Priority
from archimage.model.tasks import Task
from archimage.ports.jobs import Handler, JobRows, Lane, Lanes, Rules, Timer, Wanted
from archimage.services.events import EventHub
from archimage.services.job_work import JobWork
from archimage.services.tasks import Explain
from archimage.spans import Tracer

MAX_SHOWN: Final = 1_000
_AT_LARGE: Final = (JobState.WAITING, JobState.RUNNING, JobState.PAUSED)


class JobService:
    """Implements `ports.jobs.Jobs`; safe to call from any thread, all of it blocks. `close` it."""

    def __init__(
        self,
        rows: JobRows,
        events: EventHub,
        explain: Explain,
        tracer: Tracer | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._rows = rows
        self._events = events
        self.now = now
        """Tells the time, seconds since 1970."""
        self.is_leaving = False
        """Whether this process is about to stop: what others wait for is handed over then, and not given up."""
        self.told: Callable[[str, Job | Lane], None] = lambda _deed, _what: None
        """Hears what people do with jobs: paused, resumed, cancelled, retried."""
        self.worker = JobWork(rows, events, explain, tracer or Tracer(), now)
        """Does the work."""

    def register(self, kind: str, handler: Handler, rules: Rules | None = None) -> None:
        """Say who does a kind; before `start`."""
        self.worker.kinds[kind] = (handler, rules or Rules())

    def every(self, name: str, cron: str, timer: Timer) -> None:
        """Have something done again and again, in one process of all; before `start`."""
        self.worker.timers[name] = (cron, timer)

    def start(self, make: Callable[[], Lanes]) -> None:
        """Begin to work, with what is left from before; make makes what works through lanes, when there is work."""
        self.worker.start(make)

    def leave(self) -> None:
        """Hear that this process is about to stop."""
        self.is_leaving = True

    def take_over(self) -> None:
        """Take over what others were at; to be called by a process that is alone in using the index."""
        self.worker.released(self._rows.release_all())

    def close(self) -> None:
        """End; what is at work goes on with the next start, or in another process."""
        self.worker.close()

    # Handing in

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
        return self.submit_all([NewJob(kind, title, payload, destination, priority, key)])[0]

    def submit_all(self, jobs: Sequence[NewJob]) -> Sequence[int]:
        """Keep several at once, all or none, and return their numbers."""
        if not jobs:
            return []
        span = spans.current()
        origin = Origin(callers.current(), callers.granted(), "" if span is None else span.traceparent)
        numbers = self._rows.add(jobs, origin, self.now())
        self.worker.wake()
        return numbers

    # Asking

    def find(self, wanted: Wanted) -> Sequence[Job]:
        """Return the newest jobs: of who may see a part of the archive alone, his own.

        These the index picks out, so that a page of them is full wherever they stand among those of others.
        """
        owner = _only_of()
        seen = wanted if owner is None else replace(wanted, owner=owner)
        return [self._shown(job) for job in self._rows.find(seen)]

    def get(self, job_id: int) -> Job:
        """Return one; NotFoundError where none of this number is kept."""
        job = self._rows.get(job_id)
        if job is None or not self.is_shown(job):
            raise NotFoundError("no job of this number is kept")
        return self._shown(job)

    @staticmethod
    def is_shown(job: Job) -> bool:
        """Tell whether who asks may see a job, whose title and result may name any patient."""
        return _only_of() in (None, job.origin.owner)

    @property
    def kinds(self) -> Sequence[str]:
        """The kinds that are done here, by name."""
        return tuple(self.worker.kinds)

    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """Count all by kind and state, whoever asks: for the archive itself."""
        return _by_kind(self._rows.counts())

    def counts_found(self) -> Mapping[str, Mapping[str, int]]:
        """Count by kind and state those that `find` shows to who asks."""
        return _by_kind(self._rows.counts(_only_of()))

    def _shown(self, job: Job) -> Job:
        """Return a job as far as it is, which is kept in the index a moment later."""
        progress = self.worker.progress_of(job.id)
        return progress.shown(job) if progress is not None and job.state is JobState.RUNNING else job

    # What people do with jobs; each raises NotFoundError where none of the number is kept

    def cancel(self, job_id: int) -> Job:
        """Have a job end, or give up what failed; what is done or cancelled stays as it is."""
        return self._turn(job_id, (*_AT_LARGE, JobState.FAILED), JobState.CANCELLED)

    def pause(self, job_id: int) -> Job:
        """Have a job wait until it is resumed; ConflictError where it has ended."""
        job = self._turn(job_id, (JobState.WAITING, JobState.RUNNING), JobState.PAUSED)
        return self._if(job, JobState.PAUSED, "only what waits or runs can be paused")

    def resume(self, job_id: int) -> Job:
        """Go on with a job that was paused, where it was; ConflictError where it was not."""
        if not self._turned("resumed", job_id, (JobState.PAUSED,), JobState.WAITING):
            raise ConflictError(f"job {job_id} is {self.get(job_id).state}; only what was paused is resumed")
        return self.get(job_id)

    def retry(self, job_id: int) -> Job:
        """Try again at once what failed, was cancelled, or waits to be tried again; ConflictError for all else."""
        again = (JobState.FAILED, JobState.CANCELLED)
        before = again, (JobState.WAITING,)
        if not any(self._turned("retried", job_id, states, JobState.WAITING) for states in before):
            job = self.get(job_id)
            why = "another one like it has not ended" if job.state in again else "only what failed is tried again"
            raise ConflictError(f"job {job_id} is {job.state}: {why}")
        return self.get(job_id)

    # What people do with all jobs of a kind for a destination

    def pause_lane(self, lane: Lane) -> None:
        """Begin none of them until they are resumed; what runs goes on. InvalidRequestError: there is no such kind."""
        self._check_kind(lane)
        self._rows.pause(lane)
        self.told("paused", lane)

    def resume_lane(self, lane: Lane) -> None:
        """Go on with them; ConflictError where they were not paused, InvalidRequestError: there is no such kind."""
        if not self._rows.resume(lane):
            self._check_kind(lane)
            raise ConflictError(f"jobs of kind {lane.kind} for {lane.destination or 'nobody'} are not paused")
        self.told("resumed", lane)
        self.worker.wake()

    def paused_lanes(self) -> Sequence[Lane]:
        """Return what is paused."""
        return self._rows.paused()

    def _check_kind(self, lane: Lane) -> None:
        """Refuse a kind that is not done here, and of which no job is kept that is done elsewhere."""
        if lane.kind not in self.worker.kinds and lane.kind not in (kept := self.counts()):
            known = ", ".join(sorted({*self.worker.kinds, *kept}))
            raise InvalidRequestError(f"{lane.kind[:64]!r} is no kind of job; one of {known} is allowed")

    def _turn(self, job_id: int, before: Sequence[JobState], state: JobState) -> Job:
        self._turned(state.value, job_id, before, state)
        return self.get(job_id)

    def _turned(self, deed: str, job_id: int, before: Sequence[JobState], state: JobState) -> bool:
        self.get(job_id)  # who may not see it may not change it
        if not self._rows.turn(job_id, before, state, self.now()):
            return False
        progress = self.worker.progress_of(job_id)
        if progress is not None:
            progress.end(lost=True)
        job = self.get(job_id)
        if state is JobState.CANCELLED:
            self.worker.meter.task_ended(job.kind, state.value)
        self.told(deed, job)
        self._events.publish(TaskChanged(job.as_task()))
        self.worker.wake()
        return True

    @staticmethod
    def _if(job: Job, state: JobState, otherwise: str) -> Job:
        if job.state is not state:
            raise ConflictError(f"job {job.id} is {job.state}: {otherwise}")
        return job


def _only_of() -> str | None:
    """Return whose jobs alone are shown to who asks, as jobs name their owners; None where he may see all."""
    if not callers.granted().within:
        return None
    caller = callers.current()
    return "" if caller is None else caller.principal.name


def _by_kind(counts: Iterable[tuple[str, JobState, int]]) -> Mapping[str, Mapping[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for kind, state, count in counts:
        found.setdefault(kind, {})[state.value] = count
    return found


class JobTasks:
    """Jobs, as those see them who follow tasks; see `services.tasks`."""

    def __init__(self, jobs: JobService) -> None:
        self._jobs = jobs

    def list(self) -> Sequence[Task]:
        """Return the newest."""
        return [job.as_task() for job in self._jobs.find(Wanted())]

    def get(self, number: int) -> Task:
        """Return one."""
        return self._jobs.get(number).as_task()

    def cancel(self, number: int) -> Task:
        """Have one end."""
        return self._jobs.cancel(number).as_task()
