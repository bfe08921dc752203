"""Files to send in another transfer syntax than they are in, because the peer does not take that one."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from archimage.imaging.pool import WorkerPool
from archimage.imaging.process import WorkerSettings
from archimage.model.query import Query
from archimage.model.records import FrameTable, StoredInstance
from archimage.services.frames import FrameService
from archimage.services.sources import Identity, Source, read_pieces
from archimage.services.transcoding import Transcoded, TranscodingService
from archimage.storage.cache import FilesystemCache
from archimage.storage.filesystem import FileReader

_PIECE_BYTES: Final = 1 << 20


class NoIndex:
    """Knows nothing of files that are in no archive: they are looked into. Implements `services.frames.Known`."""

    def lookup(
        self,
        sop_instance_uid: str,  # noqa: ARG002
        *,
        study_instance_uid: str | None = None,  # noqa: ARG002
        series_instance_uid: str | None = None,  # noqa: ARG002
    ) -> StoredInstance | None:
        """Know nothing."""
        return None

    def frames(self, sop_instance_uid: str, *, path: str | None = None) -> FrameTable | None:  # noqa: ARG002
        """Know nothing."""
        return None

    def instances(self, query: Query) -> Iterator[Sequence[StoredInstance]]:  # noqa: ARG002
        """Know nothing."""
        return iter(())


class Folder:
    """Opens files of one folder by their names. Implements `services.frames.Opens`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def open(self, path: str) -> FileReader:
        """Open a file; BlobNotFoundError when it is gone."""
        return FileReader(self._directory / path)


class FileTranscoder:
    """Makes copies of files in other transfer syntaxes; workers are started, and room is taken, once it is needed."""

    def __init__(self, workers: int) -> None:
        self._names = count()
        with ExitStack() as held:
            self._directory = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="archimage-")))
            pool = WorkerPool(workers, WorkerSettings())
            held.callback(pool.close)
            frames = FrameService(NoIndex(), Folder(self._directory))
            self._service = TranscodingService(frames, pool, FilesystemCache(self._directory / "made", 0))
            self._held = held.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()

    def transcode(self, source: Source, identity: Identity, target: str) -> Transcoded:
        """Return a copy, open; blocks, and may be called from several threads.

        Raises:
            ArchimageError: there is none, or it cannot be made.
            OSError: the file cannot be read, or there is no room.
        """
        with copied(source, identity, self._directory / str(next(self._names))) as instance:
            return self._service.transcode(instance, target)


@contextmanager
def copied(source: Source, identity: Identity, copy: Path) -> Iterator[StoredInstance]:
    """Copy a file for the block, as an instance of the folder in which the copy lies; OSError where that fails."""
    try:
        with source.open() as file, copy.open("wb") as written:
            for piece in read_pieces(file, _PIECE_BYTES):
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
