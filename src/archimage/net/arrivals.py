"""Objects that another node sends because we asked for them, into our own archive: the sinks of a C-GET."""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from archimage.errors import ArchimageError, CancelledError
from archimage.net.operations import IncomingInstance
from archimage.protocol.status import Status
from archimage.services.intake import Outcome
from archimage.services.store import Expected, StoreService

_HELD_BYTES: Final = 64 << 10
"""What is no larger is handed over whole, for the journal to flush it together with others."""
_REASONS: Final = 100


class Arrivals:
    """Stores what comes from one node, and counts it; told is called after each."""

    def __init__(self, store: StoreService, source_ae_title: str, told: Callable[[], None]) -> None:
        self._store = store
        self._source_ae_title = source_ae_title
        self._told = told
        self.stored = 0
        self.refused = 0
        self.reasons: dict[str, str] = {}

    def begin(self, incoming: IncomingInstance) -> "Arrival":
        """Begin one object; a kind of object that the archive cannot take raises, and counts as refused."""
        expected = Expected(
            incoming.transfer_syntax_uid,
            incoming.sop_class_uid,
            incoming.sop_instance_uid,
            source_ae_title=self._source_ae_title,
        )
        try:
            return Arrival(self, expected)
        except ArchimageError as error:
            self.count(incoming.sop_instance_uid, error)
            raise

    def count(self, sop_instance_uid: str, answer: Outcome | ArchimageError) -> None:
        """Count one object."""
        if isinstance(answer, ArchimageError):
            self.refused += 1
            if len(self.reasons) < _REASONS:
                self.reasons[sop_instance_uid] = str(answer)
        else:
            self.stored += 1
        with suppress(CancelledError):  # what has come is kept all the same
            self._told()

    @property
    def done(self) -> int:
        """How many have come."""
        return self.stored + self.refused

    @property
    def store(self) -> StoreService:
        """The way into the archive."""
        return self._store


class Arrival:
    """One object on its way in. Implements `operations.InstanceSink`."""

    def __init__(self, arrivals: Arrivals, expected: Expected) -> None:
        self._arrivals = arrivals
        self._expected = expected
        self._reception = arrivals.store.begin(expected)
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._handed_over = False

    def write(self, pieces: Sequence[memoryview]) -> None:
        """Take the next pieces."""
        self._held += map(bytes, pieces)
        self._held_bytes += sum(map(len, pieces))
        if self._held_bytes > _HELD_BYTES:
            self._reception.write(self._held)
            self._held, self._held_bytes = [], 0

    def finish(self) -> int:
        """Wait until the object is durable."""
        answered = threading.Event()
        answers: list[Outcome | ArchimageError] = []

        def done(answer: Outcome | ArchimageError) -> None:
            answers.append(answer)
            answered.set()

        self._handed_over = True
        self._reception.finish(self._held, done)
        answered.wait()
        (answer,) = answers
        self._arrivals.count(self._expected.sop_instance_uid, answer)
        if isinstance(answer, ArchimageError):
            raise answer
        return Status.SUCCESS

    def discard(self) -> None:
        """Drop the object."""
        if not self._handed_over:
            self._reception.discard()
