"""The index in the hands of its writer: what may be done inside one transaction."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager

from archimage.index.compression import Compression
from archimage.index.deletions import Deletions
from archimage.index.ingest import Cursor, Ingest
from archimage.index.regrouping import Regrouping
from archimage.index.relocation import Relocation
from archimage.index.removals import Removals
from archimage.model.changes import PatientKey
from archimage.model.records import InstanceRecord, Original, Removed, StoredInstance


class Writing:
    """Implements `ports.IndexWriter`; answering turns what the database raises into our own errors."""

    def __init__(
        self,
        cursor: Cursor,
        parts: tuple[Ingest, Removals, Deletions, Compression, Regrouping, Relocation],
        answering: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._cursor = cursor
        self._ingest, self._removals, self._deletions = parts[:3]
        self._compression, self._regrouping, self._relocation = parts[3:]
        self._answering = answering
        self._absent: set[str] = set()

    @property
    def removals(self) -> int:
        """The number of the last removal, 0 before the first."""
        with self._answering():
            return self._removals.last(self._cursor)

    def lookup(self, sop_instance_uids: Sequence[str]) -> Mapping[str, StoredInstance]:
        """Return those of these instances that are there."""
        with self._answering():
            rows = self._ingest.stored(self._cursor, sop_instance_uids)
        self._absent.update(sop_instance_uids)
        self._absent.difference_update(row[0] for row in rows)
        return {row[0]: StoredInstance(*row) for row in rows}

    def add(self, records: Sequence[InstanceRecord]) -> None:
        """Insert records, or replace those of the same SOP Instance UID."""
        with self._answering():
            self._ingest.add(self._cursor, records, self._absent)
        self._absent.difference_update(record.sop_instance_uid for record in records)

    def remove(
        self, study_instance_uid: str, series_instance_uid: str | None = None, sop_instance_uid: str | None = None
    ) -> Removed:
        """Remove an instance, series or study for good, and what becomes empty above it."""
        uids = (study_instance_uid, series_instance_uid, sop_instance_uid)
        with self._answering():
            return self._removals.remove(self._cursor, [uid for uid in uids if uid is not None])

    def held(self, sop_instance_uids: Iterable[str]) -> frozenset[str]:
        """Return those of these instances that are of a study on legal hold."""
        with self._answering():
            return self._removals.holding.among(self._cursor, sop_instance_uids)

    def check_held(self, study_instance_uids: Sequence[str]) -> None:
        """Raise HeldError where one of these studies is on legal hold."""
        with self._answering():
            self._removals.holding.check_studies(self._cursor, study_instance_uids)

    def series_of(self, sop_instance_uid: str) -> tuple[str, str] | None:
        """Return the UIDs of the study and the series that an instance belongs to, None where it is not there."""
        with self._answering():
            return self._removals.series_of(self._cursor, sop_instance_uid)

    def note_replaced(self, sop_instance_uid: str, number: int | None = None, due: str | None = None) -> int:
        """Make void what the ingest journals hold of an instance up to now, as a removal does; return its number.

        due is the path of the file that is to be deleted later, as that of a removal.
        """
        with self._answering():
            return self._removals.note_replaced(self._cursor, sop_instance_uid, number, due)

    def note_copies(self, paths: Sequence[str]) -> None:
        """Note that copies are about to be made at these paths, which nothing has."""
        with self._answering():
            self._relocation.note(self._cursor, paths)

    def copies(self, limit: int) -> Sequence[str]:
        """Return some of the paths of copies that are being made, or that a crash has left."""
        with self._answering():
            return self._relocation.noted(self._cursor, limit)

    def forget_copies(self, paths: Sequence[str]) -> None:
        """Note that nothing is being made at these paths any more."""
        with self._answering():
            self._relocation.forget(self._cursor, paths)

    def note_deletions(self, paths: Sequence[str], now: float) -> None:
        """Note that objects at these paths are about to be deleted in the object store."""
        with self._answering():
            self._deletions.note(self._cursor, paths, now)

    def deletions(self, paths: Sequence[str]) -> frozenset[str]:
        """Return those of these paths at which something was deleted lately in the object store, or is about to be."""
        with self._answering():
            return self._deletions.noted(self._cursor, paths)

    def forget_deletions(self, before: float) -> None:
        """Forget the deletions in the object store that were noted before a time."""
        with self._answering():
            self._deletions.forget(self._cursor, before)

    def relocate(self, sop_instance_uid: str, old: str, new: str) -> int:
        """Have an instance lie at new, with the same bytes; return the number under which its old file is due."""
        with self._answering():
            self._relocation.move(self._cursor, sop_instance_uid, old, new)
            return self._removals.note_replaced(self._cursor, sop_instance_uid, None, old)

    def original(self, sop_instance_uid: str) -> Original | None:
        """Return what an instance was when it came, None where it is that still."""
        with self._answering():
            return self._compression.original(self._cursor, sop_instance_uid)

    def keep_uncompressed(self, sop_instance_uid: str, path: str) -> None:
        """Note that the object at path does not wait to be compressed any more."""
        with self._answering():
            self._compression.keep(self._cursor, sop_instance_uid, path)

    def assign(self, study_instance_uid: str, person: Mapping[str, str]) -> bool:
        """Give a study to a patient, who is made of person if he is not there; False where there is no such study."""
        with self._answering():
            return self._regrouping.assign(self._cursor, study_instance_uid, person)

    def set_patient(self, patient: PatientKey, values: Mapping[str, str]) -> bool:
        """Set columns of a patient; one without a value is emptied. False where there is no such patient."""
        with self._answering():
            return self._regrouping.set_patient(self._cursor, patient, values)

    def set_study(self, study_instance_uid: str, values: Mapping[str, str]) -> bool:
        """Set columns of a study; False where there is no such study."""
        with self._answering():
            return self._regrouping.set_study(self._cursor, study_instance_uid, values)

    def set_series(self, study_instance_uid: str, series_instance_uid: str, values: Mapping[str, str]) -> bool:
        """Set columns of a series; False where there is no such series."""
        with self._answering():
            return self._regrouping.set_series(self._cursor, study_instance_uid, series_instance_uid, values)

    def is_removed(self, sop_instance_uid: str, after: int) -> bool:
        """Tell whether an instance was removed after the removal of that number."""
        with self._answering():
            return self._removals.is_removed(self._cursor, sop_instance_uid, after)

    def due(self, after: int, limit: int) -> Sequence[tuple[int, str, str | None]]:
        """Return the next removals whose files are due: number, SOP Instance UID, path, None where it is used again."""
        with self._answering():
            return self._removals.due(self._cursor, after, limit)

    def settle(self, numbers: Sequence[int]) -> None:
        """Note that the files of these removals are gone."""
        with self._answering():
            self._removals.settle(self._cursor, numbers)

    def forget_removals(self, through: int) -> None:
        """Forget the settled removals up to a number, but never the last one of all."""
        with self._answering():
            self._removals.forget(self._cursor, through)
