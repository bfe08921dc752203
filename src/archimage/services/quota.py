"""How much the archive may keep: with the quota reached objects are refused until there is room again."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

from archimage.errors import ArchimageError, OutOfResourcesError
from archimage.logger import logger
from archimage.model.events import Event, InstanceStored

_LOOK_EVERY_S: Final = 30.0
_SHARE: Final = 20
"""A sum that takes long is made rarely: it may take one part in so many of the time."""
_log = logger("storage")


class Quota:
    """So many bytes at most, 0 for any number; measure sums up what is kept, and blocks.

    Between two sums what this process stores is added, and what others do is not known: two processes may pass the
    quota by what they store within half a minute.
    """

    def __init__(
        self,
        quota_bytes: int,
        warn_percent: int,
        measure: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.quota_bytes = quota_bytes
        self.warn_bytes = quota_bytes * warn_percent // 100
        self._measure = measure
        self._clock = clock
        self._used = 0
        self._due = 0.0
        self._warned = False
        self._lock = threading.Lock()

    def configure(self, quota_bytes: int, warn_percent: int) -> None:
        """Go on with another quota; what is kept is summed up with the next look."""
        self.quota_bytes, self.warn_bytes = quota_bytes, quota_bytes * warn_percent // 100
        self._due = 0.0

    @property
    def is_set(self) -> bool:
        """Tell whether there is one."""
        return self.quota_bytes > 0

    @property
    def used_bytes(self) -> int:
        """What is kept, as far as is known."""
        return self._used

    @property
    def excess_bytes(self) -> int:
        """How much has to go to be below the level of warning, 0 or less where nothing has to."""
        return self._used - self.warn_bytes if self.is_set else 0

    def check(self) -> Mapping[str, int]:
        """Return what is kept, and the quota; OutOfResourcesError where it is reached."""
        if not self.is_set:
            return {}
        if self._used >= self.quota_bytes:
            raise OutOfResourcesError(
                f"{self._used} bytes are kept, and storage.quota_bytes allows {self.quota_bytes}: "
                "delete something, or raise it"
            )
        return {"kept_bytes": self._used, "quota_bytes": self.quota_bytes}

    def hear(self, event: Event) -> None:
        """Add what was stored."""
        if isinstance(event, InstanceStored):
            with self._lock:
                self._used += event.record.size_bytes

    def removed(self, size_bytes: int) -> None:
        """Take away what was removed."""
        with self._lock:
            self._used = max(0, self._used - size_bytes)

    def look(self, *, now: bool = False) -> None:
        """Sum up what is kept, if that was some time ago or is wanted now; tell once when it comes near the quota."""
        began = self._clock()
        if not self.is_set or (began < self._due and not now):
            return
        try:
            used = self._measure()
        except ArchimageError as error:
            _log.warning("what is kept cannot be summed up", reason=str(error))
            return
        with self._lock:
            self._used = used
        took = self._clock() - began
        self._due = began + max(_LOOK_EVERY_S, took * _SHARE)
        self._tell()

    def _tell(self) -> None:
        near = self._used >= self.warn_bytes
        if near and not self._warned:
            _log.warning("the quota is nearly used up", kept_bytes=self._used, quota_bytes=self.quota_bytes)
        self._warned = near
