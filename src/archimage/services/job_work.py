"""The work on jobs, in one process of any number: it looks for what is due, has lanes begun, and does what is in them.

A job is held by one worker at a time, until a time that is put off again and again while the work goes on; so what a
process leaves that dies is another's soon. It is at once where the job engine tells that a worker is no more.
"""

import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Final

from archimage import spans
from archimage.errors import ArchimageError, CancelledError, IntegrityError
from archimage.logger import logger
from archimage.model import callers
from archimage.model.events import TaskChanged
from archimage.model.jobs import Job, JobState, JsonValue
from archimage.ports.jobs import End, Handler, Hold, JobRows, Lane, Lanes, Rules, Timer
from archimage.ports.meter import Meter
from archimage.services.events import EventHub
from archimage.services.job_progress import WorkProgress, failed, left, succeeded
from archimage.services.tasks import Explain
from archimage.spans import Tracer

LANES: Final = 8
"""How many lanes one process works through at once."""
TURN_S: Final = 5.0
"""How long a lane is worked through while others wait, seconds."""
HELD_S: Final = 30.0
RENEWED_EVERY_S: Final = 8.0
_LOOK_EVERY_S: Final = 2.0
_BUSY_EVERY_S: Final = 0.5
_TIMERS_AFTER_S: Final = 3.0  # what has timers only leaves the start of the archive alone
_FORGET_EVERY_S: Final = 3_600.0
KEPT_S: Final = 7 * 86_400.0
"""How long jobs are kept after they were done or cancelled, seconds."""
_LOST_NEXT: Final = "Look in the log at why processes ended meanwhile: what the job works on may have ended them."
_log = logger("task")


