"""Bytes of a request that are needed once all of it has come: in a file, however many they are."""

from collections.abc import Iterator
from typing import Final

from archimage.errors import ArchimageError
from archimage.ports.storage import BlobStore, BlobWriter

PIECE_BYTES: Final = 256 << 10


class Spool:
    """Values one after the other in a file of `incoming/`, which a crash leaves to the next start to drop.

    error is what the disk has refused; nothing can be read then.
    """

    def __init__(self, blobs: BlobStore) -> None:
        self.size_bytes = 0
        self.error: ArchimageError | None = None
        self._blobs = blobs
        self._writer: BlobWriter | None = None

    def write(self, piece: memoryview) -> None:
        """Append; a disk that refuses is told to whoever reads."""
        if self.error is None:
            try:
                self._writer = self._writer or self._blobs.create()
                self._writer.write([piece])
                self.size_bytes += len(piece)
            except ArchimageError as error:
                self._fail(error)

    def finish(self) -> None:
        """Make it readable."""
        if self._writer is not None and self.error is None:
            try:
                self._writer.finish()
            except ArchimageError as error:
                self._fail(error)

    def pieces(self, offset: int, size_bytes: int) -> Iterator[bytes]:
        """Read back a value."""
        for start in range(0, size_bytes, PIECE_BYTES):
            if self._writer is not None:
                yield self._writer.read(offset + start, min(PIECE_BYTES, size_bytes - start))

    def discard(self) -> None:
        """Drop it."""
        if self._writer is not None:
            self._writer.discard()
            self._writer = None

    def _fail(self, error: ArchimageError) -> None:
        self.error = error
        self.discard()
