"""Objects and what is derived of them, as the services keep them; adapters live in `storage`.

All of it blocks: services call it from worker threads. Adapters are safe to call from several threads.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple, Protocol, Self, runtime_checkable


class BlobReader(Protocol):
    """One stored object, open."""

    @property
    def size_bytes(self) -> int:
        """Size of the whole object."""

    def read(self, offset: int, length: int) -> bytes:
        """Read length bytes at offset; fewer only at the end."""

    def read_into(self, buffer: memoryview, offset: int) -> int:
        """Fill buffer from offset on; return how many bytes there were, fewer only at the end."""

    def read_cached(self, buffer: memoryview, offset: int) -> int:
        """Fill buffer from offset on as far as that needs no wait; return how many bytes that were, 0 if none."""

    def expect(self, offset: int, length: int) -> None:
        """Tell that these bytes will be read soon."""

    def close(self) -> None:
        """Let it go."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class FileSpan(NamedTuple):
    """Bytes of an open file, by its descriptor; they can be handed to a socket without being read."""

    descriptor: int
    offset: int
    length: int


@runtime_checkable
class FileBacked(Protocol):
    """What something open is besides where its bytes lie in files of this machine; that of object storage is not."""

    def spans(self, offset: int, length: int) -> Sequence[FileSpan] | None:
        """Tell where length bytes at offset lie, for as long as it is open; None where they differ from the files'."""

    def expect(self, offset: int, length: int) -> None:
        """Tell that these bytes will be read soon."""


class BlobWriter(Protocol):
    """One object on its way in; not visible under any path until it is placed."""

    name: str

    def write(self, pieces: Sequence[bytes | memoryview]) -> None:
        """Append pieces; the end of them may be kept back."""

    def finish(self) -> None:
        """Write what was kept back; nothing follows."""

    def read(self, offset: int, length: int) -> bytes:
        """Read back what was written, from `finish` until `close`."""

    def sync(self) -> None:
        """Make what has been written survive a crash of the machine; after `finish` that is all of it."""

    def close(self) -> None:
        """Let go of the object, which still waits to be placed."""

    def discard(self) -> None:
        """Drop the object."""


@dataclass(frozen=True, slots=True)
class SentAhead:
    """What became of an object that was sent to a path before it was known whether it will be accepted.

    mark is how the object store tells it from others, empty where it is not there; taken says that something else is,
    or was lately: then the object is to go to another path.
    since is when sending it began, seconds of the monotonic clock, where nobody else can have sent anything to its path
    at the same time, else 0; failure says why it is not sent.
    """

    path: str
    mark: str = ""
    taken: bool = False
    since: float = 0.0
    failure: Exception | None = None


class BlobStore(Protocol):
    """Keeps objects under relative paths made by the archive, never by a peer."""

    @property
    def copies_elsewhere(self) -> bool:
        """Tell whether other machines may keep copies under a path, which must then never name other bytes."""

    @property
    def sends_ahead(self) -> bool:
        """Tell whether `send_ahead` is worth while: `secure` has to wait for an object store."""

    def send_ahead(self, path: str, source: str | bytes, then: Callable[[SentAhead], None]) -> None:
        """Begin with what `secure` will ask for; then hears from another thread how that went.

        source is what comes to path, if it is accepted: the name of a finished object, or the data of a small one. What
        is under that path already is not touched.
        """

    def create(self) -> BlobWriter:
        """Begin an object."""

    def put(self, path: str, data: bytes) -> None:
        """Make a small object visible at path, replacing what is there; `sync` makes it durable."""

    def place(self, name: str, path: str) -> None:
        """Make a finished object visible at path, replacing what is there."""

    def drop_copies(self, path: str, size_bytes: int) -> bool:
        """Drop what lies here of an object that another place has in that size; false where none has."""

    def secure(self, paths: Sequence[str], sent: Sequence[SentAhead] = ()) -> None:
        """Make what was just placed as safe as it is to be before it is acknowledged, beside the ingest journal.

        sent is what became of those that were sent ahead, if they were; it may be to other paths. What is placed under
        the path of one of them is what was sent, and nobody was about to delete anything there.

        Raises:
            OutOfResourcesError, UnavailableError: an object store has not all of it.
        """

    def open(self, path: str, size_bytes: int | None = None) -> BlobReader:
        """Open the object at path, or raise BlobNotFoundError; of what is far away that may come with the first read.

        size_bytes is what the index says of its size, so that it need not be asked.
        """

    def delete(self, path: str) -> None:
        """Remove the object at path; absent is fine."""

    def paths(self) -> Iterator[str]:
        """Walk the paths of every placed object."""

    def incoming(self) -> Iterator[str]:
        """Name every object that this process's lane holds and that is not placed."""

    def discard(self, name: str) -> None:
        """Drop an object that was never placed; absent is fine."""

    def sync(self) -> None:
        """Make every placed object survive a crash of the machine."""


class DerivedCache(Protocol):
    """Keeps what can be made again: anything may be gone at any time, and what cannot be kept is not.

    Names are made by the archive, of letters and digits.
    """

    def read(self, name: str) -> bytes | None:
        """Return what is kept under name, or None."""

    def write(self, name: str, data: bytes) -> None:
        """Keep data under name, instead of what is there."""

    def remove(self, start: str) -> None:
        """Forget everything whose name begins so; absent is fine, StorageError when the disk refuses."""

    def clear(self) -> None:
        """Forget everything; StorageError when the disk refuses."""


class DerivedWriter(Protocol):
    """One derived object on its way; nobody else sees it until it is kept. Either `keep` or `discard` ends it."""

    def write(self, pieces: Sequence[bytes | memoryview]) -> None:
        """Append pieces; OutOfResourcesError when the disk refuses them."""

    def read(self, offset: int, length: int) -> bytes:
        """Read back what was written."""

    def keep(self) -> BlobReader:
        """Make it visible under its name, instead of what is there, and return it open."""

    def discard(self) -> None:
        """Drop it; after either end this does nothing."""


class DerivedFiles(Protocol):
    """Keeps what can be made again and is too large for memory: anything may be gone at any time, but not once open.

    Names are made by the archive, of letters and digits.
    """

    def open(self, name: str) -> BlobReader | None:
        """Open what is kept under name, or return None."""

    def create(self, name: str) -> DerivedWriter:
        """Begin an object; OutOfResourcesError when the disk refuses it."""

    def remove(self, start: str) -> None:
        """Forget everything whose name begins so, what is on its way aside; StorageError when the disk refuses."""

    def clear(self) -> None:
        """Forget everything, what is on its way too; StorageError when the disk refuses."""
