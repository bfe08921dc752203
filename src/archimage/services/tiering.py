"""Moving studies between tiers: copied, read back and compared, made durable, and only then known to lie elsewhere.

A copy goes to a path that nothing ever had, noted in the index before it is begun. One transaction then has the rows of
a group name the new paths, unless an object was removed, replaced or held meanwhile; so at every instant the row of an
object names a whole file. The old files are due like those of removed instances, and stay a while for those who have
read a row before (`OldFiles`). What a crash leaves of copies is deleted by whoever has the turn next.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Final, Protocol

import xxhash

from archimage.errors import ArchimageError, BlobNotFoundError, HeldError, IntegrityError, StorageError
from archimage.logger import logger
from archimage.model.attributes import UNIQUE_KEYS, Level
from archimage.model.query import Condition, Exact, Query
from archimage.model.records import StoredInstance
from archimage.model.tiers import copy_path, tier_of
from archimage.ports.index import Index
from archimage.ports.storage import BlobReader
from archimage.ports.tiers import TieredBlobs, TierRecords
from archimage.services.integrity import Inspection, forget_cached, inspected, pieces_of
from archimage.services.layout import sop_instance_uid_of
from archimage.services.removal import RemovalService
from archimage.services.replacement import READERS_END_WITHIN_S

_GROUP: Final = 64  # objects
_GROUP_BYTES: Final = 256 << 20
_LEFT: Final = 1000
_log = logger("storage")

Look = Callable[[], None]
"""Is called before each object; raises to end the work."""


class Pace(Protocol):
    """Keeps reading down: `services.scrub.Pace`."""

    def took(self, size_bytes: int) -> None:
        """Wait until more may be read, after so many bytes were."""


@dataclass(slots=True)
class Moved:
    """What was moved of a study; problem says why something of it was not, empty where all was."""

    instances: int = 0
    size_bytes: int = 0
    problem: str = ""


Told = Callable[[str, str, Moved], None]
"""Hears of what was moved: the study, the tier, and what of it."""


@dataclass(slots=True)
class _Group:
    """Objects that are moved together: where each is to lie, and those that have been copied."""

    targets: Mapping[StoredInstance, str]
    copied: dict[StoredInstance, str] = field(default_factory=dict)


class Mover:
    """Moves studies; one at a time in all processes of an archive, which is the business of whoever calls."""

    def __init__(self, index: Index, blobs: TieredBlobs, records: TierRecords, pace: Pace) -> None:
        self._index = index
        self._blobs = blobs
        self._records = records
        self._pace = pace
        self.told: Told = lambda *_: None

    def move(self, study_instance_uid: str, tier: str, look: Look = lambda: None) -> Moved:
        """Move what of a study is not in a tier; what look raises leaves the rest where it is.

        Raises:
            HeldError: the study is on legal hold, and stays where it is.
            OutOfResourcesError: the tier is full; what was moved is.
            UnavailableError: a tier is away; what was moved is.
            IndexUnavailableError: the index does not answer.
        """
        moved = Moved()
        there = [one for one in self._instances(study_instance_uid) if tier_of(one.path) != tier]
        if there:
            self._blobs.room_for(tier, sum(one.size_bytes for one in there))
        try:
            for group in _groups(there):
                self._move(_Group({one: copy_path(one.path, tier) for one in group}), moved, look)
        finally:
            if moved.instances:
                self.told(study_instance_uid, tier, moved)
        return moved

    @property
    def has_left(self) -> bool:
        """Tell whether there are copies that are being made, or that a crash has left."""
        return self._records.has_copies

    def count(self) -> None:
        """Count anew what lies in which tier."""
        self._records.count(time.time())

    def clean(self) -> int:
        """Delete what is left of copies that nobody makes any more; return how many there were."""
        cleaned = 0
        while True:
            with self._index.writing() as index:
                left = index.copies(_LEFT)
            if not left:
                return cleaned
            self._drop(left)
            cleaned += len(left)

    def _instances(self, study_instance_uid: str) -> list[StoredInstance]:
        query = Query(Level.STUDY, (Condition(UNIQUE_KEYS[Level.STUDY], Exact(study_instance_uid)),))
        return [one for page in self._index.instances(query) for one in page]

    def _move(self, group: _Group, moved: Moved, look: Look) -> None:
        with self._index.writing() as index:
            if held := index.held([one.sop_instance_uid for one in group.targets]):
                raise HeldError(f"{min(held)} is of a study on legal hold: it stays where it is")
            index.note_copies(list(group.targets.values()))
        self._index.sync()
        left: Sequence[str] = list(group.targets.values())
        try:
            for one, path in group.targets.items():
                look()
                self._attempt(one, path, group, moved)
            self._blobs.settle(list(group.copied.values()))
            done = self._switch(group.copied)
            moved.instances += len(done)
            moved.size_bytes += sum(one.size_bytes for one in done)
            left = [path for one, path in group.targets.items() if one not in done]
        finally:
            if left:
                with suppress(ArchimageError):  # else it is left to whoever cleans
                    self._drop(left)

    def _attempt(self, one: StoredInstance, path: str, group: _Group, moved: Moved) -> None:
        """Copy an object; one that is damaged stays where it is, and one that is gone needs nothing."""
        try:
            self._copy(one, path)
        except (BlobNotFoundError, IntegrityError) as error:
            if self._index.lookup(one.sop_instance_uid) == one:
                moved.problem = f"{one.path}: {error}"
                _log.error("an object is not moved", path=one.path, reason=str(error))
        else:
            group.copied[one] = path

    def _copy(self, one: StoredInstance, path: str) -> None:
        """Copy an object, and read back what was written.

        Raises:
            IntegrityError: its file is not what was stored.
            BlobNotFoundError: it is not there.
            StorageError: what was written is not what was read.
        """
        inspection, digest = Inspection(one), xxhash.xxh3_128()
        with closing(self._blobs.open(one.path)) as reader:
            pieces = self._paced(inspected(pieces_of(reader), inspection), digest)
            self._blobs.copy(path, pieces, one.size_bytes)
        if inspection.fault:
            raise IntegrityError(inspection.fault)
        with closing(self._blobs.open(path)) as reader:
            if _digest(reader) != digest.digest():
                raise StorageError(f"{path}: what is there is not what was copied")

    def _paced(self, pieces: Iterator[bytes], digest: "xxhash.xxh3_128") -> Iterator[bytes]:
        for piece in pieces:
            digest.update(piece)
            self._pace.took(len(piece))
            yield piece

    def _switch(self, copied: Mapping[StoredInstance, str]) -> set[StoredInstance]:
        """Have the rows name the copies, as far as they are still those of what was copied; return which do."""
        with self._index.writing() as index:
            rows = index.lookup([one.sop_instance_uid for one in copied])
            done = {one for one in copied if rows.get(one.sop_instance_uid) == one}
            for one in done:
                index.relocate(one.sop_instance_uid, one.path, copied[one])
            index.forget_copies([copied[one] for one in done])
        self._index.sync()
        return done

    def _drop(self, paths: Sequence[str]) -> None:
        """Delete copies that no row names, and forget all of these: it may not be known what a transaction did."""
        with self._index.writing() as index:
            rows = index.lookup([sop_instance_uid_of(path) for path in paths])
            named = {row.path for row in rows.values()}
            for path in paths:
                if path not in named:
                    self._blobs.delete(path)
        self._blobs.sync()
        with self._index.writing() as index:
            index.forget_copies(paths)


class OldFiles:
    """Has old files deleted once nobody reads them any more, whichever process has moved or replaced their objects.

    readers_s is how long they stay at least, from when this process sees that they are due, seconds.
    """

    def __init__(
        self,
        removal: RemovalService,
        *,
        readers_s: float = READERS_END_WITHIN_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._removal = removal
        self._readers_s = readers_s
        self._clock = clock
        self._seen: deque[tuple[float, int]] = deque()
        self._newest = 0
        self._deleted = 0

    def look(self) -> None:
        """See what is due, and delete what has been so for long enough."""
        now, last = self._clock(), self._removal.last
        if last > self._newest:
            self._seen.append((now, last))
            self._newest = last
        while self._seen and self._seen[0][0] + self._readers_s <= now:
            _, through = self._seen.popleft()
            self._removal.delete_replaced(self._deleted + 1, through)
            self._deleted = through


def _digest(reader: BlobReader) -> bytes:
    forget_cached(reader)
    digest = xxhash.xxh3_128()
    for piece in pieces_of(reader):
        digest.update(piece)
    return digest.digest()


def _groups(there: Sequence[StoredInstance]) -> Iterator[Sequence[StoredInstance]]:
    """Split into groups of so many objects, and about so many bytes."""
    group: list[StoredInstance] = []
    for one in there:
        if group and (len(group) >= _GROUP or sum(each.size_bytes for each in group) + one.size_bytes > _GROUP_BYTES):
            yield group
            group = []
        group.append(one)
    if group:
        yield group
