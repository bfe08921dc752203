"""Room on the archive's file system: some is kept free, so that index and journal never meet a full disk."""

import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from archimage.errors import OutOfResourcesError

_HOLDS_S: Final = 0.1
"""So long a figure is told again: every object that comes asks."""


class Room:
    """The file system that directory is on, of which reserve_bytes are kept free; used from any thread."""

    def __init__(self, directory: Path, reserve_bytes: int) -> None:
        self._directory = directory
        self._reserve_bytes = reserve_bytes
        self._free_bytes = 0
        self.quota: Callable[[], Mapping[str, int]] = dict
        """Returns the figures of the quota; raises OutOfResourcesError where it is reached."""
        self._due = 0.0

    def check(self) -> Mapping[str, int]:
        """Return the bytes that are free, and the reserve; OutOfResourcesError where they are fewer than it.

        With a quota what is kept, and that, too; and the same error where it is reached.
        """
        now = time.monotonic()
        if now >= self._due:
            self._free_bytes, self._due = shutil.disk_usage(self._directory).free, now + _HOLDS_S
        free = self._free_bytes
        if free < self._reserve_bytes:
            raise OutOfResourcesError(
                f"{free} bytes are free on the archive's disk, and storage.reserve_bytes keeps {self._reserve_bytes}: "
                "make room, or lower it"
            )
        return {"free_bytes": free, "reserve_bytes": self._reserve_bytes, **self.quota()}