class JobWork:
    """Implements `ports.jobs.LaneWork`; safe to call from any thread. `start` it, all kinds being known; `close` it."""

    def __init__(
        self, rows: JobRows, events: EventHub, explain: Explain, tracer: Tracer, now: Callable[[], float]
    ) -> None:
        self.worker = uuid.uuid4().hex
        self.meter = Meter()
        """Hears of ends."""
        self.failed: Callable[[Job], None] = lambda _job: None
        """Hears of jobs that have failed for good."""
        self.kinds: dict[str, tuple[Handler, Rules]] = {}
        self.timers: dict[str, tuple[str, Timer]] = {}
        self._rows = rows
        self._events = events
        self._explain = explain
        self._tracer = tracer
        self._now = now
        self._make: Callable[[], Lanes] | None = None
        self._lanes: Lanes | None = None
        self._active: Counter[Lane] = Counter()
        self._busy: dict[int, WorkProgress] = {}
        self._changed = threading.Condition()
        self._woken = threading.Event()
        self._closing = False
        self._forgotten_at = self._renewed_at = 0.0
        self._looking = threading.Thread(target=self._look, name="jobs", daemon=True)

    # What the archive does with it

    def start(self, make: Callable[[], Lanes]) -> None:
        """Begin to work, with what is left from before; the lanes are made when there is something to do."""
        self._make = make
        self._looking.start()

    def wake(self) -> None:
        """Look now for what is due."""
        self._woken.set()

    def close(self) -> None:
        """End: what does not hear of that is waited for, the rest goes on with the next start."""
        self._closing = True
        self._woken.set()
        for progress in self.busy():
            progress.end(lost=False)
        if self._looking.is_alive():
            self._looking.join()
        with self._changed:
            self._changed.wait_for(lambda: not self._active.total())
        if self._lanes is not None:
            self._lanes.close()

    def busy(self) -> Sequence[WorkProgress]:
        """Return what is being done here."""
        with self._changed:
            return tuple(self._busy.values())

    @property
    def active(self) -> int:
        """How many lanes are worked through."""
        return self._active.total()

    def progress_of(self, job_id: int) -> WorkProgress | None:
        """Return how far a job is that is being done here; None where it is not."""
        return self._busy.get(job_id)

    # What the lanes do with it

    def work(self, lane: Lane) -> None:
        """Do what is due in a lane, until nothing is, or others have waited long enough."""
        rules = self.kinds[lane.kind][1]
        try:
            ends_at = time.monotonic() + TURN_S
            while not self._closing and time.monotonic() < ends_at:
                now = self._now()
                job = self._rows.take(lane, rules.at_once, Hold(self.worker, now + HELD_S), now)
                if job is None:
                    break
                if rules.at_once > 1:
                    self.wake()  # there may be another one for another thread
                self._do(job)
        except (ArchimageError, OSError) as error:
            _log.warning("jobs wait for the index", kind=lane.kind, destination=lane.destination, reason=str(error))
        finally:
            self._left(lane)

    def gone(self, worker: str) -> None:
        """Hear that a worker is no more: what it held is due."""
        if worker != self.worker:
            self.released(self._rows.release(worker))
        self.wake()

    def released(self, jobs: int) -> None:
        """Hear that so many jobs were let go of, which a process held that is no more."""
        if jobs:
            _log.warning("jobs of a process that is no more are gone on with", jobs=jobs)

    # What is done elsewhere than in the lanes

    def hold(self, number: int) -> WorkProgress | None:
        """Hold a job that is done by whoever asks, until `settle`; None where somebody else has it."""
        now = self._now()
        job = self._rows.hold(number, Hold(self.worker, now + HELD_S), now)
        return None if job is None else self._held(job)

    def settle(self, progress: WorkProgress, end: End) -> None:
        """Note what became of a job that was held, and let go of it."""
        try:
            self._settle(progress, end)
        finally:
            self._let_go(progress)

    def _left(self, lane: Lane) -> None:
        with self._changed:
            self._active[lane] -= 1
            self._changed.notify_all()
        self.wake()

    # Looking

    def _look(self) -> None:
        """Begin what is due, and tell how far all is, again and again."""
        started = time.monotonic()
        while not self._closing:
            self._woken.clear()
            try:
                self._tell()
                if self._lanes is None and self._is_needed(time.monotonic() - started):
                    self._engine()
                wait_s = self._hand_out()
            except (ArchimageError, OSError) as error:
                _log.warning("jobs wait for the index", reason=str(error))
                wait_s = _LOOK_EVERY_S
            self._woken.wait(wait_s)

    def _is_needed(self, running_s: float) -> bool:
        """Tell whether the engine has something to do before anything is due: timers, or telling who is no more."""
        if self.timers and running_s >= _TIMERS_AFTER_S:
            return True
        return self._rows.next_due((), self._now()) is not None  # somebody holds a job, or did

    def _hand_out(self) -> float:
        """Have lanes begun in which something is due; return how long to wait for more, seconds."""
        now = self._now()
        if now - self._forgotten_at > _FORGET_EVERY_S:
            self._forgotten_at = now
            self._rows.forget(now - KEPT_S)
            self._rows.name_owners()
        if self.active < LANES:
            at_once = {kind: rules.at_once for kind, (_, rules) in self.kinds.items()}
            for lane in self._rows.lanes(at_once, now):
                if self.active >= LANES or self._closing:
                    break
                if self._active[lane] < self.kinds[lane.kind][1].at_once:
                    self._begin(lane)
        if self.active:
            return _BUSY_EVERY_S
        due = self._rows.next_due(tuple(self.kinds), now)
        return _LOOK_EVERY_S if due is None else min(_LOOK_EVERY_S, max(0.01, due - now))

    def _begin(self, lane: Lane) -> None:
        engine = self._engine()
        with self._changed:
            self._active[lane] += 1
        try:
            engine.begin(lane)
        except BaseException:
            self._left(lane)
            raise

    def _engine(self) -> Lanes:
        """Return what works through lanes, made when it is needed first."""
        if self._lanes is None:
            assert self._make is not None  # noqa: S101 - it was started
            self._lanes = self._make()
            self._lanes.start(self, self.timers)
        return self._lanes

    def _tell(self) -> None:
        """Keep how far everything is, hold it for longer, and end what is not ours any more."""
        now, busy = self._now(), {progress.job.id: progress for progress in self.busy()}
        if not busy:
            return
        fresh = {number: progress for number, progress in busy.items() if progress.is_new}
        for progress in fresh.values():
            progress.is_new = False
            self._events.publish(TaskChanged(progress.shown(progress.job).as_task()))
        if fresh:
            self._rows.note(self.worker, {number: progress.steps for number, progress in fresh.items()})
        if now - self._renewed_at > RENEWED_EVERY_S:
            self._renewed_at = now
            self._rows.renew(tuple(busy), Hold(self.worker, now + HELD_S))
        held = set(self._rows.held(self.worker))
        for number, progress in busy.items():
            if number not in held:
                progress.end(lost=True)

    # Doing

    def _do(self, job: Job) -> None:
        progress = self._held(job)
        try:
            self._events.publish(TaskChanged(job.as_task()))
            self._settle(progress, self._outcome(progress))
        finally:
            self._let_go(progress)

    def _held(self, job: Job) -> WorkProgress:
        """Note that a job is at work here, and so held for longer again and again."""
        progress = WorkProgress(job, lambda reached: self._rows.reach(job.id, self.worker, reached))
        with self._changed:
            if not self._busy:
                self._renewed_at = self._now()
            self._busy[job.id] = progress
        return progress

    def _let_go(self, progress: WorkProgress) -> None:
        with self._changed:
            del self._busy[progress.job.id]
        self.wake()

    def _outcome(self, progress: WorkProgress) -> End:
        """Do the work of a job; return what became of it."""
        job = progress.job
        handler, rules = self.kinds[job.kind]
        if job.attempts > rules.attempts:
            why = f"{job.attempts - 1} tries were begun, and none was heard of again", _LOST_NEXT
            return failed(progress, IntegrityError(why[0]), why, rules, self._now())
        try:
            result = self._within_its_context(job, handler, progress)
        except CancelledError:
            return left(progress, self._now() + (0 if self._closing else rules.first_s))
        except Exception as error:  # whatever goes wrong is the end of this try, not of the thread
            end = failed(progress, error, self._explain(error), rules, self._now())
            told = "a job failed" if end.state is JobState.FAILED else "a job is tried again later"
            _log.warning(told, job=job.id, kind=job.kind, destination=job.destination, reason=repr(error))
            return end
        return succeeded(progress, result, self._now())

    def _within_its_context(self, job: Job, handler: Handler, progress: WorkProgress) -> JsonValue:
        """Do the work for whoever asked for it, within what he asked for it in."""
        origin = job.origin
        with ExitStack() as context:
            context.enter_context(callers.under(origin.grant))
            if origin.caller is not None:
                context.enter_context(callers.DoneFor(origin.caller))
            told = {"task.id": job.task_id}
            context.enter_context(spans.resumed(self._tracer, f"task {job.kind}", told, origin.traceparent))
            return handler(job, progress)

    def _settle(self, progress: WorkProgress, end: End) -> None:
        job = progress.job
        if progress.is_lost and end.state is JobState.WAITING:
            return
        if not self._rows.end(job.id, self.worker, end):
            return
        if end.state.ended:
            self.meter.task_ended(job.kind, end.state.value)
        ended = self._rows.get(job.id)
        if ended is not None:
            self._events.publish(TaskChanged(ended.as_task()))
        if ended is not None and ended.state is JobState.FAILED:
            self.failed(ended)
