"""A place to work on files that are in no archive: a temporary folder, what reads in it, workers for pixels."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from archimage.imaging.pool import WorkerPool
from archimage.imaging.process import WorkerSettings
from archimage.model.records import StoredInstance
from archimage.services.frames import FrameService
from archimage.services.sources import Identity, Source, read_pieces
from archimage.services.unindexed import NoIndex
from archimage.storage.cache import FilesystemCache
from archimage.storage.filesystem import FileReader

PIECE_BYTES: Final = 1 << 20
_WAITING: Final = 256
"""Frames that may wait for a worker."""


class Folder:
    """Opens files of one folder by their names. Implements `services.frames.Opens`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def open(self, path: str, size_bytes: int | None = None) -> FileReader:  # noqa: ARG002 - the protocol's
        """Open a file; BlobNotFoundError when it is gone."""
        return FileReader(self._directory / path)


class Workbench:
    """The place, for as long as it is entered; workers are started, and room is taken, once they are needed."""

    def __init__(self, workers: int) -> None:
        self._names = count()
        with ExitStack() as held:
            self._directory = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="archimage-")))
            self.pool = WorkerPool(workers, WorkerSettings(), max_waiting=_WAITING)
            held.callback(self.pool.close)
            self.frames = FrameService(NoIndex(), Folder(self._directory))
            self.made = FilesystemCache(self._directory / "made", 0)
            self._held = held.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()

    @contextmanager
    def copied(self, source: Source, identity: Identity) -> Iterator[StoredInstance]:
        """Copy a file for the block, as an instance that `frames` reads; OSError where it cannot be copied."""
        copy = self._directory / str(next(self._names))
        try:
            with source.open() as file, copy.open("wb") as written:
                for piece in read_pieces(file, PIECE_BYTES):
                    written.write(piece)
            yield StoredInstance(
                identity.sop_instance_uid,
                identity.sop_class_uid,
                identity.transfer_syntax_uid,
                copy.name,
                copy.stat().st_size,
                identity.data_set_offset,
                b"",
            )
        finally:
            copy.unlink(missing_ok=True)
