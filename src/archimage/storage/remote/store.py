"""An object store under keys that are the archive's own paths: put, read, list, delete.

What is put is created and not overwritten, unless something else lies there: a try that the store carried out and did
not answer is then known for what it was, and what somebody else has put under our keys is told.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import obstore
from obstore.exceptions import AlreadyExistsError, NotSupportedError

from archimage import spans
from archimage.config_object_store import ObjectStoreConfig
from archimage.errors import BlobNotFoundError
from archimage.logger import logger
from archimage.ports.storage import SentAhead
from archimage.storage.remote.client import Clients, Store
from archimage.storage.remote.faults import is_past_the_end, remote_errors
from archimage.storage.remote.reach import Reach
from archimage.storage.remote.reader import Got, RemoteReader
from archimage.threads import ContextThreads

Progress = Callable[[int, int], None]
"""Hears, while an object is sent, how many of its bytes were taken, and how many there are."""

READING_THREADS: Final = 16
_PROBE: Final = ".archimage"
_log = logger("storage")


def _unheard(_sent: int, _size: int) -> None:
    """Hear nothing."""


class RemoteObjects:
    """One bucket or container, below its prefix; safe to call from several threads. `close` it.

    Raises, of what is asked: BlobNotFoundError, OutOfResourcesError where the store is full, UnavailableError where it
    refuses or does not answer in time; what was asked then is done or is not.
    """

    def __init__(self, config: ObjectStoreConfig) -> None:
        self.config = config
        self.reach = Reach()
        self.reading = ContextThreads(READING_THREADS, "object-store-read")
        self._clients = Clients(config)
        self._store, self._reading = self._clients.waited_for, self._clients.reading

    def put(
        self, path: str, source: Path | bytes, timeout_s: float | None = None, progress: Progress = _unheard
    ) -> None:
        """Have the store keep a file, or bytes, under path; when this returns it does. OSError where it is unreadable.

        timeout_s is how long one request may take that nobody waits for, seconds; None: somebody waits.
        """
        store = self._store if timeout_s is None else self._clients.patient(timeout_s)
        size = _size_bytes(source)
        with spans.leaf("put remote object"), self.reach.asking():
            if isinstance(source, Path) and self.goes_in_parts(source):
                self._put_parts(store, path, source, progress)
            else:
                self._put_whole(store, path, _data(source))
        progress(size, size)

    def create(self, path: str, source: Path | bytes) -> SentAhead:
        """Have the store keep a file or bytes under path, if nothing is there; return how that went.

        A store that cannot tell keeps nothing. What goes in parts would take the place of whatever is there when the
        last one comes, so its path is taken first, with an object without bytes: whoever comes next sees that.
        """
        with spans.leaf("put remote object"), self.reach.asking(), remote_errors(f"put {path}"):
            if isinstance(source, bytes) or not self.goes_in_parts(source):
                return self._created(path, _data(source))
            taken = self._created(path, b"")
            if not taken.since:
                return taken
            self._put_parts(self._clients.patient(self.config.upload_timeout_s), path, source, _unheard)
            return SentAhead(path, self._mark(path))

    def goes_in_parts(self, file: Path) -> bool:
        """Tell whether a file is so large that it is sent in parts."""
        return file.stat().st_size > self.config.multipart_threshold_bytes

    def _created(self, path: str, data: bytes) -> SentAhead:
        since = time.monotonic()
        try:
            created = obstore.put(self._store, path, data, mode="create", use_multipart=False)
            return SentAhead(path, created["e_tag"] or "", since=since)
        except AlreadyExistsError:
            return SentAhead(path, taken=True)
        except NotSupportedError:
            return SentAhead(path)

    def is_marked(self, path: str, mark: str) -> bool:
        """Tell whether what is under path is what had this mark when it was kept."""
        with spans.leaf("look at remote object"), self.reach.asking(), remote_errors(f"look at {path}"):
            return self._mark(path) == mark

    def _mark(self, path: str) -> str:
        """Return what tells the object under path from all others, empty where there is none."""
        try:
            return obstore.head(self._reading, path)["e_tag"] or ""
        except FileNotFoundError:
            return ""

    def open(self, path: str, size_bytes: int | None = None) -> RemoteReader:
        """Return the object at path, of which the size may be known; BlobNotFoundError comes with the first look."""
        return RemoteReader(partial(self.get, path), self.reading, size_bytes)

    def get(self, path: str, offset: int, length: int) -> Got:
        """Read length bytes at offset, fewer only at the end; with length 0 just the size."""
        with self.reach.asking(), remote_errors(f"read {path}"):
            if not length:
                with spans.leaf("look at remote object"):
                    return Got(b"", obstore.head(self._reading, path)["size"])
            with spans.leaf("read remote object"):
                try:
                    found = obstore.get(self._reading, path, options={"range": (offset, offset + length)})
                    return Got(found.bytes().to_bytes(), found.meta["size"])
                except Exception as error:
                    if not is_past_the_end(error):
                        raise
                return Got(b"", obstore.head(self._reading, path)["size"])

    def has(self, path: str) -> bool:
        """Tell whether there is an object at path."""
        try:
            return self.get(path, 0, 0).size_bytes >= 0
        except BlobNotFoundError:
            return False

    def delete(self, paths: Sequence[str]) -> None:
        """Remove the objects at paths; absent is fine."""
        with spans.leaf("delete remote objects"), self.reach.asking(), remote_errors("delete objects"):
            try:
                obstore.delete(self._store, list(paths))
                return
            except FileNotFoundError:
                pass  # some stores end with the first that is absent
            for path in paths:
                try:
                    obstore.delete(self._store, path)
                except FileNotFoundError:
                    continue

    def paths(self) -> Iterator[str]:
        """Walk the paths of all objects."""
        with remote_errors("list the objects"):
            for page in obstore.list(self._clients.patient(self.config.upload_timeout_s)):
                yield from (found["path"] for found in page if found["path"].endswith(".dcm"))

    def check(self) -> None:
        """Ask the store for something small; UnavailableError where it does not answer or refuses us."""
        self.has(_PROBE)

    def close(self) -> None:
        """End the threads that read ahead."""
        self.reading.shutdown(cancel_futures=True)

    def _put_whole(self, store: Store, path: str, data: bytes) -> None:
        with remote_errors(f"put {path}"):
            try:
                obstore.put(store, path, data, mode="create", use_multipart=False)
                return
            except (AlreadyExistsError, NotSupportedError):
                pass
            if not self._is_there(store, path, data):
                obstore.put(store, path, data, use_multipart=False)

    def _is_there(self, store: Store, path: str, data: bytes) -> bool:
        """Tell whether the very bytes are there: an earlier try was carried out."""
        try:
            if obstore.head(store, path)["size"] == len(data) and obstore.get(store, path).bytes().to_bytes() == data:
                return True
        except FileNotFoundError:
            return False
        _log.warning("something else lay in the object store, and is replaced", path=path)
        return False

    def _put_parts(self, store: Store, path: str, file: Path, progress: Progress) -> None:
        """Send a file in parts, several at once; parts of a try that has failed are dropped."""
        config, size = self.config, file.stat().st_size
        with file.open("rb") as source, remote_errors(f"put {path}"):

            def parts() -> Iterator[bytes]:
                sent = 0
                while piece := source.read(config.part_bytes):
                    yield piece
                    sent += len(piece)
                    progress(sent, size)

            obstore.put(
                store,
                path,
                parts(),
                use_multipart=True,
                chunk_size=config.part_bytes,
                max_concurrency=config.uploads,
            )


def _size_bytes(source: Path | bytes) -> int:
    return len(source) if isinstance(source, bytes) else source.stat().st_size


def _data(source: Path | bytes) -> bytes:
    return source if isinstance(source, bytes) else source.read_bytes()
