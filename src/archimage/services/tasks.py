"""Work in the background: started by one request, asked about by others, cancelled by anyone.

Tasks are kept in memory: a restart forgets them, and of several worker processes each knows its own. What outlasts the
process is a job (`services.jobs`), and is told among the tasks.
"""

import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol

from archimage import spans
from archimage.errors import CancelledError, NotFoundError, UnavailableError
from archimage.logger import logger
from archimage.model import callers
from archimage.model.events import TaskChanged
from archimage.model.tasks import Task, TaskState
from archimage.ports.meter import Meter
from archimage.ports.pixels import JsonValue
from archimage.services.events import EventHub
from archimage.spans import Tracer
from archimage.threads import ContextThreads

THREADS: Final = 4
KEPT: Final = 500
WAITING: Final = 200
_LASTING: Final = "0" * 16
_TOLD_EVERY_S: Final = 0.25
_log = logger("task")

Explain = Callable[[Exception], tuple[str, str]]
"""Says in words for a person what went wrong, and what to do next."""


class Progress:
    """What the work of a task tells of itself; it raises CancelledError once the task is to end."""

    def __init__(self, report: Callable[[Mapping[str, Any]], None], cancelled: threading.Event) -> None:
        self._report = report
        self._cancelled = cancelled

    def check(self) -> None:
        """Raise CancelledError when somebody has cancelled the task."""
        if self._cancelled.is_set():
            raise CancelledError("the task was cancelled")

    def tell(self, done: int, total: int = 0, message: str = "") -> None:
        """Say how far the work is; raises what `check` raises."""
        self.check()
        self._report({"done": done, "total": total, "message": message})


Work = Callable[[Progress], JsonValue]
"""Does the work of a task and returns its result."""


class Lasting(Protocol):
    """Work that outlasts the process, told as tasks; NotFoundError where none of a number is kept. All of it blocks."""

    def list(self) -> Sequence[Task]:
        """Return the newest."""

    def get(self, number: int) -> Task:
        """Return one."""

    def cancel(self, number: int) -> Task:
        """Have one end."""


