"""Files that stand in no index, for what reads parts of objects (`services.frames`)."""

from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Self

from archimage.model.query import Query
from archimage.model.records import FrameTable, StoredInstance
from archimage.ports.storage import BlobReader


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
    """Opens one file, whatever path is asked for; it is closed with the last who has it open.

    One thread at a time. Implements `services.frames.Opens`.
    """

    def __init__(self, file: BlobReader) -> None:
        """Take a file over, until `close`."""
        self._file = file
        self._open = 1

    def open(self, path: str, size_bytes: int | None = None) -> "_Lent":  # noqa: ARG002 - there is one
        """Lend it."""
        self._open += 1
        return _Lent(self._file, self.close)

    def close(self) -> None:
        """Lend it no more, and let go of it."""
        self._open -= 1
        if not self._open:
            self._file.close()


class _Lent:
    """A file that others may have open too. Implements `ports.BlobReader`."""

    def __init__(self, file: BlobReader, give_back: Callable[[], None]) -> None:
        self.size_bytes = file.size_bytes
        self.read = file.read
        self.read_into = file.read_into
        self.read_cached = file.read_cached
        self.expect = file.expect
        self._give_back: Callable[[], None] | None = give_back

    def close(self) -> None:
        """Give it back; a second time does nothing."""
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            give_back()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
