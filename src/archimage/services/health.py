"""Whether the parts of the archive work, looked at when somebody asks.

A part that works tells its figures; one that does not raises what is wrong. Everything that storing needs is tried for
real: a file is begun in `incoming/`, and the index's writer is had.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Final

from archimage.errors import UnavailableError
from archimage.ports.index import Index
from archimage.ports.storage import BlobStore
from archimage.services.checkpoint import Checkpointer
from archimage.services.intake import Intake
from archimage.services.room import Room

Figures = Mapping[str, int | float]
Check = Callable[[], Figures]
"""Looks at one part, in a worker thread; raises ArchimageError or OSError when it does not work."""

_PROBE: Final = b"archimage"


class HealthService:
    """Looks at the parts of one process. needed are those without which nothing can be received."""

    def __init__(self, index: Index, blobs: BlobStore, intake: Intake, checkpointer: Checkpointer, room: Room) -> None:
        self._index = index
        self._blobs = blobs
        self._room = room
        self._ending = threading.Event()
        self.needed: dict[str, Check] = {
            "disk": self._disk,
            "index": self._index_answers,
            "intake": intake.check,
            "running": self._running,
        }
        self.parts: dict[str, Check] = {**self.needed, "checkpoint": checkpointer.check}
        """All of them; whoever has another part enters it."""

    def add(self, name: str, check: Check, *, needed: bool) -> None:
        """Look at another part too; needed tells that nothing can be received without it."""
        self.parts[name] = check
        if needed:
            self.needed[name] = check

    def end(self) -> None:
        """Tell that nothing new is taken any more."""
        self._ending.set()

    def _disk(self) -> Figures:
        figures = self._room.check()
        writer = self._blobs.create()
        try:
            writer.write([_PROBE])
        finally:
            writer.discard()
        return figures

    def _index_answers(self) -> Figures:
        self._index.lookup("0")
        with self._index.writing():
            return {"size_bytes": self._index.size_bytes()}

    def _running(self) -> Figures:
        if self._ending.is_set():
            raise UnavailableError("the archive is ending")
        return {}
