"""Removing studies, series and instances for good.

One transaction of the index deletes the rows and notes each instance as a removal; once it is flushed the removal is
answered. From then on a crash can neither undo it nor leave half of it: recovery takes no notice of what the ingest
journals, of this or any other process, hold of the instance from before, and the files that are still there are deleted
by the next start. Few files are deleted before the answer, many in a thread of their own, in small groups, so that what
arrives meanwhile does not wait.

What was made of the objects is forgotten with them (`services.derived`): metadata in the transaction and again after
it, for those who have made it meanwhile; other forms before a removal is settled.

A file is deleted while every other writer of the index is kept out, and only where no row names it: an object that is
stored anew, under the same path, is never touched. After a power cut all journals have to be replayed before that can
be told, which is why a start recovers first and sweeps then.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from archimage.errors import ArchimageError, NotFoundError
from archimage.logger import logger
from archimage.model.events import Event, InstanceRemoved, SeriesRemoved, StudyRemoved
from archimage.model.ids import check_uid
from archimage.model.records import Removed
from archimage.ports.index import Index
from archimage.ports.storage import BlobStore
from archimage.services.audit_messages import Subject
from archimage.services.audit_subjects import subject_of
from archimage.services.derived import Derived
from archimage.services.journal_record import JournalRecord

_GROUP: Final = 64  # files deleted while writers wait
SWEPT_AT_ONCE: Final = 500  # instances
_REMEMBERED: Final = 10_000  # removals, until the journals are asked which of them still matter
_NEWEST: Final = 1 << 62
_log = logger("storage")

Payloads = Callable[[], Iterable[bytes]]
"""Reads what all ingest journals of the archive hold, as `JournalRecord.encode` made it."""
Publish = Callable[[Event], None]


class RemovalService:
    """Removes; safe to call from several threads. `close` it."""

    def __init__(
        self,
        index: Index,
        blobs: BlobStore,
        derived: Derived,
        payloads: Payloads | None,
        publish: Publish = lambda _: None,
    ) -> None:
        """payloads is None where other machines have journals too: nobody knows then what may be forgotten."""
        self._index = index
        self._blobs = blobs
        self._derived = derived
        self._payloads = payloads
        self._publish = publish
        self._lock = threading.Lock()
        self._due = threading.Event()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._spans: deque[Span] = deque()
        self._looked_through = 0

    def remove_study(self, study_instance_uid: str) -> Removed:
        """Remove a study; raises what `remove_instance` raises."""
        return self._remove(study_instance_uid)

    def remove_series(self, study_instance_uid: str, series_instance_uid: str) -> Removed:
        """Remove a series, and its study if that becomes empty; raises what `remove_instance` raises."""
        return self._remove(study_instance_uid, series_instance_uid)

    def remove_instance(self, study_instance_uid: str, series_instance_uid: str, sop_instance_uid: str) -> Removed:
        """Remove one instance, and its series and study if they become empty.

        Raises:
            InvalidInstanceUIDError: a UID is none.
            NotFoundError: there is nothing of the kind.
            HeldError: the study is on legal hold.
            OutOfResourcesError: the disk is full; nothing is removed.
            IndexUnavailableError: the index does not answer, or its disk fails: ask again whether it is removed.
        """
        return self._remove(study_instance_uid, series_instance_uid, sop_instance_uid)

    def check_held(self, *study_instance_uids: str) -> None:
        """Raise HeldError where one of these studies is on legal hold; for who begins what is not to end half done."""
        with self._index.writing() as index:
            index.check_held(study_instance_uids)

    def resume(self, *, alone: bool = True) -> None:
        """Delete the files that a crash has left; every abandoned lane must have been recovered.

        Where others use the archive, alone is false: what another form has replaced is still read then, and is left to
        the process that compresses, or to the next start that is alone.
        """
        self._attempt(lambda: not self._sweep(Span(through=self._last(), replaced=alone, ended=self._ended)))
        self._attempt(self._forget)

    def delete_replaced(self, first: int, last: int) -> None:
        """Delete the files of the objects that were replaced under these numbers, now that nobody reads them."""
        self._attempt(lambda: not self._sweep(Span(first - 1, last, ended=self._ended)))
        self._attempt(self._forget)

    @property
    def last(self) -> int:
        """The number of the last removal or replacement; blocks."""
        return self._last()

    def close(self) -> None:
        """Stop deleting files; the next start goes on."""
        self._ended.set()
        self._due.set()
        if self._thread is not None:
            self._thread.join()

    def _remove(self, *uids: str) -> Removed:
        for uid in uids:
            check_uid(uid)
        subject = subject_of(self._index, uids[0])
        with self._index.writing() as index:
            before = index.removals
            removed = index.remove(*uids)
            if not removed.instances:
                raise NotFoundError(f"nothing is kept under {'/'.join(uids)}")
            span = Span(before, index.removals)  # what others note meanwhile is not ours to delete
            self._attempt(lambda: self._forget_metadata(*uids[:2]))
        self._index.sync()
        self._publish(_told(uids, removed, subject))
        forgotten = self._attempt(lambda: self._forget_metadata(*uids[:2]))
        if removed.instances <= SWEPT_AT_ONCE:
            swept = self._attempt(lambda: not self._sweep(span))
            return replace(removed, files_due=not (forgotten and swept))
        self._sweep_later(span)
        return replace(removed, files_due=True)

    def _forget_metadata(self, *uids: str) -> bool:
        self._derived.forget_metadata(*uids)
        return True

    def _sweep(self, span: "Span") -> int:
        return sweep(self._index, self._blobs, self._derived, span)

    def _last(self) -> int:
        with self._index.writing() as index:
            return index.removals

    def _sweep_later(self, span: "Span") -> None:
        """Give a span to the thread that sweeps; it lives from the first large removal on."""
        self._spans.append(replace(span, ended=self._ended))
        with self._lock:
            if self._thread is None and not self._ended.is_set():
                self._thread = threading.Thread(target=self._run, name="removal")
                self._thread.start()
        self._due.set()

    def _run(self) -> None:
        while not self._ended.is_set():
            self._due.wait()
            self._due.clear()
            while self._spans and not self._ended.is_set():
                self._attempt(lambda: not self._sweep(self._spans.popleft()))
            self._attempt(self._forget)

    def _attempt(self, work: Callable[[], bool]) -> bool:
        """Do what the removal does not depend on; true when it has succeeded."""
        try:
            return work()
        except Exception as error:  # a fault of ours must not end the only thread that deletes many files
            _log.error("something is left of removed instances; the next start looks for it", reason=str(error))
            return False

    def _forget(self) -> bool:
        """Forget the removals that make nothing void any more: no journal holds anything from before them."""
        if self._payloads is None:
            return True
        last = self._last()
        if last - self._looked_through >= _REMEMBERED:
            oldest = min((JournalRecord.decode(payload).removals for payload in self._payloads()), default=last)
            with self._index.writing() as index:
                index.forget_removals(min(oldest, last))
            self._looked_through = last
        return True


def _told(uids: Sequence[str], removed: Removed, subject: Subject) -> Event:
    """Return the event that a removal is; subject tells whose study it was."""
    if len(uids) == 1:
        known = subject.patient_id, subject.patient_name, subject.accession_number
        return StudyRemoved(uids[0], removed.instances, *known)
    return SeriesRemoved(uids[0], uids[1], removed.instances) if len(uids) == 2 else InstanceRemoved(*uids)


@dataclass(frozen=True, slots=True)
class Span:
    """Removals after a number, through another, and what ends the work on them early.

    replaced: those too of which the instance is there, under another path.
    """

    after: int = 0
    through: int = _NEWEST
    replaced: bool = True
    ended: threading.Event = field(default_factory=threading.Event)


def sweep(index: Index, blobs: BlobStore, derived: Derived, span: Span | None = None) -> int:
    """Delete the files that are due of removals, and what was made of them; return of how many that failed.

    Others get their turn at the index between two groups.
    """
    span = span or Span()
    settled: list[int] = []
    failed, after = 0, span.after
    while not span.ended.is_set():
        started = time.monotonic()
        with index.writing() as writer:
            due = [one for one in writer.due(after, _GROUP) if one[0] <= span.through]
            kept = {} if span.replaced else writer.lookup([uid for _, uid, _ in due])
            ours = [one for one in due if one[1] not in kept]
            deleted = [one for one in ours if one[2] is None or _succeeds(blobs.delete, one[2])]
        if not due:
            break
        gone = [number for number, uid, _ in deleted if _succeeds(derived.forget_object, uid)]
        settled += gone
        failed += len(ours) - len(gone)
        after = due[-1][0]
        if len(due) == _GROUP:
            span.ended.wait(time.monotonic() - started)
    if settled:
        blobs.sync()  # or a power cut could bring back a file that nobody knows
        with index.writing() as writer:
            writer.settle(settled)
    return failed


def _succeeds(delete: Callable[[str], None], name: str) -> bool:
    try:
        delete(name)
    except ArchimageError as error:
        _log.error("the file of a removed instance cannot be deleted; the next start tries again", reason=str(error))
        return False
    return True
