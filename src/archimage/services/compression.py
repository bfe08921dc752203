"""Compression of what has been stored, by rule, in the background.

An object is stored and answered as it came; its row says what it is to be compressed to, so that nothing is forgotten
however often the server stops. One thread of one process at a time takes such objects, one after the other. The
compressed form is verified, flushed and handed to the intake, which puts it in the place of the original in one
transaction of the index, unless that was removed or replaced meanwhile. So at every instant one of the two is there and
named by the row.

The original's file stays a while for those, in whichever process, who have found its row before it was replaced and are
yet to open it; it is due like that of a removed instance, and deleted by this thread or, after a crash, by the next
start that has the archive for itself.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Final, Protocol

import structlog

from archimage.errors import (
    ArchimageError,
    BlobNotFoundError,
    IntegrityError,
    OutOfResourcesError,
    StorageError,
    UnavailableError,
)
from archimage.model.events import InstanceRefused, InstanceStored
from archimage.model.records import Compressible
from archimage.ports import Index, Meter, Unmetered
from archimage.services.compressor import Compressor
from archimage.services.intake import Answer, Arrival, Intake, Outcome
from archimage.services.removal import RemovalService

_PAGE: Final = 64  # objects
_LOOK_EVERY_S: Final = 30.0
_BACK_OFF_S: Final = 10.0
_READERS_END_WITHIN_S: Final = 300.0
_log = structlog.get_logger()


class Turn(Protocol):
    """What one process at a time has."""

    def close(self) -> None:
        """Let others have it."""


@dataclass(frozen=True, slots=True)
class Pauses:
    """How long to wait: before a file that was replaced is deleted, and after the disk or the workers were busy."""

    readers_s: float = _READERS_END_WITHIN_S
    back_off_s: float = _BACK_OFF_S


class CompressionService:
    """Compresses what waits for it, in a thread of its own from `start` to `close`."""

    def __init__(
        self,
        index: Index,
        intake: Intake,
        compressor: Compressor,
        removal: RemovalService,
        take_turn: Callable[[], Turn | None],
        pauses: Pauses | None = None,
    ) -> None:
        self.meter: Meter = Unmetered()
        """Hears what becomes of the objects."""
        self._index = index
        self._intake = intake
        self._compressor = compressor
        self._removal = removal
        self._take_turn = take_turn
        self._pauses = pauses or Pauses()
        self._turn: Turn | None = None
        self._due = threading.Event()
        self._ended = threading.Event()
        self._replaced: deque[tuple[float, int]] = deque()
        self._thread = threading.Thread(target=self._run, name="compression")

    def start(self) -> None:
        """Begin, with what was left when the server stopped."""
        self._thread.start()

    def notice(self, event: InstanceStored | InstanceRefused) -> None:
        """Hear of an instance that was stored."""
        if isinstance(event, InstanceStored) and event.record.compress_to:
            self._due.set()

    def close(self) -> None:
        """Stop after the task that a worker has in hand; the next start goes on."""
        self._ended.set()
        self._due.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._ended.is_set():
            self._due.clear()
            try:
                self._work()
            except Exception as error:  # a fault of ours must not end the only thread that compresses
                _log.error("compression is interrupted", reason=str(error))
            self._due.wait(_LOOK_EVERY_S)
        if self._turn is not None:
            self._turn.close()

    def _work(self) -> None:
        """Compress what waits, while it is this process's turn."""
        self._turn = self._turn or self._take_turn()
        while self._turn is not None and not self._ended.is_set():
            self._delete_replaced()
            waiting = self._index.awaiting_compression(_PAGE)
            if not waiting or not all(map(self._compress, waiting)):
                return

    def _compress(self, wanted: Compressible) -> bool:
        """Compress one object or note that it stays as it is; false when it is to be tried again later."""
        try:
            self._replace(wanted)
        except Exception as error:  # whatever it is about this object, others wait behind it
            if _is_passing(error):
                self._back_off(error)
                return False
            self._keep(wanted, error)
        return not self._ended.is_set()

    def _back_off(self, error: Exception) -> None:
        if not self._ended.is_set():
            _log.warning("compression waits", reason=str(error))
            self._ended.wait(self._pauses.back_off_s)
            self._due.set()

    def _replace(self, wanted: Compressible) -> None:
        started = time.monotonic()
        compressed = self._compressor.compress(wanted)
        answers: SimpleQueue[Answer] = SimpleQueue()
        arrival = Arrival(compressed.record, compressed.content, answers.put, supersedes=wanted.stored)
        self._intake.submit(arrival)
        answer = answers.get()
        if isinstance(answer, ArchimageError):
            raise answer
        assert isinstance(answer, Outcome)  # noqa: S101
        self._replaced.append((time.monotonic() + self._pauses.readers_s, arrival.removal))
        self.meter.compressed(wanted.stored.size_bytes, compressed.record.size_bytes)
        _log.info(
            "compressed",
            sop_instance_uid=wanted.stored.sop_instance_uid,
            transfer_syntax=wanted.compress_to,
            ratio=round(wanted.stored.size_bytes / compressed.record.size_bytes, 2),
            seconds=round(time.monotonic() - started, 3),
        )

    def _keep(self, wanted: Compressible, error: Exception) -> None:
        reason = str(error) if isinstance(error, ArchimageError) else f"a fault: {type(error).__name__}"
        _log.info("not compressed", sop_instance_uid=wanted.stored.sop_instance_uid, reason=reason)
        self.meter.kept_uncompressed(type(error).__name__)
        with self._index.writing() as index:
            index.keep_uncompressed(wanted.stored.sop_instance_uid, wanted.stored.path)

    def _delete_replaced(self) -> None:
        """Delete the files that nobody reads any more."""
        now = time.monotonic()
        numbers = []
        while self._replaced and self._replaced[0][0] <= now:
            numbers.append(self._replaced.popleft()[1])
        if numbers:
            self._removal.delete_replaced(numbers[0], numbers[-1])


def _is_passing(error: Exception) -> bool:
    """Tell whether the reason lies with the server, and not with the object."""
    passing = (UnavailableError, OutOfResourcesError, StorageError, CancelledError)
    return isinstance(error, passing) and not isinstance(error, BlobNotFoundError | IntegrityError)
