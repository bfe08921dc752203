"""Group commit: what many threads want changed at a time is done in one transaction, and flushed once."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, Final, Generic, TypeVar, cast

from archimage.errors import ArchimageError, CancelledError

Writer = TypeVar("Writer")
Result = TypeVar("Result")
MOST: Final = 64
"""Changes in one transaction."""


@dataclass(slots=True)
class _Asked(Generic[Writer]):
    work: Callable[[Writer], Any]
    context: Context = field(default_factory=copy_context)
    answer: "Future[Any]" = field(default_factory=Future)


class GroupCommit(Generic[Writer]):
    """One thread does the work of all; while it flushes, more come, and are the next group. `close` it.

    begin lends a writer in a transaction; sync makes it durable.
    """

    def __init__(self, begin: Callable[[], AbstractContextManager[Writer]], sync: Callable[[], None]) -> None:
        self._begin = begin
        self._sync = sync
        self._waiting: SimpleQueue[_Asked[Writer] | None] = SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="group-commit", daemon=True)
        self._thread.start()

    def run(self, work: Callable[[Writer], Result]) -> Result:
        """Have a change done and durable; work that raises an ArchimageError must not have changed anything before.

        Raises:
            CancelledError: `close` was called.
        """
        if self._closed:
            raise CancelledError("the archive ends")
        asked = _Asked(work)
        self._waiting.put(asked)
        return cast("Result", asked.answer.result())

    def close(self) -> None:
        """Do what waits, and end."""
        self._closed = True
        self._waiting.put(None)
        self._thread.join()
        for asked in self._taken(MOST):
            if asked is not None:
                asked.answer.set_exception(CancelledError("the archive ends"))

    def _work(self) -> None:
        while True:
            found = [self._waiting.get(), *self._taken(MOST - 1)]
            group = [asked for asked in found if asked is not None]
            if group:
                self._commit(group)
            if len(group) < len(found):
                return

    def _taken(self, most: int) -> list[_Asked[Writer] | None]:
        """Take what waits."""
        found: list[_Asked[Writer] | None] = []
        try:
            while len(found) < most:
                found.append(self._waiting.get_nowait())
        except Empty:
            pass
        return found

    def _commit(self, group: list[_Asked[Writer]]) -> None:
        told: list[tuple[_Asked[Writer], Any, ArchimageError | None]] = []
        try:
            with self._begin() as writer:
                for asked in group:
                    try:
                        told.append((asked, asked.context.run(asked.work, writer), None))
                    except ArchimageError as error:
                        told.append((asked, None, error))
            self._sync()
        except Exception as error:  # whatever goes wrong is this group's end, not the thread's
            for asked in group:
                asked.answer.set_exception(error)
            return
        for asked, result, refused in told:
            if refused is None:
                asked.answer.set_result(result)
            else:
                asked.answer.set_exception(refused)
