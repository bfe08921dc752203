"""The real parts around the store: files, journal and index of one archive."""

from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from archimage.dicom.part10 import decode_file_meta
from archimage.dicom.scan import ScanLimits
from archimage.index.sqlite import SqliteIndex
from archimage.model.events import InstanceRefused, InstanceStored
from archimage.ports.index import Index
from archimage.ports.journal import Replay
from archimage.ports.storage import BlobStore
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN
from archimage.services.derived import Derived
from archimage.services.intake import Intake
from archimage.services.layout import Layout
from archimage.services.recovery import drop, recover
from archimage.services.room import Room
from archimage.services.store import Durability, Expected, StoreService
from archimage.storage.cache import FilesystemCache
from archimage.storage.filesystem import FilesystemBlobStore
from archimage.storage.journal import Journal
from tests.attacks.wire import CT

LIMIT = 128 << 10


def expected(uid: str) -> Expected:
    """Announce a CT image."""
    return Expected(EXPLICIT_VR_LITTLE_ENDIAN, CT, uid, "SENDER")


@dataclass
class Parts:
    """One archive, open."""

    directory: Path
    blobs: FilesystemBlobStore
    journal: Journal
    index: SqliteIndex
    intake: Intake
    service: StoreService
    derived: Derived
    events: list[InstanceStored | InstanceRefused] = field(default_factory=list)

    @property
    def journal_directory(self) -> Path:
        """Where the segments are."""
        return self.directory / "journal" / "0"

    def kept(self, uid: str) -> bytes | None:
        """Return the data set that is kept of an instance."""
        stored = self.index.lookup(uid)
        if stored is None:
            return None
        with self.blobs.open(stored.path) as reader:
            data = reader.read(0, reader.size_bytes)
        return data[decode_file_meta(data)[1] :]

    def assert_agreement(self) -> None:
        """Assert that every row has its file, every file its row, and nothing is on its way in."""
        rows = {instance.path for page in self.index.all_instances() for instance in page}
        assert rows == set(self.blobs.paths())
        assert list(self.blobs.incoming()) == []


def recovered(journals: Iterable[Replay], blobs: BlobStore, index: Index) -> int:
    """Do what a start does with all journals there are; return how many objects were mended."""
    left: set[str] = set()
    mended = sum(recover(journal, blobs, index, left) for journal in journals)
    drop(left, blobs, index)
    return mended


Open = Callable[..., Parts]


def open_parts(held: ExitStack, directory: Path, *, replace: bool) -> Parts:
    """Open an archive; held closes it."""
    index = held.enter_context(closing(SqliteIndex(directory / "index.db", busy_timeout_s=0.5)))
    blobs = held.enter_context(closing(FilesystemBlobStore(directory, "0")))
    journal = held.enter_context(closing(Journal(directory / "journal" / "0", segment_bytes=1 << 20)))
    derived = Derived(FilesystemCache(directory / "cache", 1 << 20), FilesystemCache(directory / "transcoded", 1 << 30))
    intake = held.enter_context(closing(Intake(blobs, journal, index, derived, replace=replace)))
    events: list[InstanceStored | InstanceRefused] = []
    service = StoreService(
        blobs, intake, Durability(LIMIT, flush=True), Layout.UID, ScanLimits(), events.append, Room(directory, 0)
    )
    return Parts(directory, blobs, journal, index, intake, service, derived, events)
