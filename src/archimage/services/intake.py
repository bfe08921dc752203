"""The last step of every C-STORE: many objects made durable, placed and indexed as one group.

One thread does it. While it works on a group the next one gathers, so the cost of a flush is shared by all who wait.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from queue import SimpleQueue
from typing import Final, Literal, NamedTuple, Self

from archimage.config_object_store import HOT
from archimage.errors import (
    ArchimageError,
    DuplicateInstanceError,
    HeldError,
    IndexUnavailableError,
    NotFoundError,
    StorageError,
    UnavailableError,
    UndecidedError,
)
from archimage.model.records import InstanceRecord, Original, StoredInstance
from archimage.model.tiers import tier_of
from archimage.ports.index import Index, IndexWriter
from archimage.ports.journal import Journal, JournalCommit, JournalEntry
from archimage.ports.meter import Meter
from archimage.ports.storage import BlobStore, SentAhead
from archimage.services.content import Content
from archimage.services.derived import Derived
from archimage.services.journal_record import JournalRecord
from archimage.services.layout import replacement_path

GROUP: Final = 64
_COMPARE_BYTES: Final = 1 << 20

Kind = Literal["stored", "duplicate", "replaced"]


class CommitTiming(NamedTuple):
    """What an object's group commit took: the wait for it, the flush, and the index, seconds."""

    wait_s: float = 0.0
    sync_s: float = 0.0
    index_s: float = 0.0

    def plus(self, other: Self) -> "CommitTiming":
        """Add another one up."""
        return CommitTiming(self.wait_s + other.wait_s, self.sync_s + other.sync_s, self.index_s + other.index_s)


