"""Objects in an object store, with the local disk before it: as a spool of what comes, and as a cache of what is read.

    objects/{path}              placed, and yet to be uploaded
    uploading/{path, / as ~}    claimed by whoever uploads; what lies here after a crash may have been uploaded or not
    cache/objects/              what the object store has too; bounded, and may be deleted at any time
    removed/{path, / as ~}      deleted here, and yet to be deleted in the object store
    ahead/{path, / as ~}        sent to the object store, and perhaps never accepted

An object goes from one to the next by rename, and is looked for in the same order, so it is always found. Uploads are
the business of `services.spooling`, which knows the index: what may be uploaded, and what must not come back.
"""

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from archimage import spans
from archimage.errors import BlobNotFoundError, StorageError
from archimage.ports.spool import Waiting
from archimage.ports.storage import BlobReader, SentAhead
from archimage.storage.cache import FilesystemCache
from archimage.storage.files import mark, storage_errors
from archimage.storage.filesystem import FileReader, FilesystemBlobStore, FileWriter
from archimage.storage.remote.reader import Got, RemoteReader
from archimage.storage.remote.store import RemoteObjects
from archimage.threads import ContextThreads

WHOLE_BYTES: Final = 1 << 20
"""An object up to this size is fetched whole, and kept."""
SURE_S: Final = 60.0
"""So long what was sent ahead is there, if the index has no note that it is deleted; that stays for much longer."""
_SETTLED_S: Final = 30.0
"""So long after it was sent ahead an object has its row, or will have none."""
_LONGEST_UPLOAD_S: Final = 6 * 3_600.0
_ABANDONED_DIRECTORY_S: Final = 60.0


