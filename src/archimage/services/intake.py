"""The last step of every C-STORE: many objects made durable, placed and indexed as one group.

One thread does it. While it works on a group the next one gathers, so the cost of a flush is shared by all who wait.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from queue import SimpleQueue
from typing import Final, Literal

from archimage.errors import ArchimageError, DuplicateInstanceError, StorageError
from archimage.model.records import InstanceRecord, StoredInstance
from archimage.ports import BlobStore, BlobWriter, Index, Journal, JournalEntry
from archimage.services.journal_record import JournalRecord
from archimage.services.layout import replacement_path

_GROUP: Final = 64
_COMPARE_BYTES: Final = 1 << 20

Kind = Literal["stored", "duplicate", "replaced"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an object that was accepted."""

    record: InstanceRecord
    kind: Kind


Done = Callable[[Outcome | ArchimageError], None]


@dataclass(slots=True)
class Arrival:
    """A whole, checked object that waits to be made durable."""

    record: InstanceRecord
    writer: BlobWriter
    entry: JournalEntry
    done: Done
    replaces: StoredInstance | None = None


class Intake:
    """Takes arrivals from any thread; calls each one's `done` from its own."""

    def __init__(self, blobs: BlobStore, journal: Journal, index: Index, *, replace: bool) -> None:
        self._blobs = blobs
        self._journal = journal
        self._index = index
        self._replace = replace
        self._queue: SimpleQueue[Arrival | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="intake")
        self._thread.start()

    def submit(self, arrival: Arrival) -> None:
        """Hand over an arrival."""
        self._queue.put(arrival)

    def close(self) -> None:
        """Finish what was submitted and stop."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        waiting: list[Arrival] = []
        running = True
        while running or waiting:
            if not waiting:
                running = self._gather(waiting, block=True) and running
            running = self._gather(waiting, block=False) and running
            group, waiting = _one_of_each(waiting)
            self._take(group)

    def _gather(self, waiting: list[Arrival], *, block: bool) -> bool:
        """Add what is queued to waiting; False once the end was seen."""
        while len(waiting) < _GROUP and (block or not self._queue.empty()):
            arrival = self._queue.get()
            if arrival is None:
                return False
            waiting.append(arrival)
            block = False
        return True

    def _take(self, group: list[Arrival]) -> None:
        fresh = []
        for arrival in group:
            with _answering([arrival]):
                if self._is_wanted(arrival):
                    fresh.append(arrival)
        if fresh:
            with _answering(fresh):
                self._keep(fresh)

    def _is_wanted(self, arrival: Arrival) -> bool:
        """Tell whether the object is new or replaces another; answer it when not."""
        stored = self._index.lookup(arrival.record.sop_instance_uid)
        if stored is None:
            return True
        if self._same(stored, arrival):
            arrival.writer.discard()
            arrival.done(Outcome(arrival.record, "duplicate"))
        elif self._replace:
            arrival.replaces = stored
            arrival.record = replace(arrival.record, path=replacement_path(arrival.record.path, arrival.record.digest))
            return True
        else:
            arrival.writer.discard()
            arrival.done(DuplicateInstanceError(f"another object is kept as {stored.sop_instance_uid}"))
        return False

    def _same(self, stored: StoredInstance, arrival: Arrival) -> bool:
        """Compare digests, then bytes: a digest that a peer can choose collisions of proves nothing."""
        if (stored.digest, stored.transfer_syntax_uid) != (arrival.record.digest, arrival.record.transfer_syntax_uid):
            return False
        length = arrival.record.size_bytes - arrival.record.data_set_offset
        if stored.size_bytes - stored.data_set_offset != length:
            return False
        with self._blobs.open(stored.path) as reader:
            return all(
                reader.read(stored.data_set_offset + offset, _COMPARE_BYTES)
                == arrival.writer.read(arrival.record.data_set_offset + offset, _COMPARE_BYTES)
                for offset in range(0, length, _COMPARE_BYTES)
            )

    def _keep(self, group: list[Arrival]) -> None:
        by_entry = {id(arrival.entry): arrival for arrival in group}
        commit = self._journal.commit(
            [arrival.entry for arrival in group], lambda entry: _journal_payload(by_entry[id(entry)])
        )
        try:
            self._place(group)
        except BaseException:
            commit.revoke()
            raise
        finally:
            commit.applied()
        for arrival in group:
            if arrival.replaces is not None and arrival.replaces.path != arrival.record.path:
                with suppress(StorageError):  # a leftover that `index verify` names; the new object is safe
                    self._blobs.delete(arrival.replaces.path)
            arrival.done(Outcome(arrival.record, "stored" if arrival.replaces is None else "replaced"))

    def _place(self, group: list[Arrival]) -> None:
        placed: list[str] = []
        try:
            for arrival in group:
                arrival.writer.close()
                self._blobs.place(arrival.writer.name, arrival.record.path)
                placed.append(arrival.record.path)
            self._index.add([arrival.record for arrival in group])
        except BaseException:
            for path in placed:
                with suppress(StorageError):
                    self._blobs.delete(path)
            raise


def _one_of_each(arrivals: Iterable[Arrival]) -> tuple[list[Arrival], list[Arrival]]:
    """Split into the first arrival of every SOP Instance UID, and the rest, which must see those stored."""
    first: dict[str, Arrival] = {}
    rest = []
    for arrival in arrivals:
        if arrival.record.sop_instance_uid in first:
            rest.append(arrival)
        else:
            first[arrival.record.sop_instance_uid] = arrival
    return list(first.values()), rest


def _journal_payload(arrival: Arrival) -> bytes:
    replaced = arrival.replaces.path if arrival.replaces is not None else None
    return JournalRecord(arrival.record, arrival.writer.name, tuple(arrival.entry.extents), replaced).encode()


@contextmanager
def _answering(group: list[Arrival]) -> Iterator[None]:
    """Refuse the whole group when the body fails; the body answers whoever it serves as its last act."""
    try:
        yield
    except Exception as error:  # a fault of ours must not end the only thread that answers modalities
        refusal = error if isinstance(error, ArchimageError) else StorageError(f"could not keep the object: {error!r}")
        for arrival in group:
            arrival.writer.discard()
            arrival.done(refusal)
