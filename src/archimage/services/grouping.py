"""Group commit: what many threads want changed at a time is done in one transaction, and flushed once."""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from contextvars import Context, copy_context
from dataclasses import dataclass, field
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
    """Of the threads that wait for the lock, the one that has it does the work of all; there is no thread beside them.

    begin lends a writer in a transaction; sync makes it durable.
    """

    def __init__(self, begin: Callable[[], AbstractContextManager[Writer]], sync: Callable[[], None]) -> None:
        self._begin = begin
        self._sync = sync
        self._lock = threading.Lock()
        self._waiting: deque[_Asked[Writer]] = deque()

    def run(self, work: Callable[[Writer], Result]) -> Result:
        """Have a change done and durable; work that raises an ArchimageError must not have changed anything before."""
        asked = _Asked(work)
        self._waiting.append(asked)
        with self._lock:
            while not asked.answer.done():
                self._commit([self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))])
        return cast("Result", asked.answer.result())

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
        except BaseException as error:
            for asked in group:
                asked.answer.set_exception(error if isinstance(error, Exception) else CancelledError("interrupted"))
            if not isinstance(error, Exception):
                raise
            return
        for asked, result, refused in told:
            if refused is None:
                asked.answer.set_result(result)
            else:
                asked.answer.set_exception(refused)
