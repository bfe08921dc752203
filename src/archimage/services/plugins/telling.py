"""Telling one plugin of what came, one thing after the other; what it is too far behind for, it is not told of."""

import threading
from collections.abc import Callable
from queue import Full, Queue
from typing import Final

from archimage.logger import logger
from archimage.ports.plugins import Event

_log: Final = logger("plugin")


class Telling:
    """A bounded queue, and the thread that empties it; it begins with the first thing to tell. `close` it."""

    def __init__(
        self, name: str, tell: Callable[[str, Event], None], dropped: Callable[[int], None], most: int
    ) -> None:
        """Tell by tell, of a hook and an event; dropped hears of how much was not told."""
        self._name = name
        self._tell = tell
        self._dropped = dropped
        self._queue: Queue[tuple[str, Event] | None] = Queue(most)
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_full = False

    @property
    def waiting(self) -> int:
        """How much it is to be told."""
        return self._queue.qsize()

    def add(self, hook: str, event: Event) -> None:
        """Have it told of something; never waits."""
        if self._thread is None:
            self._begin()
        try:
            self._queue.put_nowait((hook, event))
            self._is_full = False
        except Full:
            self._dropped(1)
            if not self._is_full:
                self._is_full = True
                _log.warning("plugin is not told of what comes", plugin=self._name, behind=self._queue.maxsize)

    def close(self) -> None:
        """End; what waits is not told."""
        self._closed.set()
        if self._thread is not None:
            self._clear()
            self._queue.put(None)
            self._thread.join()

    def _begin(self) -> None:
        with self._lock:
            if self._thread is None and not self._closed.is_set():
                self._thread = threading.Thread(target=self._work, name=f"plugin-{self._name}", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while (told := self._queue.get()) is not None and not self._closed.is_set():
            self._tell(*told)

    def _clear(self) -> None:
        while not self._queue.empty():
            self._queue.get()
