"""Retention at work: a thread that writes times of access, keeps an eye on the quota, and carries the rules out.

One process of an archive at a time does the latter. What a run has done stands in the index, so whichever process has
the turn goes on with a run that a crash, or the end of another process, has interrupted.
"""

import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Final

from archimage.config_retention import RetentionConfig
from archimage.errors import CancelledError, ConflictError, InvalidRequestError
from archimage.logger import logger
from archimage.model.callers import current
from archimage.model.retention import RetentionPlan, RetentionRun, RunState
from archimage.model.tasks import Task
from archimage.ports.pixels import JsonValue
from archimage.ports.turns import TakeTurn, Turn
from archimage.services.accesses import AccessNotes
from archimage.services.retention_rules import within_hours
from archimage.services.retention_work import Look, Throttle, Tools, Work, make_room, move, plan
from archimage.services.tasks import Progress, TaskService
from archimage.services.tiering import Moved

LOOK_EVERY_S: Final = 30.0
SHOWN: Final = 200
"""Studies that a plan names."""
_HOUR_S: Final = 3_600.0
_log = logger("task")

Encode = Callable[[RetentionPlan], JsonValue]


class RetentionService:
    """Plans and carries out; safe to call from several threads. `close` it.

    look_every_s is how often the thread looks for work by itself, seconds.
    """

    def __init__(
        self,
        tools: Tools,
        settings: RetentionConfig,
        notes: AccessNotes,
        take_turn: TakeTurn,
        *,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        self._tools = tools
        self._settings = settings
        self.notes = notes
        self._take_turn = take_turn
        self._look_every_s = look_every_s
        self._woken = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="retention")

    # What people ask for

    @property
    def settings(self) -> RetentionConfig:
        """The rules, and how they are carried out."""
        return self._settings

    def configure(self, settings: RetentionConfig) -> None:
        """Go on with other rules, and carry them out in another way; nothing is waited for."""
        self._settings = settings
        self._tools.book.configure(settings.rule, settings.spare_days)
        self._woken.set()

    def runs(self, limit: int) -> Sequence[RetentionRun]:
        """Return some runs, the newest first."""
        return self._tools.table.runs(limit)

    def plan(self, limit: int = SHOWN, look: Look = lambda: None) -> RetentionPlan:
        """Work out what a run would do now; reads the facts of all studies."""
        return plan(self._tools, limit, look)

    def plan_as_task(self, tasks: TaskService, encode: Encode) -> Task:
        """Do so in the background; the plan is the result of the task."""

        def work(progress: Progress) -> JsonValue:
            return encode(self.plan(look=progress.check))

        return tasks.start("retention", "Planning what rules of retention would do", work)

    def ask(self) -> RetentionRun:
        """Have the rules carried out by whichever process serves the archive; return the run, or the one at work.

        Raises:
            InvalidRequestError: there are no rules.
        """
        run = self._begun()
        self._woken.set()
        return run

    def stop(self) -> RetentionRun:
        """Have the run that is at work end; ConflictError where none is."""
        for run in self._tools.table.runs(1):
            if self._tools.table.end(run.number, RunState.STOPPED, self._tools.clock()):
                return self._tools.table.runs(1)[0]
        raise ConflictError("no run of the rules is at work", next_step="Ask for one, or wait for the next.")

    def run_here(self) -> RetentionRun:
        """Carry the rules out in this thread; return how the run ended.

        Raises:
            InvalidRequestError: there are no rules.
            ConflictError: another process carries them out.
        """
        turn = self._take_turn()
        if turn is None:
            raise ConflictError("another process of this archive is at work on the rules")
        with closing(turn):
            self._clean()
            return self._work(self._begun(), turn)

    def move(self, study_instance_uid: str, tier: str, look: Look) -> Moved | None:
        """Move what of a study is not in a tier, in this thread and whatever the rules say.

        None is returned, and nothing done, while it is another's turn. What look raises, before each object, leaves the
        rest where it is.

        Raises:
            HeldError, OutOfResourcesError, UnavailableError, IndexUnavailableError: as `services.tiering.Mover.move`.
            CancelledError: all ends, or another process has the turn now.
        """
        turn = self._take_turn()
        if turn is None:
            return None
        with closing(turn):

            def looked() -> None:
                look()
                self._look_at(turn)

            self._clean()
            self._tools.check()
            facts = self._tools.table.facts(study_instance_uid)
            return Moved() if facts is None else move(self._tools, facts, tier, looked)

    def _begun(self) -> RetentionRun:
        if not self._settings.rule:
            raise InvalidRequestError("there are no rules: write [[retention.rule]] into the settings")
        caller = current()
        name = "" if caller is None else caller.principal.user or caller.principal.name
        return self._tools.table.begin(name or "unknown", self._tools.clock())

    # The thread

    def start(self) -> None:
        """Begin, with what was left when the server stopped."""
        self._thread.start()

    def close(self) -> None:
        """Stop after the study that is at hand; the next start goes on."""
        self._ended.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join()
        self._attempt(self.notes.write)

    def _run(self) -> None:
        while not self._ended.is_set():
            self._woken.clear()
            for work in (self._tools.quota.look, self.notes.write, self.carry_out):
                self._attempt(work)
            self._woken.wait(self._look_every_s)

    def _attempt(self, work: Callable[[], object]) -> None:
        try:
            work()
        except CancelledError:
            pass
        except Exception as error:  # a fault of ours must not end the only thread of its kind
            _log.error("retention is interrupted", reason=str(error) or repr(error))

    def carry_out(self) -> None:
        """Make room and carry the rules out, where there is something to do and it is this process's turn."""
        room = self._tools.quota.excess_bytes > 0 and self._tools.book.makes_room
        left = self._tools.mover is not None and self._tools.mover.has_left
        if not (room or left or (self._settings.rule and self._is_due())):
            return
        turn = self._take_turn()
        if turn is None:
            return
        with closing(turn):
            self._clean()
            if room:
                make_room(self._tools, lambda: self._look_at(turn))
            run = self._due_run()
            if run is not None:
                self._work(run, turn)

    def _is_due(self) -> bool:
        for run in self._tools.table.runs(1):
            if run.state is RunState.RUNNING:
                return bool(run.asked_by) or self._may_work()
            return self._is_time(run.started_at)
        return self._is_time(0.0)

    def _is_time(self, last: float) -> bool:
        now = self._tools.clock()
        return self._settings.automatic and now - last >= self._settings.every_hours * _HOUR_S and self._may_work()

    def _may_work(self) -> bool:
        return within_hours(self._settings.hours, self._tools.clock())

    def _due_run(self) -> RetentionRun | None:
        """Return the run to go on with, begun now where it is time."""
        if not (self._settings.rule and self._is_due()):
            return None
        for run in self._tools.table.runs(1):
            if run.state is RunState.RUNNING:
                return run
        return self._tools.table.begin("", self._tools.clock())

    def _clean(self) -> None:
        """Delete what a crash has left of copies: whoever has the turn is the only one who moves."""
        if self._tools.mover is not None and (cleaned := self._tools.mover.clean()):
            _log.warning("deleted what was left of objects that were being moved", objects=cleaned)

    def _work(self, run: RetentionRun, turn: Turn) -> RetentionRun:
        """Go through what is left of a run, and end it."""
        throttle = Throttle(self._settings.studies_per_minute, self._ended)
        work = Work(self._tools, run, lambda: self._look(run, turn), throttle)
        _log.info("retention begins", run=run.number, after=run.cursor)
        try:
            work.through()
        except CancelledError:
            _log.info("retention rests", run=run.number)
        else:
            self._tools.table.end(run.number, RunState.DONE, self._tools.clock())
            done = work.run
            told = {"deleted": done.deleted, "moved": done.moved, "failed": done.failed}
            _log.info("retention has ended", run=run.number, **told)
            if self._tools.mover is not None:
                self._tools.mover.count()
        return self._tools.table.get(run.number) or work.run

    def _look_at(self, turn: Turn) -> None:
        if self._ended.is_set():
            raise CancelledError("the archive is ending")
        if not turn.is_held():
            raise CancelledError("another process may have gone on with it")

    def _look(self, run: RetentionRun, turn: Turn) -> None:
        """Raise CancelledError where a run is to rest: all ends, somebody has stopped it, or its hours are over."""
        self._look_at(turn)
        if not run.asked_by and not self._may_work():
            raise CancelledError("the hours of automatic runs are over")
        now = self._tools.table.get(run.number)
        if now is None or now.state is not RunState.RUNNING:
            raise CancelledError("the run was stopped")
