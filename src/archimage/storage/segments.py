"""One segment of the ingest journal: a preallocated file that is overwritten in place.

    block 0             header: magic(8) version(u32) epoch(u64) nonce(16) xxh3-64 of the foregoing; little endian;
                        epoch 0 says that there are no records
    blocks of 4096      records, each starting at a block: magic(8) nonce(16) payload length(u32) data length(u32)
                        payload data xxh3-64 of the foregoing

Every use of a segment draws a new nonce, so what an earlier use left behind, or a peer sent as pixels, is never taken
for a record. Blocks are written once with zeros when the file is made: a later flush has no metadata to write.
"""

import os
import secrets
import struct
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

import xxhash

from archimage.ports.journal import JournalEntry, Replay
from archimage.storage.files import Piece, sync_directory, write_all_at

BLOCK: Final = 4096
_MAGIC: Final = b"ARCHIJ01"
_RECORD_MAGIC: Final = b"ARCHIR01"
_HEADER: Final = struct.Struct("<8sIQ16s")
_RECORD: Final = struct.Struct("<8s16sII")
_DIGEST: Final = struct.Struct("<Q")
_VERSION: Final = 1
_EMPTY: Final = 0
_ZEROS: Final = bytes(1 << 20)


def blocks(length: int) -> int:
    """Round length up to whole blocks."""
    return -(-length // BLOCK) * BLOCK


def encode_record(nonce: bytes, entry: JournalEntry) -> list[bytes]:
    """Frame one record, in pieces, padded to whole blocks."""
    head = _RECORD.pack(_RECORD_MAGIC, nonce, len(entry.payload), len(entry.data)) + entry.payload
    digest = xxhash.xxh3_64(head)
    digest.update(entry.data)
    size = len(head) + len(entry.data) + _DIGEST.size
    return [head, entry.data, _DIGEST.pack(digest.intdigest()) + bytes(blocks(size) - size)]


def record_size(entry: JournalEntry) -> int:
    """Size of the record that holds entry, bytes."""
    return blocks(_RECORD.size + len(entry.payload) + len(entry.data) + _DIGEST.size)


class Segment:
    """A segment in use by this process. `reserve` and `pins` are guarded by the journal's lock."""

    def __init__(self, path: Path, fd: int, size_bytes: int, epoch: int) -> None:
        """Begin a use of the file; its header is durable at once, so that earlier records never count again."""
        self.path = path
        self.epoch = epoch
        self.nonce = secrets.token_bytes(16)
        self.failed = False
        self.pins = 0
        self._fd = fd
        self._size_bytes = size_bytes
        self._next = BLOCK
        self._write_header(epoch)
        os.fdatasync(fd)

    @classmethod
    def create(cls, path: Path, size_bytes: int, epoch: int) -> Self:
        """Make the file, write all its blocks once, and make its name durable."""
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        try:
            for offset in range(0, size_bytes, len(_ZEROS)):
                write_all_at(fd, [memoryview(_ZEROS)[: size_bytes - offset]], offset)
            os.fsync(fd)
            sync_directory(path.parent)
            return cls(path, fd, size_bytes, epoch)
        except OSError:
            os.close(fd)
            path.unlink(missing_ok=True)
            raise

    @classmethod
    def adopt(cls, path: Path, epoch: int) -> Self:
        """Use the file of an earlier process again; what it held is durable elsewhere."""
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        return cls(path, fd, os.fstat(fd).st_size, epoch)

    def recycled(self, epoch: int) -> "Segment":
        """Begin a new use of the same file; this object is spent."""
        return Segment(self.path, self._fd, self._size_bytes, epoch)

    def reserve(self, length: int) -> int | None:
        """Take length bytes, whole blocks; None when they do not fit."""
        if not self.fits(length):
            return None
        offset = self._next
        self._next += blocks(length)
        return offset

    def fits(self, length: int) -> bool:
        """Tell whether length bytes could be reserved."""
        return self._next + blocks(length) <= self._size_bytes

    @property
    def used(self) -> bool:
        """Tell whether anything was reserved."""
        return self._next > BLOCK

    def write(self, pieces: Sequence[Piece], offset: int) -> None:
        """Write pieces at a reserved offset."""
        write_all_at(self._fd, pieces, offset)

    def flush(self) -> None:
        """Make what was written survive a crash of the machine."""
        os.fdatasync(self._fd)

    def close(self) -> None:
        """Close the file; one without records says so, and the next start need not look through all of it."""
        if not self.used:
            with suppress(OSError):
                self._write_header(_EMPTY)
        os.close(self._fd)

    def _write_header(self, epoch: int) -> None:
        header = _HEADER.pack(_MAGIC, _VERSION, epoch, self.nonce)
        write_all_at(self._fd, [header + _DIGEST.pack(xxhash.xxh3_64_intdigest(header))], 0)


def void(path: Path) -> None:
    """Declare what a segment holds void, durably, unless it says so itself."""
    with SegmentReader(path) as reader:
        empty = reader.epoch() == _EMPTY
    if not empty:
        Segment.adopt(path, _EMPTY).close()


def read_records(path: Path) -> Replay:
    """Yield payload and data of every whole record of a segment's last use, in order."""
    with SegmentReader(path) as reader:
        nonce = None if reader.epoch() == _EMPTY else reader.nonce()
        offset = BLOCK
        while nonce is not None and offset < reader.size_bytes:
            entry = reader.record(offset, nonce)
            if entry is None:
                offset += BLOCK
            else:
                yield entry.payload, entry.data
                offset += record_size(entry)


class SegmentReader:
    """Reads a segment that nobody writes any more."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.size_bytes = os.fstat(self._fd).st_size

    def nonce(self) -> bytes | None:
        """Return the nonce of the segment's last use, or None when the header is not whole."""
        header = os.pread(self._fd, _HEADER.size + _DIGEST.size, 0)
        if len(header) < _HEADER.size + _DIGEST.size:
            return None
        magic, version, _epoch, nonce = _HEADER.unpack_from(header)
        (digest,) = _DIGEST.unpack_from(header, _HEADER.size)
        whole = xxhash.xxh3_64_intdigest(header[: _HEADER.size]) == digest
        return bytes(nonce) if whole and (magic, version) == (_MAGIC, _VERSION) else None

    def epoch(self) -> int:
        """Return the number of the segment's last use; segments are replayed in this order."""
        header = os.pread(self._fd, _HEADER.size, 0)
        return int(_HEADER.unpack(header)[2]) if len(header) == _HEADER.size else 0

    def record(self, offset: int, nonce: bytes) -> JournalEntry | None:
        """Return what the record at offset holds, or None when there is no whole record of this use."""
        head = os.pread(self._fd, _RECORD.size, offset)
        if len(head) < _RECORD.size or not head.startswith(_RECORD_MAGIC + nonce):
            return None
        _, _, payload_length, data_length = _RECORD.unpack(head)
        end = _RECORD.size + payload_length + data_length
        if offset + end + _DIGEST.size > self.size_bytes:
            return None
        content = os.pread(self._fd, end + _DIGEST.size, offset)
        if xxhash.xxh3_64_intdigest(content[:end]) != _DIGEST.unpack_from(content, end)[0]:
            return None
        data_start = _RECORD.size + payload_length
        return JournalEntry(content[_RECORD.size : data_start], content[data_start:end])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        os.close(self._fd)
