"""Corrections, merges and moves: asked for, looked at before, done in the background, and never forgotten.

A change is in the index before it is begun, and stays there for good: who asked for it, when and why, which values
there were and which there are, what became of each study. One change at a time is at work on an archive, in whichever
process. What a stop of the server interrupts goes on with its next start.
"""

import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Final

from archimage.errors import (
    ArchimageError,
    CancelledError,
    ConflictError,
    IndexUnavailableError,
    NotFoundError,
    UnavailableError,
)
from archimage.logger import logger
from archimage.model.changes import (
    Asker,
    Change,
    ChangeEnd,
    ChangeRequest,
    ChangeState,
    ChangeTrail,
    Preview,
)
from archimage.model.listings import Page
from archimage.model.tasks import Task
from archimage.ports.pixels import JsonValue
from archimage.ports.turns import TakeTurn, Turn
from archimage.services.change_plans import Plan, Planner
from archimage.services.change_work import ChangeWork, Tools
from archimage.services.tasks import Explain, Progress, TaskService

AT_ONCE: Final = 3  # begun or waiting, in one process
_LOOK_EVERY_S: Final = 0.1
_ATTEMPTS: Final = 5
_BACK_OFF_S: Final = 2.0
_RUNNING: Final = (ChangeState.RUNNING,)
_ENDED_EARLY: Final = (ChangeState.CANCELLED, ChangeState.FAILED)
_log = logger("task")


@dataclass(frozen=True, slots=True)
class Begun:
    """A change that was begun, and the task that does it."""

    change: Change
    task: Task