class TaskService:
    """Does work in threads of its own; safe to call from any thread. `close` it."""

    def __init__(
        self,
        events: EventHub,
        explain: Explain,
        tracer: Tracer | None = None,
        *,
        threads: int = THREADS,
        kept: int = KEPT,
        lasting: Lasting | None = None,
    ) -> None:
        self.meter = Meter()
        """Hears of ends."""
        self._events = events
        self._explain = explain
        self._tracer = tracer or Tracer()
        self._kept = kept
        self._lasting = lasting
        self._tasks: dict[str, Task] = {}
        self._cancelled: dict[str, threading.Event] = {}
        self._releases: dict[str, Callable[[], None]] = {}
        self._told_at: dict[str, float] = {}
        self._lock = threading.Lock()
        self.threads = ContextThreads(threads, "task")
        """Do the work."""

    def start(self, kind: str, title: str, work: Work, *, release: Callable[[], None] = lambda: None) -> Task:
        """Begin a task; release is called once it has ended, even if it never began.

        Raises:
            UnavailableError: too many tasks wait; release is not called.
        """
        task = Task(uuid.uuid4().hex, kind, title, TaskState.QUEUED, time.time(), owner=_asking())
        with self._lock:
            if len(self._cancelled) >= WAITING:
                raise UnavailableError(f"{WAITING} tasks are waiting or running")
            self._tasks[task.id] = task
            self._cancelled[task.id] = threading.Event()
            self._releases[task.id] = release
            self._forget()
        self._events.publish(TaskChanged(task))
        try:
            self.threads.submit(self._run, task.id, kind, work)
        except RuntimeError:
            self._end(task.id, TaskState.CANCELLED)
            raise UnavailableError("the archive is closing") from None
        return task

    @property
    def unfinished(self) -> int:
        """How many wait or run."""
        return len(self._cancelled)

    @property
    def kept(self) -> int:
        """How many are remembered."""
        return len(self._tasks)

    def list(self) -> Sequence[Task]:
        """Return the tasks that are kept, the newest first: of who may see a part of the archive alone, his own."""
        with self._lock:
            tasks = tuple(reversed(self._tasks.values()))
        ours = tuple(task for task in tasks if self.is_shown(task))
        lasting = () if self._lasting is None else self._lasting.list()
        return sorted((*ours, *lasting), key=lambda task: task.started, reverse=True) if lasting else ours

    def get(self, task_id: str) -> Task:
        """Return one task; NotFoundError where none of that name is kept."""
        if self._lasting is not None and (number := _number(task_id)) is not None:
            return self._lasting.get(number)
        with self._lock:
            task = self._tasks.get(task_id)
        if task is None or not self.is_shown(task):
            raise NotFoundError("no task of this name is kept")
        return task

    def is_shown(self, task: Task) -> bool:
        """Tell whether who asks may see a task, whose title and result may name any patient."""
        return not callers.granted().within or task.owner == _asking()

    def cancel(self, task_id: str) -> Task:
        """Ask a task to end; one that has ended stays as it is."""
        if self._lasting is not None and (number := _number(task_id)) is not None:
            return self._lasting.cancel(number)
        task = self.get(task_id)
        with self._lock:
            asked = self._cancelled.get(task_id)
        if asked is not None:
            asked.set()
            if task.state is TaskState.QUEUED:
                self._end(task_id, TaskState.CANCELLED)
        return self.get(task_id)

    def close(self) -> None:
        """Ask all tasks to end, and wait until they have."""
        with self._lock:
            for asked in self._cancelled.values():
                asked.set()
        self.threads.shutdown(cancel_futures=True)
        for left in tuple(self._cancelled):
            self._end(left, TaskState.CANCELLED)

    def _run(self, task_id: str, kind: str, work: Work) -> None:
        """Do the work of one task, in a thread of the pool."""
        with self._lock:
            asked = self._cancelled.get(task_id)
        if asked is None:
            return None
        if asked.is_set():
            return self._end(task_id, TaskState.CANCELLED)
        self._change(task_id, state=TaskState.RUNNING)
        try:
            with spans.whole(self._tracer, f"task {kind}", {"task.id": task_id}):
                result = work(Progress(lambda told: self._progress(task_id, told), asked))
        except CancelledError:
            self._end(task_id, TaskState.CANCELLED)
        except Exception as error:  # whatever goes wrong is the task's end, not the thread's
            message, next_step = self._explain(error)
            _log.warning("a task failed", task=task_id, reason=repr(error))
            self._end(task_id, TaskState.FAILED, error=message, next=next_step)
        else:
            self._end(task_id, TaskState.DONE, result=result)
        return None

    def _progress(self, task_id: str, told: Mapping[str, Any]) -> None:
        """Note how far a task is; tell it now and then."""
        now = time.monotonic()
        quiet = now - self._told_at.get(task_id, 0.0) < _TOLD_EVERY_S
        if not quiet:
            self._told_at[task_id] = now
        self._change(task_id, quiet=quiet, **told)

    def _change(self, task_id: str, *, quiet: bool = False, **changes: Any) -> Task | None:
        """Change a task; return it, None where it has ended before."""
        with self._lock:
            task = self._tasks.get(task_id)
            if task is None or task.state.ended:
                return None
            task = self._tasks[task_id] = replace(task, **changes)
        if not quiet:
            self._events.publish(TaskChanged(task))
        return task

    def _end(self, task_id: str, state: TaskState, **changes: Any) -> None:
        with self._lock:
            release = self._releases.pop(task_id, None)
        if release is not None:
            release()
        task = self._change(task_id, state=state, ended=time.time(), **changes)
        if task is not None:
            self.meter.task_ended(task.kind, state)
        with self._lock:
            self._cancelled.pop(task_id, None)
            self._told_at.pop(task_id, None)

    def _forget(self) -> None:
        """Drop the oldest tasks that have ended, beyond the number that is kept."""
        spare = len(self._tasks) - self._kept
        if spare > 0:
            for old in [task.id for task in self._tasks.values() if task.state.ended][:spare]:
                del self._tasks[old]


def _number(task_id: str) -> int | None:
    """Return the number of a task that lasts, which is its name; None where it is the random name of another one."""
    return int(task_id, 16) if task_id.startswith(_LASTING) else None


def _asking() -> str:
    caller = callers.current()
    return "" if caller is None else caller.principal.name
