"""The bytes of one object between its last byte and its place in the archive."""

import threading
from collections.abc import Sequence
from typing import Protocol

from archimage.errors import ArchimageError, StorageError
from archimage.ports.storage import BlobStore, BlobWriter


class Content(Protocol):
    """A whole object that has no place yet; name is that of its file in `incoming/`, empty without one.

    journalled is all of it, when the journal is to keep it.
    """

    name: str
    journalled: bytes

    def read(self, offset: int, length: int) -> bytes:
        """Read length bytes at offset; fewer only at the end."""

    def place(self, blobs: BlobStore, path: str) -> None:
        """Make it a file at path."""

    def discard(self) -> None:
        """Forget it."""


class HeldContent:
    """A small object, in memory until it is placed."""

    name = ""

    def __init__(self, data: bytes, *, journalled: bool) -> None:
        self.journalled = data if journalled else b""
        self._data = data

    def read(self, offset: int, length: int) -> bytes:
        """Read length bytes at offset; fewer only at the end."""
        return self._data[offset : offset + length]

    def place(self, blobs: BlobStore, path: str) -> None:
        """Write it to its file."""
        blobs.put(path, self._data)

    def discard(self) -> None:
        """Nothing is on the disk."""


class StreamedContent:
    """A large object, in its file, whose last bytes may still be on their way while its record is being flushed."""

    journalled = b""

    def __init__(self, writer: BlobWriter) -> None:
        self.writer = writer
        self.name = writer.name
        self._whole = threading.Event()
        self._error: ArchimageError | None = StorageError("its last bytes were not written")

    def complete(self, pieces: Sequence[bytes | memoryview], *, sync: bool) -> None:
        """Append the last pieces and, with sync, flush the file; whoever waits learns of a failure."""
        try:
            self.writer.write(pieces)
            self.writer.finish()
            if sync:
                self.writer.sync()
            self._error = None
        except ArchimageError as error:
            self._error = error
        finally:
            self._whole.set()

    def read(self, offset: int, length: int) -> bytes:
        """Read length bytes at offset; fewer only at the end."""
        self._wait()
        return self.writer.read(offset, length)

    def place(self, blobs: BlobStore, path: str) -> None:
        """Place the file, once it is complete."""
        self._wait()
        self.writer.close()
        blobs.place(self.name, path)

    def discard(self) -> None:
        """Remove the file, once nobody writes to it."""
        self._whole.wait()
        self.writer.discard()

    def _wait(self) -> None:
        self._whole.wait()
        if self._error is not None:
            raise self._error
