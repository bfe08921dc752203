"""Answers that hold for as long as the index stays as it is."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Remembered(Generic[T]):
    """Keeps the answers that were asked for last, none of them None, and drops all after any change by any process.

    version tells the state of the index; it is read before an answer is made, so that none outlives its reasons.
    version_at_once tells it without waiting, or None.
    """

    def __init__(
        self, version: Callable[[], Hashable], max_entries: int, version_at_once: Callable[[], Hashable] = lambda: None
    ) -> None:
        self._version = version
        self._version_at_once = version_at_once
        self._max_entries = max_entries
        self._lock = threading.Lock()
        self._seen: Hashable = None
        self._answers: OrderedDict[Hashable, T] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], T], serves: Callable[[T], bool] = lambda _answer: True) -> T:
        """Return the answer to key, made anew unless one is remembered; serves tells which may be used again."""
        version = self._version()
        with self._lock:
            if version != self._seen:
                self._answers.clear()
                self._seen = version
            if (found := self._find(key, serves)) is not None:
                return found
        answer = make()
        if serves(answer):
            self._keep(version, key, answer)
        return answer

    def at_once(self, key: Hashable, serves: Callable[[T], bool] = lambda _answer: True) -> T | None:
        """Return the answer to key if one is remembered and that is told without waiting, else None."""
        version = self._version_at_once()
        with self._lock:
            return self._find(key, serves) if version is not None and version == self._seen else None

    def _find(self, key: Hashable, serves: Callable[[T], bool]) -> T | None:
        found = self._answers.get(key)
        if found is None or not serves(found):
            return None
        self._answers.move_to_end(key)
        return found

    def _keep(self, version: Hashable, key: Hashable, answer: T) -> None:
        with self._lock:
            if version == self._seen:
                self._answers[key] = answer
                while len(self._answers) > self._max_entries:
                    self._answers.popitem(last=False)
