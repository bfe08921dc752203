"""After a crash: complete what was acknowledged, drop the rest.

It looks at the journal and at `incoming/`, never at the archive, so it takes no longer when that grows.
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import Final

import xxhash

from archimage.errors import BlobNotFoundError, StorageError
from archimage.model.records import InstanceRecord
from archimage.ports import BlobStore, Index, Replay
from archimage.services.journal_record import JournalRecord

_CHUNK: Final = 1 << 20


def recover(replay: Replay, blobs: BlobStore, index: Index) -> int:
    """Bring blobs and index to where every committed object is whole and indexed; return how many were mended.

    Afterwards nothing is left in `incoming/`, and all of it is durable: the journal may be used again.
    """
    mended = sum(_restore(JournalRecord.decode(payload), data, blobs, index) for payload, data in replay)
    for name in list(blobs.incoming()):
        blobs.discard(name)
    blobs.sync()
    index.sync()
    return mended


def rewrite(replay: Replay, blobs: BlobStore, index: Index) -> None:
    """Write every object of the journal anew and sync each: the flush of what was written before has failed."""
    for payload, data in replay:
        entry = JournalRecord.decode(payload)
        stored = index.lookup(entry.record.sop_instance_uid)
        if data and stored is not None and stored.digest == entry.record.digest:
            _write_again(entry.record, data, blobs)
    index.sync()
    blobs.sync()


def _restore(entry: JournalRecord, data: bytes, blobs: BlobStore, index: Index) -> bool:
    """Complete one object; True when something was missing."""
    record = entry.record
    stored = index.lookup(record.sop_instance_uid)
    if stored is not None and stored.digest != record.digest and entry.replaces is None:
        return False  # another object was there first: this one was replaced since, or refused
    indexed = stored is not None and (stored.digest, stored.path) == (record.digest, record.path)
    whole = _is_whole(record, blobs)
    if not whole and not _place_again(entry, data, blobs):
        if stored is None:
            blobs.delete(record.path)
        return False  # never acknowledged: its own file was not flushed
    if entry.replaces is not None and entry.replaces != record.path:
        blobs.delete(entry.replaces)
    if not indexed:
        index.add([record])
    return not (indexed and whole)


def _is_whole(record: InstanceRecord, blobs: BlobStore) -> bool:
    try:
        with blobs.open(record.path) as reader:
            if reader.size_bytes != record.size_bytes:
                return False
            pieces = (
                reader.read(offset, _CHUNK) for offset in range(record.data_set_offset, record.size_bytes, _CHUNK)
            )
            return _digest(pieces) == record.digest
    except BlobNotFoundError:
        return False


def _place_again(entry: JournalRecord, data: bytes, blobs: BlobStore) -> bool:
    if data:
        _write_again(entry.record, data, blobs)
        return True
    if entry.name:
        with suppress(StorageError):
            blobs.place(entry.name, entry.record.path)
    return _is_whole(entry.record, blobs)


def _write_again(record: InstanceRecord, data: bytes, blobs: BlobStore) -> None:
    writer = blobs.create()
    try:
        writer.write([data])
        writer.finish()
        writer.sync()
        writer.close()
        blobs.place(writer.name, record.path)
    except BaseException:
        writer.discard()
        raise


def _digest(pieces: Iterable[bytes | memoryview]) -> bytes:
    state = xxhash.xxh3_128()
    for piece in pieces:
        state.update(piece)
    return state.digest()
