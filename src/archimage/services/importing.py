"""The import use case: files into the archive, through the same door as C-STORE."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, Literal

from archimage.dicom.scan import HeaderScanner
from archimage.errors import ArchimageError, OutOfResourcesError, StorageError, UnavailableError
from archimage.ports.index import Index
from archimage.services.attributes import WANTED, index_values
from archimage.services.sources import HEAD_BYTES, NOT_AN_OBJECT, Source, identify, read_pieces
from archimage.services.store import Expected, StoreService

THREADS: Final = 4
_PIECE_BYTES: Final = 1 << 20
_PASSING: Final = (OutOfResourcesError, StorageError, UnavailableError)

Fate = Literal["stored", "replaced", "duplicate", "failed", "skipped"]
Pieces = Iterator[bytes | memoryview]
Keep = Callable[[Expected, Pieces], Fate]


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of one file; reason says why it failed or was skipped, and then it has no UID.

    passing tells that it is the archive that could not store just now, whatever the file is.
    """

    name: str
    size_bytes: int
    fate: Fate
    reason: str = ""
    passing: bool = False
    sop_instance_uid: str = ""


@dataclass(slots=True)
class ImportCounts:
    """The sum of an import; elapsed_s by the monotonic clock."""

    stored: int = 0
    replaced: int = 0
    duplicate: int = 0
    failed: int = 0
    skipped: int = 0
    size_bytes: int = 0
    problems: list[Imported] = field(default_factory=list)
    _started: float = field(default_factory=time.monotonic)

    def add(self, imported: Imported) -> None:
        """Count one file."""
        setattr(self, imported.fate, getattr(self, imported.fate) + 1)
        self.size_bytes += imported.size_bytes
        if imported.fate == "failed":
            self.problems.append(imported)

    @property
    def files(self) -> int:
        """How many were counted."""
        return self.stored + self.replaced + self.duplicate + self.failed + self.skipped

    @property
    def elapsed_s(self) -> float:
        """Seconds since the counts were begun."""
        return time.monotonic() - self._started


class ImportService:
    """Imports sources, several at once so that they share the journal's flushes."""

    def __init__(self, store: StoreService, index: Index, *, threads: int = THREADS) -> None:
        self._store = store
        self._index = index
        self._threads = threads

    def run(self, found: Iterable[Source], *, dry_run: bool = False) -> Iterator[Imported]:
        """Import each source and yield its fate; with dry_run read and judge it, and store nothing."""
        task = self._judge if dry_run else self._import
        with ThreadPoolExecutor(self._threads, "import") as pool:
            pending: deque[Future[Imported]] = deque()
            for source in found:
                pending.append(pool.submit(_guarded, task, source))
                if len(pending) >= 4 * self._threads:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()

    def _import(self, expected: Expected, pieces: Pieces) -> Fate:
        return self._store.store(expected, pieces).kind

    def _judge(self, expected: Expected, pieces: Pieces) -> Fate:
        scanner = HeaderScanner(expected.transfer_syntax_uid, WANTED)
        for piece in pieces:
            scanner.feed(piece)
        known = self._index.lookup(index_values(scanner.finish())["sop_instance_uid"])
        return "stored" if known is None else "duplicate"


def _guarded(keep: Keep, source: Source) -> Imported:
    """Read source and hand it to keep; whatever goes wrong with it becomes its fate."""
    try:
        with source.open() as file:
            head = next(read_pieces(file, HEAD_BYTES), b"")
            identity = identify(head)
            if identity is None:
                return Imported(source.name, source.size_bytes, "skipped", NOT_AN_OBJECT)
            expected = Expected(identity.transfer_syntax_uid, identity.sop_class_uid, identity.sop_instance_uid)
            start = memoryview(head)[identity.data_set_offset :]
            fate = keep(expected, chain([start], read_pieces(file, _PIECE_BYTES)))
            return Imported(source.name, source.size_bytes, fate, sop_instance_uid=identity.sop_instance_uid)
    except ArchimageError as error:
        return Imported(source.name, source.size_bytes, "failed", str(error), isinstance(error, _PASSING))
    except OSError as error:
        return Imported(source.name, source.size_bytes, "failed", error.strerror or str(error))
