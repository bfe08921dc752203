"""The pool of worker processes: started when there is work, kept warm, replaced when they are lost."""

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from archimage import errors
from archimage.errors import ArchimageError, InvalidPixelDataError, UnavailableError
from archimage.imaging.process import Answer, WorkerLostError, WorkerProcess, WorkerSettings
from archimage.logger import logger
from archimage.ports.meter import Meter, TaskOutcome
from archimage.ports.pixels import JsonValue
from archimage.threads import ContextThreads

Buffer = bytes | memoryview
Result = tuple[dict[str, Any], bytes]

_TOLD: Final[Mapping[str, type[ArchimageError]]] = MappingProxyType(
    {
        kind.__name__: kind
        for kind in (
            errors.InvalidDatasetError,
            errors.ExcessiveDatasetError,
            errors.UnsupportedTransferSyntaxError,
            errors.InvalidPixelDataError,
            errors.InvalidRequestError,
            errors.ExcessiveRequestError,
            errors.NotAcceptableError,
        )
    }
)
"""Errors that a task may raise; whatever else it raises is the codestream's fault or ours."""

WARM: Final = 4
MAX_WAITING: Final = 256
"""Tasks for which no worker is free."""
_log = logger("error")


@dataclass(frozen=True, slots=True)
class _Task:
    """What a worker is asked."""

    name: str
    options: Mapping[str, JsonValue]
    data: Sequence[Buffer]
    timeout_s: float


class WorkerPool:
    """Does pixel work in at most so many processes; used from any thread. Implements `ports.PixelWork`."""

    def __init__(self, workers: int, settings: WorkerSettings, *, max_waiting: int = MAX_WAITING) -> None:
        self.meter = Meter()
        """Hears of tasks."""
        self._settings = settings
        self._workers = workers
        self._max_outstanding = workers + max_waiting
        self._threads = ContextThreads(workers, "pixels")
        self._lock = threading.Lock()
        self._idle: list[WorkerProcess] = []
        self._busy: set[WorkerProcess] = set()
        self._outstanding = 0
        self._starting = 0
        self._closed = False

    def submit(
        self, task: str, options: Mapping[str, JsonValue], data: Sequence[Buffer], *, native_bytes: int | None = None
    ) -> Future[Result]:
        """Have a task done, in a time that grows with its frames' native size; its data must stay as it is until then.

        The future raises InvalidPixelDataError where a worker was lost on it, and what the task raised.

        Raises:
            UnavailableError: too many tasks wait.
        """
        with self._lock:
            if self._closed:
                raise UnavailableError("the server is ending")
            if self._outstanding >= self._max_outstanding:
                raise UnavailableError(f"{self._outstanding} images wait to be processed; try again later")
            self._count(1)
            future = self._threads.submit(
                self._run, _Task(task, options, data, self._settings.patience_s(native_bytes))
            )
        future.add_done_callback(self._done)
        return future

    def warm(self) -> None:
        """Have workers started before there is work, as many as a browser sends requests at once; returns at once."""
        with self._lock:
            missing = min(self._workers, WARM) - self._there()
            if not self._closed:
                for _ in range(missing):
                    self._threads.submit(self._start)

    def close(self) -> None:
        """End the workers, whatever they do."""
        with self._lock:
            self._closed = True
            workers = [*self._idle, *self._busy]
        self._threads.shutdown(wait=False, cancel_futures=True)
        for worker in workers:
            worker.kill()
        self._threads.shutdown()
        for worker in self._idle:
            worker.close()
        self._idle.clear()

    @property
    def pids(self) -> frozenset[int]:
        """The processes that run."""
        with self._lock:
            return frozenset(worker.pid for worker in (*self._idle, *self._busy))

    @property
    def busy(self) -> int:
        """How many of them are at work."""
        return len(self._busy)

    @property
    def idle(self) -> int:
        """How many of them wait for work."""
        return len(self._idle)

    @property
    def waiting(self) -> int:
        """How many tasks wait for one."""
        return max(0, self._outstanding - self._workers)

    def _there(self) -> int:
        return len(self._idle) + len(self._busy) + self._starting

    def _start(self) -> None:
        """Start a worker, unless tasks have done that meanwhile."""
        with self._lock:
            if self._closed or self._there() >= min(self._workers, WARM):
                return
            self._starting += 1
        try:
            worker = self._new()
        except UnavailableError as error:
            _log.warning("no worker process could be started ahead", reason=str(error))
            return
        finally:
            with self._lock:
                self._starting -= 1
        self._give(worker, keep=True)

    def _done(self, _future: Future[Result]) -> None:
        with self._lock:
            self._count(-1)

    def _count(self, added: int) -> None:
        self._outstanding += added
        self.meter.pixel_tasks_waiting(self.waiting)

    def _run(self, task: "_Task") -> Result:
        try:
            answer = self._ask(task)
        except WorkerLostError as lost:
            if self._closed:
                raise UnavailableError("the server is ending") from None
            self.meter.pixel_task(task.name, "timeout" if lost.late else "lost")
            _log.error("killed a worker process over an image", task=task.name, reason=str(lost))
            raise InvalidPixelDataError(f"the image cannot be processed: {lost}") from None
        self.meter.pixel_task(task.name, _outcome(answer))
        if answer.error is None:
            return answer.result, answer.data
        if answer.error in _TOLD:
            raise _TOLD[answer.error](answer.message)
        _log.error("a worker process failed on an image", task=task.name, reason=answer.message)
        raise InvalidPixelDataError(f"the image cannot be processed: {answer.message}")

    def _ask(self, task: "_Task") -> Answer:
        """Ask a worker; another one if the first was lost before it began."""
        try:
            return self._ask_one(task)
        except WorkerLostError as lost:
            if lost.begun or self._closed:
                raise
            return self._ask_one(task)

    def _ask_one(self, task: "_Task") -> Answer:
        worker = self._take()
        keep = False
        try:
            answer = worker.ask(task.name, task.options, task.data, task.timeout_s)
            keep = not answer.last
        finally:
            self._give(worker, keep=keep)
        return answer

    def _take(self) -> WorkerProcess:
        """Return the worker that was in use last, or a new one."""
        while (worker := self._pop_idle()) is not None:
            if worker.usable:
                return worker
            self._give(worker, keep=False)
        return self._new()

    def _new(self) -> WorkerProcess:
        worker = WorkerProcess(self._settings)
        with self._lock:
            self._busy.add(worker)
            closed = self._closed
        if closed:
            worker.kill()
        return worker

    def _pop_idle(self) -> WorkerProcess | None:
        with self._lock:
            if not self._idle:
                return None
            worker = self._idle.pop()
            self._busy.add(worker)
            return worker

    def _give(self, worker: WorkerProcess, *, keep: bool) -> None:
        with self._lock:
            self._busy.discard(worker)
            if keep:
                self._idle.append(worker)
        if not keep:
            worker.close()


def _outcome(answer: Answer) -> TaskOutcome:
    if answer.error is None:
        return "done"
    return "memory" if answer.last else "failed"
