"""Files that stand in no index, for what reads parts of objects (`services.frames`)."""

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self

from archimage.model.query import Query
from archimage.model.records import FrameTable, StoredInstance
from archimage.ports import BlobReader


class NoIndex:
    """Knows nothing of files that stand in no index: they are looked into. Implements `services.frames.Known`."""

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


class Lending:
    """Opens one file, whatever path is asked for. Implements `services.frames.Opens`."""

    def __init__(self, file: BlobReader) -> None:
        self._file = file

    def open(self, path: str) -> "_Lent":  # noqa: ARG002 - there is one
        """Lend it."""
        return _Lent(self._file)


class _Lent:
    """A file that somebody else closes. Implements `ports.BlobReader`."""

    def __init__(self, file: BlobReader) -> None:
        self.size_bytes = file.size_bytes
        self.read = file.read
        self.read_into = file.read_into
        self.read_cached = file.read_cached
        self.expect = file.expect

    def close(self) -> None:
        """Leave it open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