_NOTHING: Final = CommitTiming()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an object that was accepted."""

    record: InstanceRecord
    kind: Kind
    timing: CommitTiming = _NOTHING


Answer = Outcome | ArchimageError
Done = Callable[[Answer], None]


@dataclass(eq=False, slots=True)
class Arrival:
    """A checked object that waits to be made durable.

    supersedes is the object of which it is another form, and whose place it takes if that is still there; its file is
    then left to be deleted later, as that of the removal of this number: those who have begun to read it shall end.
    replaced_in is the study and series of the other object that it replaces, where what was made of that holds no more;
    sent is what became of sending it ahead, where that was done; since is when it was submitted, seconds.
    """

    record: InstanceRecord
    content: Content
    done: Done
    supersedes: StoredInstance | None = None
    replaces: StoredInstance | None = None
    replaced_in: tuple[str, str] | None = None
    removal: int = 0
    sent: SentAhead | None = None
    since: float = 0.0


class Intake:
    """Takes arrivals from any thread; calls each one's `done` from its own."""

    def __init__(self, blobs: BlobStore, journal: Journal, index: Index, derived: Derived, *, replace: bool) -> None:
        self.meter = Meter()
        """Hears of groups."""
        self._blobs = blobs
        self._journal = journal
        self._index = index
        self._derived = derived
        self._replace = replace
        self._queue: SimpleQueue[Arrival | None] = SimpleQueue()
        self._waiting: list[Arrival] = []
        self._running = True
        self._thread = threading.Thread(target=self._run, name="intake")
        self._thread.start()

    def submit(self, arrival: Arrival) -> None:
        """Hand over an arrival."""
        arrival.since = time.monotonic()
        self._queue.put(arrival)

    @property
    def depth(self) -> int:
        """How many arrivals wait."""
        return self._queue.qsize() + len(self._waiting)

    def check(self) -> Mapping[str, int]:
        """Return how many objects wait; UnavailableError where none is taken."""
        if not self._thread.is_alive():
            raise UnavailableError("the intake has ended")
        return {"waiting": self.depth}

    def close(self) -> None:
        """Finish what was submitted and stop."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while self._running or self._waiting:
            self._gather(GROUP, block=not self._waiting)
            group, self._waiting = _next_group(self._waiting, self._journal.group_bytes)
            self._take(group)

    def _gather(self, limit: int | None = None, *, block: bool) -> None:
        """Take what is queued, up to limit, until the end is seen."""
        while self._running and (limit is None or len(self._waiting) < limit) and (block or not self._queue.empty()):
            arrival = self._queue.get()
            if arrival is None:
                self._running = False
            else:
                self._waiting.append(arrival)
            block = False

    def _take(self, group: list[Arrival]) -> None:
        answers: dict[Arrival, Answer] = {}
        try:
            self._keep(group, answers)
        except (IndexUnavailableError, UnavailableError) as error:
            self._gather(block=False)  # whoever came while index or object store were waited for has waited long enough
            answers.update(dict.fromkeys([*group, *self._waiting], error))
            self._waiting.clear()
        except Exception as error:  # a fault of ours must not end the only thread that answers modalities
            refusal = error if isinstance(error, ArchimageError) else StorageError(f"could not keep it: {error!r}")
            answers.update((arrival, refusal) for arrival in group if arrival not in answers)
        for arrival, answer in answers.items():
            if not isinstance(answer, Outcome) or answer.kind == "duplicate":
                arrival.content.discard()
            elif arrival.replaces is not None:
                if arrival.supersedes is None:
                    self._drop(arrival.replaces)
                self._forget(arrival)
            arrival.done(answer)

    def _drop(self, replaced: StoredInstance) -> None:
        """Delete the file of an object that was replaced, unless its path is in use again: others remove and store.

        What is left where that fails is named by `index verify`; the new object is safe.
        """
        uid = replaced.sop_instance_uid
        with suppress(ArchimageError), self._index.writing() as index:
            stored = index.lookup([uid]).get(uid)
            if stored is None or stored.path != replaced.path:
                self._blobs.delete(replaced.path)

    def _forget(self, arrival: Arrival) -> None:
        """Forget what was made of the object that an arrival replaces, if it is another one.

        Where that fails it lies there, but is not to be reached: it goes by what it was made of.
        """
        if arrival.replaced_in is not None:
            with suppress(ArchimageError):
                self._derived.forget_metadata(*arrival.replaced_in)
                self._derived.forget_object(arrival.record.sop_instance_uid)

    def _keep(self, group: list[Arrival], answers: dict[Arrival, Answer]) -> None:
        """Decide, flush, place and index a group while every other writer waits; answers are given after."""
        placed: list[str] = []
        commit: JournalCommit | None = None
        fresh: list[Arrival] = []
        began, sync_s = time.monotonic(), 0.0
        try:
            with self._index.writing(self._alike(group)) as index:
                stored = index.lookup([arrival.record.sop_instance_uid for arrival in group])
                self._doubt(group, index)
                fresh = [arrival for arrival in group if self._is_wanted(arrival, stored, index, answers)]
                if fresh:
                    index.add([arrival.record for arrival in fresh])
                    entries = _journal_entries(fresh, index)
                    flushing = time.monotonic()
                    commit = self._journal.commit(entries)
                    for arrival in fresh:
                        self._place(arrival, placed)
                    self._blobs.secure(placed, [one.sent for one in fresh if one.sent is not None])
                    sync_s = time.monotonic() - flushing
                    for arrival in fresh:
                        self._forget(arrival)
        except UndecidedError:
            raise  # there may be rows: what they name stays, and a start finds in the journal what is missing
        except BaseException:
            self._undo(commit, placed)
            raise
        finally:
            if commit is not None:
                commit.applied()
        if fresh:
            answers.update(self._timed(fresh, began, sync_s))

    def _doubt(self, group: Sequence[Arrival], index: IndexWriter) -> None:
        """Count as taken the paths at which somebody has deleted lately: the store may carry that out once more."""
        if not self._blobs.sends_ahead:
            return
        sent = {one.sent.path: one for one in group if one.sent is not None and one.sent.failure is None}
        for path in index.deletions(list(sent)) if sent else ():
            sent[path].sent = SentAhead(path, taken=True)

    def _alike(self, group: Sequence[Arrival]) -> Sequence[InstanceRecord]:
        """Return the records of a group of which none can take another's place; none where one can."""
        if self._replace or any(arrival.supersedes is not None for arrival in group):
            return ()
        return [arrival.record for arrival in group]

    def _timed(self, fresh: list[Arrival], began: float, sync_s: float) -> Iterable[tuple[Arrival, Outcome]]:
        """Tell what became of objects whose group is over, and what that took."""
        index_s = time.monotonic() - began - sync_s
        waits = [began - arrival.since for arrival in fresh]
        self.meter.group_committed(waits, sync_s, index_s)
        for arrival, wait_s in zip(fresh, waits, strict=True):
            kind: Kind = "stored" if arrival.replaces is None else "replaced"
            yield arrival, Outcome(arrival.record, kind, CommitTiming(wait_s, sync_s, index_s))

    def _is_wanted(
        self,
        arrival: Arrival,
        stored: Mapping[str, StoredInstance],
        index: IndexWriter,
        answers: dict[Arrival, Answer],
    ) -> bool:
        """Tell whether the object is new or replaces another; answer it when not."""
        other = stored.get(arrival.record.sop_instance_uid)
        if arrival.supersedes is not None:
            arrival.replaces = other
            if other != arrival.supersedes:
                answers[arrival] = NotFoundError("the object was removed or replaced meanwhile")
            elif index.held([other.sop_instance_uid]):
                answers[arrival] = HeldError(f"{other.sop_instance_uid} is of a study on legal hold")
            return arrival not in answers
        if other is None:
            self._place_anew(arrival, index)
            return True
        try:
            same = self._same(other, arrival, index)
        except UnavailableError as error:
            if tier_of(other.path) == HOT:
                raise
            answers[arrival] = error  # nobody else is to be refused because a tier is away
            return False
        if same:
            answers[arrival] = Outcome(arrival.record, "duplicate")
        elif self._replace and index.held([other.sop_instance_uid]):
            answers[arrival] = HeldError(f"another object is kept as {other.sop_instance_uid}, on legal hold")
        elif self._replace:
            arrival.replaces = other
            arrival.replaced_in = index.series_of(other.sop_instance_uid)
            path = replacement_path(arrival.record.path, arrival.record.digest)
            arrival.record = replace(arrival.record, path=path)
            return True
        else:
            answers[arrival] = DuplicateInstanceError(f"another object is kept as {other.sop_instance_uid}")
        return False

    def _place_anew(self, arrival: Arrival, index: IndexWriter) -> None:
        """Have an object go elsewhere where another node may keep a copy of one that was removed, or sends one too."""
        record, taken = arrival.record, arrival.sent is not None and arrival.sent.taken
        if taken or (self._blobs.copies_elsewhere and index.is_removed(record.sop_instance_uid, 0)):
            arrival.record = replace(record, path=replacement_path(record.path, record.digest))

    def _same(self, stored: StoredInstance, arrival: Arrival, index: IndexWriter) -> bool:
        """Tell whether an object is the one that is kept, or what that was when it came."""
        if self._is_copy(stored, arrival):
            return True
        original = index.original(stored.sop_instance_uid)
        return original is not None and _came_as(original, arrival)

    def _is_copy(self, stored: StoredInstance, arrival: Arrival) -> bool:
        """Compare digests, then bytes: a digest that a peer can choose collisions of proves nothing."""
        record = arrival.record
        if (stored.digest, stored.transfer_syntax_uid) != (record.digest, record.transfer_syntax_uid):
            return False
        length = record.size_bytes - record.data_set_offset
        if stored.size_bytes - stored.data_set_offset != length:
            return False
        with self._blobs.open(stored.path, stored.size_bytes) as reader:
            return all(
                reader.read(stored.data_set_offset + offset, _COMPARE_BYTES)
                == arrival.content.read(record.data_set_offset + offset, _COMPARE_BYTES)
                for offset in range(0, length, _COMPARE_BYTES)
            )

    def _place(self, arrival: Arrival, placed: list[str]) -> None:
        arrival.content.place(self._blobs, arrival.record.path)
        placed.append(arrival.record.path)

    def _undo(self, commit: JournalCommit | None, placed: list[str]) -> None:
        """Leave nothing behind of a group that could not be kept."""
        for path in placed:
            with suppress(StorageError):
                self._blobs.delete(path)
        if commit is not None:
            with suppress(ArchimageError):
                commit.revoke()


