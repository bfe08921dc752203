"""Answers that hold for as long as the index stays as it is."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Remembered(Generic[T]):
    """Keeps the answers that were asked for last, and drops all of them after any change by any process.

    version tells the state of the index; it is read before an answer is made, so that none outlives its reasons.
    """

    def __init__(self, version: Callable[[], Hashable], max_entries: int) -> None:
        self._version = version
        self._max_entries = max_entries
        self._lock = threading.Lock()
        self._seen: Hashable = None
        self._answers: OrderedDict[Hashable, T] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], T], worth: Callable[[T], bool] = lambda _answer: True) -> T:
        """Return the answer to key, made anew unless it is remembered; it will be where worth says so."""
        version = self._version()
        with self._lock:
            if version != self._seen:
                self._answers.clear()
                self._seen = version
            if key in self._answers:
                self._answers.move_to_end(key)
                return self._answers[key]
        answer = make()
        if worth(answer):
            self._keep(version, key, answer)
        return answer

    def _keep(self, version: Hashable, key: Hashable, answer: T) -> None:
        with self._lock:
            if version == self._seen:
                self._answers[key] = answer
                while len(self._answers) > self._max_entries:
                    self._answers.popitem(last=False)