class ChangeService:
    """Changes what is kept; safe to call from several threads. `close` it before the tasks."""

    def __init__(
        self, tools: Tools, planner: Planner, tasks: TaskService, take_turn: TakeTurn, explain: Explain
    ) -> None:
        self._tools = tools
        self._changes = tools.changes
        self._planner = planner
        self._tasks = tasks
        self._take_turn = take_turn
        self._explain = explain
        self._active: dict[int, str] = {}
        self._lock = threading.Lock()
        self._planning = threading.Lock()
        self._ended = threading.Event()
        self.asked: Callable[[Change], None] = lambda _: None
        """Hears of every change that is asked for."""
        self.ended: Callable[[Change], None] = lambda _: None
        """Hears of every change that has ended, however."""
        self.check: Callable[[str], None] = lambda _: None
        """Raises NotAuthorisedError where who asks may not change a study."""

    def start(self) -> None:
        """Go on with what was interrupted."""
        for number in self._changes.running():
            change = self._changes.get(number)
            if change is not None:
                self._begin(change)

    def close(self) -> None:
        """Leave what is being done to the next start."""
        self._ended.set()

    @property
    def unfinished(self) -> int:
        """How many wait or run in this process."""
        return len(self._active)

    def preview(self, request: ChangeRequest) -> Preview:
        """Tell what a change would do; raises what `Planner.plan` raises."""
        plan = self._plan(request, Asker())
        return Preview(
            kind=request.kind,
            patient=plan.change.patient,
            new_values=plan.change.new_values,
            studies=plan.studies,
            objects=sum(one.objects for one in plan.studies),
            warnings=plan.warnings,
            obstacle=plan.obstacle,
        )

    def begin(self, request: ChangeRequest, asker: Asker) -> Begun:
        """Begin a change.

        Raises:
            ConflictError: there is an obstacle.
            UnavailableError: too many changes wait.
            ServiceError: what `Planner.plan` raises.
        """
        with self._planning:  # so that of two who ask at once the second meets the first
            plan = self._plan(request, asker)
            if plan.obstacle:
                raise ConflictError(plan.obstacle)
            self._check_room()
            number = self._changes.add(plan.change, plan.studies)
        self.asked(self._change(number))
        _log.info("change asked for", change=number, kind=request.kind.value, studies=len(plan.studies))
        return self._begun(number)

    def _plan(self, request: ChangeRequest, asker: Asker) -> Plan:
        plan = self._planner.plan(request, asker)
        for study in plan.studies:
            self.check(study.study_instance_uid)
        return plan

    def list(self, limit: int, offset: int, study_instance_uid: str = "") -> Page[Change]:
        """Return a part of the trail, the newest first: of one study, or of all."""
        found, total = self._changes.list(limit, offset, study_instance_uid)
        return Page(found, total, limit, offset)

    def get(self, number: int) -> ChangeTrail:
        """Return a change with its studies; NotFoundError where there is none of this number."""
        return ChangeTrail(self._change(number), self._changes.studies(number))

    def cancel(self, number: int) -> Change:
        """Have a change end after the objects in hand; ConflictError where it has ended."""
        self._change(number)
        if not self._end(number, ChangeEnd(ChangeState.CANCELLED, time.time())):
            raise ConflictError(f"change {number} has ended already")
        with self._lock:
            task = self._active.get(number)
        if task is not None:
            self._tasks.cancel(task)
        return self._change(number)

    def resume(self, number: int) -> Begun:
        """Go on with a change that was cancelled or has failed.

        Raises:
            NotFoundError: there is none of this number.
            ConflictError: it is done, or running.
            UnavailableError: too many changes wait.
        """
        change = self._change(number)
        if number in self._active:
            raise ConflictError(f"change {number} is still running")
        if change.state is ChangeState.DONE:
            raise ConflictError(f"change {number} is done")
        self._check_room()
        self._changes.turn(number, _ENDED_EARLY, ChangeEnd(ChangeState.RUNNING))
        return self._begun(number)

    def _change(self, number: int) -> Change:
        change = self._changes.get(number)
        if change is None:
            raise NotFoundError(f"there is no change {number}")
        return change

    def _end(self, number: int, end: ChangeEnd) -> bool:
        """End a change that runs, and tell; False where it has ended already."""
        ended = self._changes.turn(number, _RUNNING, end)
        if ended:
            with suppress(ArchimageError):  # it has ended, whether or not the index still tells how
                self.ended(self._change(number))
        return ended

    def _check_room(self) -> None:
        if len(self._active) >= AT_ONCE:
            raise UnavailableError(f"{AT_ONCE} changes wait or are running")

    # The task

    def _begun(self, number: int) -> Begun:
        change = self._change(number)
        return Begun(change, self._begin(change))

    def _begin(self, change: Change) -> Task:
        number = change.number
        title = f"Change {number}: {_TITLES[change.kind.value]}, {_counted(change.objects, 'object')}"
        with self._lock:
            self._active[number] = ""
        try:
            task = self._tasks.start(
                "change", title, lambda progress: self._work(number, progress), release=lambda: self._released(number)
            )
        except ArchimageError:
            self._released(number)
            raise
        with self._lock:
            if number in self._active:
                self._active[number] = task.id
        return task

    def _released(self, number: int) -> None:
        """Note that nobody is at work on a change any more; one that never began was cancelled."""
        with self._lock:
            self._active.pop(number, None)
        if not self._ended.is_set():
            with suppress(ArchimageError):
                self._end(number, ChangeEnd(ChangeState.CANCELLED, time.time()))

    def _work(self, number: int, progress: Progress) -> JsonValue:
        """Do the work; begin it again after a while where the index is too busy to answer."""
        left = _ATTEMPTS
        while True:
            left -= 1
            try:
                return self._attempt(number, progress)
            except CancelledError:
                raise
            except Exception as error:
                if not (left and isinstance(error, IndexUnavailableError)) or self._ended.wait(_BACK_OFF_S):
                    self._fail(number, error)
                    raise

    def _attempt(self, number: int, progress: Progress) -> JsonValue:
        """Do the work, once it is our turn; where the index went away the turn may have gone with it."""
        with closing(self._turn(number, progress)):
            change = self._change(number)
            if change.state is not ChangeState.RUNNING:  # another process has done it, or somebody cancelled it
                return {"change": number, "state": change.state.value}
            result = ChangeWork(self._tools, change, progress).run()
            failed = result["failed"]
            state = ChangeState.FAILED if failed else ChangeState.DONE
            reason = f"{failed} objects could not be changed" if failed else ""
            self._end(number, ChangeEnd(state, time.time(), reason))
            _log.info("change ended", change=number, state=state.value, objects=result["completed"], failed=failed)
            return {"change": number, **result}

    def _turn(self, number: int, progress: Progress) -> Turn:
        """Wait until no other change is at work."""
        turn = self._take_turn()
        while turn is None:
            progress.tell(0, 0, "Waits for another change to end")
            if self._change(number).state is not ChangeState.RUNNING:
                raise CancelledError(f"change {number} has ended")
            self._ended.wait(_LOOK_EVERY_S)
            turn = self._take_turn()
        return turn

    def _fail(self, number: int, error: Exception) -> None:
        """Note why a change cannot go on for now; where not even that works, or all ends, the next start goes on."""
        if self._ended.is_set():
            return
        _log.error("change failed", change=number, reason=repr(error))
        with suppress(ArchimageError):
            self._end(number, ChangeEnd(ChangeState.FAILED, time.time(), self._explain(error)[0]))


_TITLES: Final = {
    "correct-patient": "correct a patient",
    "correct-study": "correct a study",
    "correct-series": "correct a series",
    "merge": "merge two patients",
    "move": "move studies to another patient",
}


def _counted(number: int, name: str) -> str:
    return f"{number} {name}" if number == 1 else f"{number} {name}s"