def _came_as(original: Original, arrival: Arrival) -> bool:
    """Compare the SHA-256 of an object whose bytes are kept no more; of that nobody can choose a collision."""
    record = arrival.record
    length = record.size_bytes - record.data_set_offset
    if (original.transfer_syntax_uid, original.size_bytes) != (record.transfer_syntax_uid, length):
        return False
    digest = hashlib.sha256()
    for offset in range(record.data_set_offset, record.size_bytes, _COMPARE_BYTES):
        digest.update(arrival.content.read(offset, _COMPARE_BYTES))
    return digest.digest() == original.sha256


def _next_group(arrivals: Iterable[Arrival], max_bytes: int) -> tuple[list[Arrival], list[Arrival]]:
    """Split into the first arrivals of each SOP Instance UID, as many as one commit may hold, and the rest."""
    group: dict[str, Arrival] = {}
    rest: list[Arrival] = []
    room = max_bytes
    for arrival in arrivals:
        if rest or arrival.record.sop_instance_uid in group or (group and len(arrival.content.journalled) > room):
            rest.append(arrival)
        else:
            group[arrival.record.sop_instance_uid] = arrival
            room -= len(arrival.content.journalled)
    return list(group.values()), rest


def _journal_entries(group: Iterable[Arrival], index: IndexWriter) -> list[JournalEntry]:
    """Make the records of a group; whoever replaces another object has a number of its own among the removals."""
    removals = index.removals
    return [
        _journal_entry(arrival, removals if arrival.replaces is None else _noted(arrival, index)) for arrival in group
    ]


def _noted(arrival: Arrival, index: IndexWriter) -> int:
    due = None if arrival.supersedes is None else arrival.supersedes.path
    arrival.removal = index.note_replaced(arrival.record.sop_instance_uid, due=due)
    return arrival.removal


def _journal_entry(arrival: Arrival, removals: int) -> JournalEntry:
    replaced = arrival.replaces.path if arrival.replaces is not None else None
    record = JournalRecord(arrival.record, arrival.content.name, replaced, removals)
    return JournalEntry(record.encode(), arrival.content.journalled)
