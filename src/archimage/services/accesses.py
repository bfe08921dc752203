"""When somebody was last given something of a study: gathered in memory, written each minute.

Reading costs no write: who reads only enters a time. What a crash loses is at most a minute of these times.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

from archimage.errors import StorageError
from archimage.ports.retention import Accesses

WAITING: Final = 100_000
"""Studies whose times wait at most; of more, those that are already there are told alone."""


class AccessNotes:
    """Gathers times; `note` may be called from any thread, and never waits for the index."""

    def __init__(self, accesses: Accesses, clock: Callable[[], float] = time.time) -> None:
        self._accesses = accesses
        self._clock = clock
        self._times: dict[str, float] = {}
        self._lock = threading.Lock()

    @property
    def waiting(self) -> int:
        """How many times wait to be written."""
        return len(self._times)

    def note(self, study_instance_uid: str) -> None:
        """Note that somebody is given something of a study now."""
        with self._lock:
            if study_instance_uid in self._times or len(self._times) < WAITING:
                self._times[study_instance_uid] = self._clock()

    def write(self) -> int:
        """Write what has gathered; return of how many studies. Where the index refuses, it waits on."""
        with self._lock:
            times, self._times = self._times, {}
        if not times:
            return 0
        try:
            self._accesses.note(times)
        except StorageError:
            with self._lock:
                self._times = {**times, **self._times}
            raise
        return len(times)
