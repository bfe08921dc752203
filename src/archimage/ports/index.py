"""The index, as the services use it; adapters live in `index`.

All of it blocks: services call it from worker threads. Adapters are safe to call from several threads.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from archimage.model.attributes import Level
from archimage.model.changes import PatientKey
from archimage.model.hashed import Named
from archimage.model.query import Query
from archimage.model.records import (
    Arrived,
    Counts,
    FrameTable,
    InstanceRecord,
    Kept,
    Original,
    Removed,
    StoredInstance,
)


class IndexWriter(Protocol):
    """The index in the hands of its only writer.

    Removals have numbers that grow; the files of what was removed are due until they are settled. What would remove,
    replace by other bytes, or correct something of a study on legal hold raises HeldError.
    """

    @property
    def removals(self) -> int:
        """The number of the last removal, 0 before the first."""

    def lookup(self, sop_instance_uids: Sequence[str]) -> Mapping[str, StoredInstance]:
        """Return those of these instances that are there."""

    def add(self, records: Sequence[InstanceRecord]) -> None:
        """Insert records, or replace those of the same SOP Instance UID."""

    def remove(
        self, study_instance_uid: str, series_instance_uid: str | None = None, sop_instance_uid: str | None = None
    ) -> Removed:
        """Remove an instance, series or study for good, and what becomes empty above it.

        Files that were due because the instances had been replaced are due under the numbers of the removal.
        """

    def held(self, sop_instance_uids: Iterable[str]) -> frozenset[str]:
        """Return those of these instances that are of a study on legal hold."""

    def check_held(self, study_instance_uids: Sequence[str]) -> None:
        """Raise HeldError where one of these studies is on legal hold."""

    def series_of(self, sop_instance_uid: str) -> tuple[str, str] | None:
        """Return the UIDs of the study and the series that an instance belongs to, None where it is not there."""

    def note_replaced(self, sop_instance_uid: str, number: int | None = None, due: str | None = None) -> int:
        """Make void what the ingest journals hold of an instance up to now, as a removal does; return its number.

        number is that of a note which a crash may have lost: it is made again, or is there. due is the path of the file
        that is to be deleted later, as that of a removal.
        """

    def note_copies(self, paths: Sequence[str]) -> None:
        """Note that copies are about to be made at these paths, which nothing has."""

    def copies(self, limit: int) -> Sequence[str]:
        """Return some of the paths of copies that are being made, or that a crash has left."""

    def forget_copies(self, paths: Sequence[str]) -> None:
        """Note that nothing is being made at these paths any more."""

    def note_deletions(self, paths: Sequence[str], now: float) -> None:
        """Note that objects at these paths are about to be deleted in the object store; now is in seconds since 1970.

        What was noted already is noted anew. Only after `Index.sync` is that as durable as what comes after it.
        """

    def deletions(self, paths: Sequence[str]) -> frozenset[str]:
        """Return those of these paths at which something was deleted lately in the object store, or is about to be."""

    def forget_deletions(self, before: float) -> None:
        """Forget the deletions in the object store that were noted before a time, seconds since 1970."""

    def relocate(self, sop_instance_uid: str, old: str, new: str) -> int:
        """Have an instance lie at new, with the same bytes; HeldError where it is of a study on legal hold.

        Makes void what the ingest journals hold of it, as `note_replaced` does. Returns the number under which its old
        file is due.
        """

    def original(self, sop_instance_uid: str) -> Original | None:
        """Return what an instance was when it came, None where it is that still."""

    def keep_uncompressed(self, sop_instance_uid: str, path: str) -> None:
        """Note that the object at path does not wait to be compressed any more."""

    def assign(self, study_instance_uid: str, person: Mapping[str, str]) -> bool:
        """Give a study to a patient, who is made of person, columns to text, if he is not there; False without it.

        The patient to whom it belonged goes with his last study; a patient who is there stays as he is.
        """

    def set_patient(self, patient: PatientKey, values: Mapping[str, str]) -> bool:
        """Set columns of a patient; one without a value is emptied. False where there is no such patient."""

    def set_study(self, study_instance_uid: str, values: Mapping[str, str]) -> bool:
        """Set columns of a study in the same way."""

    def set_series(self, study_instance_uid: str, series_instance_uid: str, values: Mapping[str, str]) -> bool:
        """Set columns of a series in the same way."""

    def is_removed(self, sop_instance_uid: str, after: int) -> bool:
        """Tell whether an instance was removed after the removal of that number."""

    def due(self, after: int, limit: int) -> Sequence[tuple[int, str, str | None]]:
        """Return the next removals whose files are due: number, SOP Instance UID, and path.

        The path is None where it is in use again.
        """

    def settle(self, numbers: Sequence[int]) -> None:
        """Note that the files of these removals are gone."""

    def forget_removals(self, through: int) -> None:
        """Forget the settled removals up to a number, but never the last one of all."""


class Finding(Protocol):
    """Finds what is stored."""

    def lookup(
        self, sop_instance_uid: str, *, study_instance_uid: str | None = None, series_instance_uid: str | None = None
    ) -> StoredInstance | None:
        """Return one instance, or None; also where it does not belong to the study and series that are given."""

    def frames(self, sop_instance_uid: str, *, path: str | None = None) -> FrameTable | None:
        """Return where the frames of one instance lie; None where it has none, or they were not noted.

        path is that of the object which is meant: another one may have taken its place since.
        """

    def series_versions(self, study_instance_uid: str) -> Mapping[str, str]:
        """Map the UID of each series of a study to a text that is another one after any change of its instances."""

    def series_version(self, study_instance_uid: str, series_instance_uid: str) -> str | None:
        """Return that text for one series, None where it is not there."""

    def find(self, query: Query) -> Iterator[Sequence[Mapping[str, str]]]:
        """Yield the matches in pages; each maps columns to text, absent values left out."""

    def count(self, query: Query) -> int:
        """Count the matches, limit and offset left aside."""

    def instances(self, query: Query) -> Iterator[Sequence[StoredInstance]]:
        """Yield, in pages, what retrieval needs of every instance at or below the matches of query."""


class Index(Finding, Protocol):
    """Keeps in order what is stored."""

    def writing(self, of: Sequence[InstanceRecord] = ()) -> AbstractContextManager[IndexWriter]:
        """Keep every other writer out, in this process and all others; an exception undoes what was added.

        With of, what is added is these records at most, and nothing takes another's place or goes: an index may then
        let others add what has nothing to do with them. UndecidedError where it cannot be told whether it was kept.
        """

    def add(self, records: Sequence[InstanceRecord]) -> None:
        """Insert records, or replace those of the same SOP Instance UID, in one transaction."""

    def remove(self, sop_instance_uids: Sequence[str]) -> None:
        """Forget instances, and the series, studies and patients that become empty, in one transaction.

        Their files, and what the ingest journals hold of them, are left alone: see `IndexWriter.remove`. HeldError, and
        nothing is forgotten, where one is of a study on legal hold.
        """

    def awaiting_compression(self, limit: int) -> Sequence[Kept]:
        """Return some of the instances that wait to be compressed, at most limit."""

    def some(self, query: Query, limit: int) -> Sequence[int]:
        """Return the keys of the matches, in no order, and of no more than limit of them."""

    @property
    def kind(self) -> str:
        """Name of the database."""

    def counts(self) -> Counts:
        """Count all that is there."""

    def size_bytes(self) -> int:
        """Return how much room the index takes."""

    def generation(self) -> str:
        """Return a text that is another one after any change, by whatever process."""

    def generation_at_once(self) -> str | None:
        """Return the same without waiting for disk, network or other threads; None where that cannot be."""

    def all_instances(self) -> Iterator[Sequence[StoredInstance]]:
        """Yield every instance, in pages, for verification."""

    def sync(self) -> None:
        """Make what was added survive a crash of the machine."""

    on_doubt: Callable[[], None]
    """Called, from any thread, when what was added may have been lost, and a `sync` should come soon."""

    def close(self) -> None:
        """Let go of connections and files."""


class HashedIds(Protocol):
    """Looks up what Orthanc's identifiers name."""

    def find(self, level: Level, key: int) -> Sequence[Named]:
        """Return what may have a key, the beginning of its identifier, of what is noted."""

    def note_new(self, level: Level) -> bool:
        """Note what came since this was last asked for; tell whether anything did."""

    def extent(self, named: Named) -> tuple[str, float] | None:
        """Return the UID of the first instance that is kept of something, and when its last one came; None if none."""


class Labels(Protocol):
    """Keeps the labels that people give studies."""

    def of(self, study_instance_uids: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Map those of these studies that have labels to them."""

    def counts(self) -> Mapping[str, int]:
        """Map each label to how many studies have it."""

    def add(self, study_instance_uid: str, name: str, most: int) -> bool:
        """Give a study a label, which it may have already; False where it is not kept, or has that many."""

    def remove(self, study_instance_uid: str, name: str) -> None:
        """Take a label from a study; absent is fine."""


class Arrivals(Protocol):
    """Counts what came in."""

    def since(self, moment: int) -> Arrived:
        """Count what came since a moment, in seconds since 1970, and is kept."""
