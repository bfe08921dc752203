"""Compression of what has been stored, by rule, in the background.

An object is stored and answered as it came; its row says what it is to be compressed to, so that nothing is forgotten
however often the server stops. One thread of one process at a time takes such objects, one after the other. The
compressed form is verified, flushed, and takes the place of the original (`services.replacement`).
"""

import threading
import time
from typing import Final

from archimage.errors import ArchimageError, HeldError
from archimage.logger import logger
from archimage.model.events import InstanceRefused, InstanceStored
from archimage.model.records import Kept
from archimage.ports.index import Index
from archimage.ports.meter import Meter
from archimage.ports.turns import TakeTurn, Turn, kept
from archimage.services.compressor import Compressor
from archimage.services.replacement import ReplacementService, is_passing

_PAGE: Final = 64  # objects
_LOOK_EVERY_S: Final = 30.0
_BACK_OFF_S: Final = 10.0
_log = logger("task")


class CompressionService:
    """Compresses what waits for it, in a thread of its own from `start` to `close`.

    back_off_s is how long it waits after the disk or the workers were busy, seconds.
    """

    def __init__(
        self,
        index: Index,
        compressor: Compressor,
        replacement: ReplacementService,
        take_turn: TakeTurn,
        *,
        back_off_s: float = _BACK_OFF_S,
    ) -> None:
        self.meter = Meter()
        """Hears what becomes of the objects."""
        self._index = index
        self._compressor = compressor
        self._replacement = replacement
        self._take_turn = take_turn
        self._back_off_s = back_off_s
        self._turn: Turn | None = None
        self._due = threading.Event()
        self._ended = threading.Event()
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
        while not self._ended.is_set():
            self._turn = kept(self._turn, self._take_turn)
            if self._turn is None:
                return
            waiting = self._index.awaiting_compression(_PAGE)
            if not waiting or not all(map(self._compress, waiting)):
                return

    def _compress(self, wanted: Kept) -> bool:
        """Compress one object or note that it stays as it is; false when it is to be tried again later."""
        try:
            self._replace(wanted)
        except HeldError:
            return True  # it waits until it is released: the index does not list it any more
        except Exception as error:  # whatever it is about this object, others wait behind it
            if is_passing(error):
                self._back_off(error)
                return False
            self._keep(wanted, error)
        return not self._ended.is_set()

    def _back_off(self, error: Exception) -> None:
        if not self._ended.is_set():
            _log.warning("compression waits", reason=str(error))
            self._ended.wait(self._back_off_s)
            self._due.set()

    def _replace(self, wanted: Kept) -> None:
        started = time.monotonic()
        compressed = self._compressor.compress(wanted)
        (answer,) = self._replacement.replace([compressed])
        if isinstance(answer, ArchimageError):
            raise answer
        self.meter.compressed(wanted.stored.size_bytes, compressed.record.size_bytes)
        _log.info(
            "compressed",
            sop_instance_uid=wanted.stored.sop_instance_uid,
            transfer_syntax=wanted.compress_to,
            ratio=round(wanted.stored.size_bytes / compressed.record.size_bytes, 2),
            seconds=round(time.monotonic() - started, 3),
        )

    def _keep(self, wanted: Kept, error: Exception) -> None:
        reason = str(error) if isinstance(error, ArchimageError) else f"a fault: {type(error).__name__}"
        _log.info("not compressed", sop_instance_uid=wanted.stored.sop_instance_uid, reason=reason)
        self.meter.kept_uncompressed(type(error).__name__)
        with self._index.writing() as index:
            index.keep_uncompressed(wanted.stored.sop_instance_uid, wanted.stored.path)
