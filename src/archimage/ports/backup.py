"""What making, checking and restoring backups needs, and mending objects from them.

Adapters live in `index` and `storage`. All of it blocks.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from archimage.model.backups import KeptFile, KeptObject, ListFile, Summary
from archimage.model.records import StoredInstance
from archimage.ports.storage import BlobReader


class Dumps(Protocol):
    """An index that can be dumped."""

    def dump(self) -> Iterator[bytes]:
        """Yield the lines of a dump of all tables in one state (`model.dumps`); others go on writing."""


class Belongings(Protocol):
    """What an archive keeps in files beside objects and index."""

    def files(self) -> Iterator[tuple[str, int]]:
        """Yield path and permissions of each, those first that others must not be older than."""

    def read(self, path: str) -> Iterator[bytes]:
        """Yield the bytes of one, as long as it was when that began; BlobNotFoundError where it has gone."""

    def write(self, path: str, pieces: Iterable[bytes], mode: int) -> None:
        """Write one."""


class ListWriter(Protocol):
    """A list of a backup that is being written."""

    def add(self, line: bytes) -> None:
        """Append a line, which may be kept back."""

    def flush(self) -> None:
        """Write what was kept back, so that it can be read although the backup is interrupted."""


class Draft(Protocol):
    """A backup that is being made; it is one only once it is finished. `close` it."""

    id: str
    began_at: float

    def begin_list(self, name: str) -> AbstractContextManager[ListWriter]:
        """Begin a list, in place of one of the same name."""

    def lines(self, name: str) -> Iterator[bytes]:
        """Read a list again."""

    def known(self) -> Sequence[Iterator[KeptObject]]:
        """Return what the target has already of objects, by lists in the order of their rows; each may end early."""

    def has(self, sha256: str, size_bytes: int) -> bool:
        """Tell whether the target holds these bytes."""

    def keep(self, pieces: Iterable[bytes]) -> tuple[str, int]:
        """Keep bytes; return their SHA-256 and their size. They are safe once `settle` has returned."""

    def settle(self) -> None:
        """Make all that was kept survive a crash, and visible."""

    def part(self, name: str) -> ListFile:
        """Measure a list that is written."""

    def finish(self, summary: Summary) -> None:
        """Make it a backup."""

    def close(self) -> None:
        """Let go of the target."""


class Backup(Protocol):
    """A backup to be read."""

    summary: Summary

    def index(self) -> Iterator[bytes]:
        """Yield the lines of the dump of the index; IntegrityError where it is damaged."""

    def objects(self) -> Iterator[KeptObject]:
        """Yield its objects, in the order of their rows; IntegrityError where the list is damaged."""

    def files(self) -> Iterator[KeptFile]:
        """Yield its other files; IntegrityError where the list is damaged."""

    def read(self, sha256: str) -> Iterator[bytes]:
        """Yield bytes that it holds.

        Raises:
            IntegrityError: they are missing or damaged; some may have been yielded before.
        """


class Copies(Protocol):
    """A second copy of objects, from which they can be mended."""

    def find(self, wanted: Sequence[StoredInstance]) -> Iterator[tuple[StoredInstance, BlobReader]]:
        """Yield what may be a copy of each of those that there is one of, open; the caller looks at it, and closes it.

        StorageError where none can be looked for.
        """