class SpooledBlobStore:
    """Implements `ports.BlobStore` and `ports.Spool`; files are the store of this process's lane. `close` it.

    Where the settings say write-through, `secure` waits until the object store has what was placed.
    """

    def __init__(self, directory: Path, files: FilesystemBlobStore, remote: RemoteObjects) -> None:
        self._files = files
        self._remote = remote
        self._objects = directory / "objects"
        self._uploading = directory / "uploading"
        self._removed = directory / "removed"
        self._ahead = directory / "ahead"
        self.incoming_directory = self._incoming = files.incoming_directory
        self._held: dict[str, bytes] = {}
        self._cache = FilesystemCache(directory / "cache" / "objects", remote.config.cache_bytes)
        self._is_through = remote.config.mode == "write-through"
        self.reading = remote.reading
        self.uploading = ContextThreads(remote.config.uploads, "object-store-put")
        for wanted in (self._uploading, self._removed, self._ahead):
            wanted.mkdir(parents=True, exist_ok=True)

    # ports.BlobStore

    def create(self) -> FileWriter:
        """Begin an object in `incoming/`."""
        return self._files.create()

    def put(self, path: str, data: bytes) -> None:
        """Write a small object and place it; what is put through stays in memory until `secure`, and is no file."""
        if self._is_through:
            self._held[path] = data
        else:
            self._files.put(path, data)

    def place(self, name: str, path: str) -> None:
        """Place a finished object, from where it is uploaded."""
        self._files.place(name, path)

    @property
    def copies_elsewhere(self) -> bool:
        """Tell that other nodes may keep copies."""
        return True

    @property
    def sends_ahead(self) -> bool:
        """Tell whether `secure` waits for the object store."""
        return self._is_through

    def send_ahead(self, path: str, source: str | bytes, then: Callable[[SentAhead], None]) -> None:
        """Begin to put an object under path, if nothing is there; `secure` looks whether that is so."""

        def send() -> None:
            try:
                file = source if isinstance(source, bytes) else self._incoming / source
                self._note_ahead(path, file)
                sent = self._remote.create(path, file)
            except Exception as error:  # whatever goes wrong, who waits for an answer is to have one
                sent = SentAhead(path, failure=error)
                if not isinstance(source, bytes):
                    self._give_up_ahead(path)
            then(sent)

        self.uploading.submit(send)

    def drop_copies(self, path: str, size_bytes: int) -> bool:
        """Drop what lies here of an object that the object store has in that size."""
        try:
            if self._remote.get(path, 0, 0).size_bytes != size_bytes:
                return False
        except BlobNotFoundError:
            return False
        self._files.delete(path)
        self._claim(path).unlink(missing_ok=True)
        self._cache.remove(_name(path))
        return True

    def secure(self, paths: Sequence[str], sent: Sequence[SentAhead] = ()) -> None:
        """Have the object store keep what was placed, where it is to be acknowledged only then; all at once.

        Raises:
            OutOfResourcesError, UnavailableError: the object store has not all of it.
        """
        if not self._is_through:
            return
        by_path = {one.path: one for one in sent}
        there = {one.path for one in sent if _is_surely_there(one)}
        missing = [path for path in paths if path not in there]
        sending = [self.uploading.submit(self._put_through, path, by_path.get(path)) for path in missing]
        failures = [failure for one in sending if (failure := one.exception()) is not None]
        if failures:
            raise failures[0]
        for path in paths:
            self._tombstone(path).unlink(missing_ok=True)
            self._note(path).unlink(missing_ok=True)
            data = self._held.pop(path, None)
            if data is None:
                self._keep_copy(path, self._objects / path)
            elif self._remote.config.cache_bytes:
                self.uploading.submit(self._cache.write, _name(path), data)

    def open(self, path: str, size_bytes: int | None = None) -> BlobReader:
        """Open the object at path, wherever it is; BlobNotFoundError, in the object store with the first look at it."""
        flat = _flat(path)
        held = self._held.get(path)
        if held is not None:
            return RemoteReader(lambda _offset, _length: Got(held, len(held)), self.reading, len(held), whole=True)
        with spans.leaf("open object"), storage_errors(f"open {path}"):
            for place in (f"{self._objects}/{path}", f"{self._uploading}/{flat}"):
                with suppress(BlobNotFoundError):
                    return FileReader(place)
            copy = self._cache.open(_name(path)) if self._remote.config.cache_bytes else None
            if copy is not None:
                if size_bytes in {None, copy.size_bytes}:
                    return copy
                copy.close()  # a power cut has left a part of it
            if os.path.exists(f"{self._removed}/{flat}"):  # noqa: PTH110 - pathlib costs as much as all of this
                raise BlobNotFoundError(f"{path} was deleted")
        return self._open_remote(path, size_bytes)

    def delete(self, path: str) -> None:
        """Remove the object here, and have it removed in the object store; absent is fine.

        What is just being uploaded is dropped by whoever does that, for no row names it any more.
        """
        with storage_errors(f"delete {path}"):
            mark(self._tombstone(path))
        self._held.pop(path, None)
        self._files.delete(path)
        self._cache.remove(_name(path))

    def paths(self) -> Iterator[str]:
        """Walk every placed object, here and in the object store."""
        seen = {path for path, _ in self._placed()} | set(self.claimed()) | set(self._held)
        yield from seen
        gone = set(self.removed(1 << 62))
        yield from (path for path in self._remote.paths() if path not in seen and path not in gone)

    def incoming(self) -> Iterator[str]:
        """Name every object that is not placed."""
        return self._files.incoming()

    def discard(self, name: str) -> None:
        """Drop an object that was never placed; absent is fine."""
        self._files.discard(name)

    def sync(self) -> None:
        """Make everything that lies here survive a crash of the machine."""
        self._files.sync()

    def close(self) -> None:
        """Finish what is being sent, and let go of everything."""
        self.uploading.shutdown()
        self._remote.close()
        self._files.close()

    # ports.Spool

    def waiting(self, limit: int) -> Sequence[Waiting]:
        """Return up to so many objects that are placed and not claimed, the oldest of those that were found first."""
        found: list[Waiting] = []
        now = time.time()
        for path, status in self._placed():
            found.append(Waiting(path, now - max(status.st_ctime, status.st_mtime), status.st_size))
            if len(found) >= limit:
                break
        return sorted(found, key=lambda one: -one.age_s)

    def claimed(self) -> Sequence[str]:
        """Return the paths of what was claimed, and neither settled nor withdrawn."""
        return [_path(entry.name) for entry in os.scandir(self._uploading)]

    def claim(self, path: str) -> bool:
        """Take an object for uploading, durably; false where it is gone."""
        try:
            with storage_errors(f"claim {path}"):
                (self._objects / path).replace(self._claim(path))
        except StorageError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return False
            raise
        return True

    def upload(self, path: str, timeout_s: float) -> None:
        """Have the object store keep what was claimed; a single request may take timeout_s."""
        self._remote.put(path, self._claim(path), timeout_s)

    def settle(self, path: str) -> None:
        """Let what was uploaded be a copy."""
        self.keep([path])
        self._keep_copy(path, self._claim(path))

    def withdraw(self, path: str) -> None:
        """Drop what was claimed, and have it removed in the object store."""
        with storage_errors(f"withdraw {path}"):
            mark(self._tombstone(path))
        self._claim(path).unlink(missing_ok=True)

    def removed(self, limit: int) -> Sequence[str]:
        """Return up to so many paths of objects that were deleted here, and are yet to be in the object store."""
        found: list[str] = []
        for directory in (self._removed, self._ahead):
            with os.scandir(directory) as entries:
                for entry in entries:
                    if len(found) >= limit:
                        return found
                    with suppress(FileNotFoundError):
                        if directory is self._removed or _is_settled(entry.stat()):
                            found.append(_path(entry.name))
        return found

    def remove(self, paths: Sequence[str]) -> None:
        """Delete objects in the object store that were deleted here."""
        self._remote.delete(paths)
        self.keep(paths)

    def keep(self, paths: Sequence[str]) -> None:
        """Forget that objects were deleted, and that they were sent ahead long ago.

        Somebody may have sent one to its path again while it was being deleted: the note of that stays.
        """
        for path in paths:
            self._tombstone(path).unlink(missing_ok=True)
            note = self._note(path)
            with suppress(FileNotFoundError):
                if _is_settled(note.stat()):
                    note.unlink()

    def check(self) -> None:
        """Ask the object store whether it is there."""
        self._remote.check()

    def counted(self) -> Iterator[int]:
        """Yield the sizes of all that waits, bytes."""
        for _, status in self._placed():
            yield status.st_size
        for entry in os.scandir(self._uploading):
            with suppress(FileNotFoundError):
                yield entry.stat().st_size

    def _note_ahead(self, path: str, source: Path | bytes) -> None:
        """Note that an object is sent ahead; what goes in parts keeps its path until it is sent, and for longer."""
        note, lasts_s = self._note(path), 0.0
        if isinstance(source, Path) and self._remote.goes_in_parts(source):
            lasts_s = _LONGEST_UPLOAD_S
        while not mark(note) or lasts_s:
            with suppress(FileNotFoundError):  # whoever deletes has let go of it just now
                until = max(time.time() + lasts_s, note.stat().st_mtime)  # somebody else may be sending to this path
                os.utime(note, (until, until))
                return

    def _give_up_ahead(self, path: str) -> None:
        """Let go of a path soon, where something may lie that is not whole."""
        with suppress(OSError):  # then it is let go of later
            os.utime(self._note(path))

    def _put_through(self, path: str, sent: SentAhead | None) -> None:
        if sent is not None and sent.failure is not None:
            raise sent.failure
        if sent is not None and sent.mark and self._remote.is_marked(path, sent.mark):
            return
        try:
            self._remote.put(path, self._held.get(path, self._objects / path))
        except FileNotFoundError:  # it took so long that it was claimed
            self._remote.put(path, self._claim(path))

    def _keep_copy(self, path: str, file: Path) -> None:
        """Move a file to the cache; where that is to hold nothing, drop it."""
        with suppress(FileNotFoundError):
            if self._remote.config.cache_bytes:
                self._cache.adopt(_name(path), file)
            else:
                file.unlink()

    def _open_remote(self, path: str, size_bytes: int | None) -> RemoteReader:
        """Open what only the object store has; what is small comes whole with the first byte, and stays."""
        if size_bytes is None or size_bytes > WHOLE_BYTES or not self._remote.config.cache_bytes:
            return self._remote.open(path, size_bytes)

        def fetch(_offset: int, _length: int) -> Got:
            got = self._remote.get(path, 0, size_bytes)
            self._cache.write(_name(path), got.data)
            return got

        return RemoteReader(fetch, self.reading, size_bytes, whole=True)

    def _placed(self) -> Iterator[tuple[str, os.stat_result]]:
        """Walk what is placed and not claimed; directories that are left empty go."""
        base, now = len(str(self._objects)) + 1, time.time()
        for directory, names, files in os.walk(self._objects):
            if not names and not files and len(directory) > base:
                self._prune(Path(directory), now)
            for file in files:
                with suppress(FileNotFoundError):
                    path = f"{directory}/{file}"
                    yield path[base:], os.stat(path)  # noqa: PTH116 - pathlib doubles the cost of a long walk

    def _prune(self, directory: Path, now: float) -> None:
        """Remove a directory that is empty, and was before; whoever places something there makes it again."""
        with suppress(OSError):
            if now - directory.stat().st_mtime > _ABANDONED_DIRECTORY_S:
                directory.rmdir()

    def _claim(self, path: str) -> Path:
        return self._uploading / _flat(path)

    def _note(self, path: str) -> Path:
        return self._ahead / _flat(path)

    def _tombstone(self, path: str) -> Path:
        return self._removed / _flat(path)


def _is_surely_there(sent: SentAhead) -> bool:
    """Tell whether an object that was sent ahead need not be looked for."""
    return bool(sent.mark and sent.since) and time.monotonic() - sent.since < SURE_S


def _is_settled(note: os.stat_result) -> bool:
    """Tell whether what was sent ahead has its row by now, or will have none."""
    return note.st_mtime < time.time() - _SETTLED_S


def _flat(path: str) -> str:
    """Return a file name for a path; they are made of digits, letters, points and hyphens."""
    return path.replace("/", "~")


def _path(name: str) -> str:
    return name.replace("~", "/")


def _name(path: str) -> str:
    """Return the name of an object's copy in the cache."""
    return hashlib.sha256(path.encode()).hexdigest()
