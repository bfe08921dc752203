"""Whether the bytes of an object are those that were stored, looked at piece by piece.

The index keeps the digest of the data set. What stands before that, preamble and File Meta Information, is decoded and
compared with the row.
"""

import os
from collections.abc import Iterable, Iterator
from typing import Final

import xxhash

from archimage.dicom.part10 import decode_file_meta
from archimage.errors import ArchimageError
from archimage.model.records import StoredInstance
from archimage.ports.storage import BlobReader, FileBacked

PIECE_BYTES: Final = 1 << 20


class Inspection:
    """Looks at the bytes of one object as they come; `fault` tells at the end what is wrong with them."""

    def __init__(self, stored: StoredInstance) -> None:
        self._stored = stored
        self._digest = xxhash.xxh3_128()
        self._head = bytearray()
        self._seen = 0

    def feed(self, piece: bytes | memoryview) -> None:
        """Take the next bytes."""
        wanted = max(0, self._stored.data_set_offset - self._seen)
        self._head += piece[:wanted]
        self._digest.update(piece[wanted:])
        self._seen += len(piece)

    @property
    def fault(self) -> str:
        """What is wrong, in words; empty where nothing is."""
        if self._seen != self._stored.size_bytes:
            return f"it has {self._seen} bytes, and had {self._stored.size_bytes}"
        if self._digest.digest() != self._stored.digest:
            return "its data set is not what was stored"
        return self._fault_of_head()

    def _fault_of_head(self) -> str:
        stored = self._stored
        try:
            meta, offset = decode_file_meta(bytes(self._head))
        except ArchimageError as error:
            return f"its File Meta Information cannot be read: {error}"
        told = (meta.media_storage_sop_instance_uid, meta.media_storage_sop_class_uid, meta.transfer_syntax_uid, offset)
        kept = (stored.sop_instance_uid, stored.sop_class_uid, stored.transfer_syntax_uid, stored.data_set_offset)
        return "" if told == kept else "its File Meta Information is not what was stored"


def inspected(pieces: Iterable[bytes], inspection: Inspection) -> Iterator[bytes]:
    """Yield pieces, and let them be looked at on the way."""
    for piece in pieces:
        inspection.feed(piece)
        yield piece


def pieces_of(reader: BlobReader) -> Iterator[bytes]:
    """Yield all bytes of an open object."""
    offset = 0
    while piece := reader.read(offset, PIECE_BYTES):
        yield piece
        offset += len(piece)


def forget_cached(reader: BlobReader) -> None:
    """Have what is read next come from the disk, where reader is a file: memory remembers what a disk has lost."""
    if isinstance(reader, FileBacked):
        for span in reader.spans(0, reader.size_bytes) or ():
            os.posix_fadvise(span.descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
