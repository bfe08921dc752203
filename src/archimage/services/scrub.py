"""Reading every stored object again, comparing it with what came, and mending it of a second copy.

Of what differs the row is looked up once more while nobody changes the index: a file is put into its place shortly
before its row, and may be replaced or removed meanwhile. A copy takes the place of a damaged file only if it is, byte
for byte, what the index tells, and in a transaction that keeps removals and replacements out. What no copy is found of
is noted, and told by health, metrics and audit trail until it is mended or removed. What lies in a tier that is away
is not damaged: it is passed over and told, and all else is read.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Final, Protocol

from archimage.config_object_store import HOT
from archimage.errors import BlobNotFoundError, OutOfResourcesError, StorageError, UnavailableError
from archimage.logger import logger
from archimage.model.records import StoredInstance
from archimage.model.scrub import Damage
from archimage.model.tiers import tier_of
from archimage.ports.backup import Copies
from archimage.ports.index import Index
from archimage.ports.meter import Meter
from archimage.ports.scrub import Scrubs
from archimage.ports.storage import BlobReader, BlobStore, BlobWriter
from archimage.services.integrity import Inspection, forget_cached, pieces_of

PAGE: Final = 64  # objects
SHOWN: Final = 1000
_TRY_AGAIN_S: Final = 600.0
_log = logger("storage")


class Told(Protocol):
    """Hears of what is found: the audit trail."""

    def damaged(self, sop_instance_uid: str, fault: str) -> None:
        """Hear that the file of an instance is not what was stored."""

    def mended(self, sop_instance_uid: str, fault: str) -> None:
        """Hear that it was replaced by a second copy that is."""


class NoCopies:
    """Where there is no second copy of anything."""

    def find(self, wanted: Sequence[StoredInstance]) -> Iterator[tuple[StoredInstance, BlobReader]]:  # noqa: ARG002
        """Find nothing."""
        yield from ()


class Pace:
    """Keeps reading down to so many bytes a second, 0 for no limit. wait takes seconds and tells whether to stop."""

    def __init__(
        self, bytes_per_s: int, wait: Callable[[float], bool], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._bytes_per_s = bytes_per_s
        self._wait = wait
        self._clock = clock
        self._free_at = 0.0

    def took(self, size_bytes: int) -> None:
        """Wait until more may be read, after so many bytes were."""
        if self._bytes_per_s:
            now = self._clock()
            self._free_at = max(self._free_at, now) + size_bytes / self._bytes_per_s
            self._wait(self._free_at - now)


@dataclass(slots=True)
class Scrubbed:
    """What a scrubbing saw; after is the row that was looked at last.

    unread counts the objects beside those that were read, whose tiers were away; away tells of each tier why.
    """

    after: int = 0
    objects: int = 0
    size_bytes: int = 0
    damaged: int = 0
    mended: int = 0
    unread: int = 0
    away: dict[str, str] = field(default_factory=dict)
    faults: list[tuple[str, str]] = field(default_factory=list)
    """Path and fault of what was damaged, mended or not; at most a thousand."""


class Scrubber:
    """Scrubs the objects of one archive; several may do so at the same time. ended stops it.

    arriving_s is how long after it came an object may not be found although nothing is wrong, seconds: it lies with
    another node, which is yet to upload it.
    """

    def __init__(
        self, scrubs: Scrubs, index: Index, blobs: BlobStore, told: Told, *, ended: threading.Event | None = None
    ) -> None:
        self.meter = Meter()
        """Hears what is found."""
        self.ended = ended or threading.Event()
        self._scrubs = scrubs
        self._index = index
        self._blobs = blobs
        self._told = told
        self._known: set[str] = set()
        self._away: dict[str, float] = {}
        self.arriving_s = 0.0

    def run(self, copies: Copies, pace: Pace, after: int = 0) -> Iterator[Scrubbed]:
        """Look at every object after a row; yield the same Scrubbed as it grows, and whenever what it tells is done.

        Raises:
            IndexUnavailableError: the index does not answer.
            OutOfResourcesError: there is no room for a copy where objects come in.
            UnavailableError: what keeps objects where they come in does not answer.
        """
        seen = Scrubbed(after)
        self._remember()
        while not self.ended.is_set() and (page := self._scrubs.page(seen.after, PAGE)):
            faults: dict[StoredInstance, str] = {}
            last = seen.after
            for number, stored in page:
                fault = self._look(seen, stored, pace)
                if self.ended.is_set():
                    break
                last = number
                if fault:
                    faults[stored] = fault
            self._settle(seen, faults, copies)
            seen.after = last
            yield seen

    def check(self, instances: Iterable[StoredInstance], copies: Copies, pace: Pace) -> Scrubbed:
        """Look at these objects; raises what `run` does, and what pace raises to end it."""
        seen, faults = Scrubbed(), dict[StoredInstance, str]()
        self._remember()
        for stored in instances:
            fault = self._look(seen, stored, pace)
            if fault:
                faults[stored] = fault
        self._settle(seen, faults, copies)
        return seen

    def _remember(self) -> None:
        """Note what is known to be damaged; all tiers are to be tried."""
        self._away.clear()
        self._known = {one.sop_instance_uid for one in self._scrubs.damaged(SHOWN)}

    def _look(self, seen: Scrubbed, stored: StoredInstance, pace: Pace) -> str:
        """Examine an object and count it, unless its tier is away or was so a while ago; return what is wrong."""
        tier = tier_of(stored.path)
        if self._away.get(tier, 0.0) > time.monotonic():
            seen.unread += 1
            return ""
        try:
            fault = self._examine(stored, pace)
        except UnavailableError as error:
            if tier == HOT:
                raise
            self._pass_over(seen, tier, str(error))
            return ""
        if not self.ended.is_set():
            self._count(seen, stored, fault)
        return fault

    def _pass_over(self, seen: Scrubbed, tier: str, reason: str) -> None:
        """Leave out an object whose tier is away, and those that follow; a while later it is tried again."""
        self._away[tier] = time.monotonic() + _TRY_AGAIN_S
        seen.unread += 1
        if tier not in seen.away:
            seen.away[tier] = reason
            _log.warning("a tier is away, and its objects are not read again this time", tier=tier, reason=reason)

    def _count(self, seen: Scrubbed, stored: StoredInstance, fault: str) -> None:
        seen.objects += 1
        seen.size_bytes += stored.size_bytes
        self.meter.object_scrubbed("damaged" if fault else "sound", stored.size_bytes)

    def _examine(self, stored: StoredInstance, pace: Pace) -> str:
        """Return what is wrong with an object, empty where nothing is."""
        fault = self._fault(stored, pace)
        if fault and not self.ended.is_set() and not self._is_current(stored):
            return ""
        if not fault and stored.sop_instance_uid in self._known:
            self._known.discard(stored.sop_instance_uid)
            self._scrubs.settle(stored.sop_instance_uid)
        return fault

    def _fault(self, stored: StoredInstance, pace: Pace) -> str:
        inspection = Inspection(stored)
        try:
            with closing(self._blobs.open(stored.path)) as reader:
                forget_cached(reader)
                for piece in pieces_of(reader):
                    inspection.feed(piece)
                    pace.took(len(piece))
                    if self.ended.is_set():
                        return ""
                forget_cached(reader)
        except BlobNotFoundError:
            return "" if self._is_arriving(stored) else "it has no file"
        except (StorageError, OSError) as error:
            with suppress(StorageError, OSError):  # a tier that went away meanwhile says so
                self._blobs.open(stored.path).close()
            return f"it cannot be read: {error}"
        return inspection.fault

    def _is_arriving(self, stored: StoredInstance) -> bool:
        if not self.arriving_s:
            return False
        return time.time() - self._scrubs.received_at(stored.sop_instance_uid) < self.arriving_s

    def _is_current(self, stored: StoredInstance) -> bool:
        with self._index.writing() as writer:
            return writer.lookup([stored.sop_instance_uid]).get(stored.sop_instance_uid) == stored

    def _settle(self, seen: Scrubbed, faults: dict[StoredInstance, str], copies: Copies) -> None:
        """Mend what can be mended, and note the rest."""
        if not faults:
            return
        mended = self._mend(list(faults), copies)
        for stored, fault in faults.items():
            seen.damaged += 1
            if len(seen.faults) < SHOWN:
                seen.faults.append((stored.path, fault))
            if stored in mended:
                seen.mended += 1
                self._scrubs.settle(stored.sop_instance_uid)
                self.meter.object_scrubbed("mended", 0)
                self._told.mended(stored.sop_instance_uid, fault)
                _log.warning("a stored object was damaged and is mended", path=stored.path, reason=fault)
            elif self._scrubs.note(Damage(stored.sop_instance_uid, stored.path, fault, time.time())):
                self._told.damaged(stored.sop_instance_uid, fault)
                _log.error("a stored object is damaged", path=stored.path, reason=fault)

    def _mend(self, wanted: Sequence[StoredInstance], copies: Copies) -> set[StoredInstance]:
        """Put sound copies into the places of damaged objects; return of which that worked."""
        mended: set[StoredInstance] = set()
        try:
            for stored, reader in copies.find(wanted):
                with closing(reader):
                    if stored not in mended and self._put_back(stored, reader):
                        mended.add(stored)
        except (StorageError, OSError) as error:
            _log.error("the second copy cannot be read", reason=str(error))
        if mended:
            self._blobs.sync()
        return mended

    def _put_back(self, stored: StoredInstance, reader: BlobReader) -> bool:
        """Do what `_put` does; a tier that is full or away keeps nothing else from being mended."""
        try:
            return self._put(stored, reader)
        except (OutOfResourcesError, UnavailableError) as error:
            if tier_of(stored.path) == HOT:
                raise
            _log.error("a damaged object cannot be mended in its tier", path=stored.path, reason=str(error))
            return False

    def _put(self, stored: StoredInstance, reader: BlobReader) -> bool:
        """Put a copy into the place of a damaged object if it is what was stored; tell whether it was."""
        writer = self._blobs.create()
        placed = False
        try:
            placed = _copy(stored, reader, writer) and self._place(stored, writer)
        finally:
            if not placed:
                writer.discard()
        return placed

    def _place(self, stored: StoredInstance, writer: BlobWriter) -> bool:
        """Place a copy, unless the object was removed or replaced meanwhile."""
        uid = stored.sop_instance_uid
        with self._index.writing() as index:
            if index.lookup([uid]).get(uid) != stored:
                return False
            self._blobs.place(writer.name, stored.path)
        return True


def _copy(stored: StoredInstance, reader: BlobReader, writer: BlobWriter) -> bool:
    """Write what may be a copy, flushed; tell whether it is what was stored."""
    inspection = Inspection(stored)
    for piece in pieces_of(reader):
        inspection.feed(piece)
        writer.write([piece])
    writer.finish()
    if inspection.fault:
        return False
    writer.sync()
    writer.close()
    return True
