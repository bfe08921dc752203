"""Figures that take long to count: told as they were a while ago, and counted anew meanwhile."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from typing import Final, Generic, TypeVar

from archimage.errors import ArchimageError
from archimage.logger import logger

T = TypeVar("T")
_log: Final = logger("index")


class Refreshed(Generic[T]):
    """Keeps what was counted last, never None. Only who asks first of all waits; counting anew is left to an executor.

    holds_s says for how long the figures are told before they are counted anew, seconds.
    """

    def __init__(
        self,
        count: Callable[[], T],
        executor: Executor,
        *,
        holds_s: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._count = count
        self._executor = executor
        self._holds_s = holds_s
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._found: T | None = None
        self._due = 0.0
        self._counting = False

    def get(self) -> T:
        """Return the figures; raises what counting raises where there are none yet."""
        with self._lock:
            if self._found is None:
                return self._keep(self._count())
            if self._monotonic() >= self._due and not self._counting:
                with suppress(RuntimeError):  # the archive is closing
                    self._executor.submit(self._anew)
                    self._counting = True
            return self._found

    def _keep(self, found: T) -> T:
        self._found, self._due = found, self._monotonic() + self._holds_s
        return found

    def _anew(self) -> None:
        try:
            found = self._count()
            with self._lock:
                self._keep(found)
        except ArchimageError as error:
            _log.warning("figures could not be counted anew", reason=str(error))
        finally:
            with self._lock:
                self._counting = False
