"""The checkpoint: what the ingest journal promised becomes durable in its own place; the journal has room again."""

import threading
from collections.abc import Callable, Mapping
from typing import Final

from archimage.errors import ArchimageError, IndexUnavailableError, StorageError
from archimage.logger import logger
from archimage.ports.index import Index
from archimage.ports.journal import Journal, JournalCheckpoint
from archimage.ports.storage import BlobStore
from archimage.services.recovery import rewrite

_INTERVAL_S: Final = 30.0
_AWAY_S: Final = 2.0
"""After one for which the index was away: what a crash of its server has taken waits to be added again."""
_log = logger("storage")


class Checkpointer:
    """Runs checkpoints in a thread of its own: when the journal asks, every half minute, and at the end."""

    def __init__(self, journal: Journal, blobs: BlobStore, index: Index) -> None:
        self._journal = journal
        self._blobs = blobs
        self._index = index
        self._due = threading.Event()
        self._ended = False
        self._failure: Exception | None = None
        journal.on_sealed = self.ask
        index.on_doubt = self.ask
        self._thread = threading.Thread(target=self._run, name="checkpoint")
        self._thread.start()

    def ask(self) -> None:
        """Have a checkpoint made soon."""
        self._due.set()

    def check(self) -> Mapping[str, int]:
        """Raise what the last checkpoint failed of, StorageError where that is no fault of the disk."""
        failure = self._failure
        if failure is not None:
            raise failure if isinstance(failure, ArchimageError) else StorageError(str(failure))
        return {}

    def close(self) -> None:
        """Make a last checkpoint and stop."""
        self._ended = True
        self._due.set()
        self._thread.join()

    def _run(self) -> None:
        is_last, wait_s = False, _INTERVAL_S
        while not is_last:
            self._attempt(self._journal.prepare)
            self._due.wait(wait_s)
            self._due.clear()
            is_last = self._ended  # before it begins: of what comes while one is made there is another
            self._attempt(self._checkpoint)
            wait_s = _AWAY_S if isinstance(self._failure, IndexUnavailableError) else _INTERVAL_S

    def _attempt(self, work: Callable[[], None]) -> None:
        try:
            work()
            self._failure = None
        except Exception as error:  # a fault of ours must not end the only thread that gives the journal room
            self._failure = error
            _log.error("checkpoint failed; the journal keeps what it holds", reason=str(error))

    def _checkpoint(self) -> None:
        checkpoint = self._journal.seal()
        if checkpoint.is_empty:
            return
        try:
            self._make_durable(checkpoint)
            checkpoint.recycle()
        except BaseException:
            checkpoint.give_up()
            raise

    def _make_durable(self, checkpoint: JournalCheckpoint) -> None:
        try:
            self._blobs.sync()
            self._index.sync()
        except ArchimageError as error:
            _log.error("flush failed; writing the objects again from the journal", reason=str(error))
            rewrite(checkpoint.replay(), self._blobs, self._index)
