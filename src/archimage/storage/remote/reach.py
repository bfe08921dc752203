"""Whether an object store is within reach: who asks one that is not has his answer at once, not after a time-out."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from archimage.errors import UnavailableError

_TRIED_EVERY_S: Final = 1.0


class Reach:
    """What the last requests have met; used from any thread.

    After one that was not answered, one at a time is let through each second, to see whether the store is back.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._failure: UnavailableError | None = None
        self._next_try = 0.0
        self._is_trying = False

    @property
    def failure(self) -> UnavailableError | None:
        """What the last request failed of; None where the store has answered."""
        return self._failure

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Make one request within; UnavailableError at once where the store is out of reach."""
        trying = self._enter()
        try:
            yield
        except UnavailableError as error:
            self.failed(error)
            raise
        else:
            self.answered()
        finally:
            if trying:
                self._is_trying = False

    def answered(self) -> None:
        """Tell that the store has answered."""
        if self._failure is not None:
            with self._lock:
                self._failure = None

    def failed(self, error: UnavailableError) -> None:
        """Tell that it has not."""
        with self._lock:
            self._failure = error
            self._next_try = self._now() + _TRIED_EVERY_S

    def _enter(self) -> bool:
        """Let a request through; true where it is the one that tries."""
        if self._failure is None:
            return False
        with self._lock:
            failure = self._failure
            if failure is None:
                return False
            if self._is_trying or self._now() < self._next_try:
                raise UnavailableError(f"the object store is out of reach: {failure}", next_step=failure.next_step)
            self._is_trying = True
            return True
