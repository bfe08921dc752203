"""After a crash: complete what was acknowledged, drop the rest.

It looks at the journal and at `incoming/`, never at the archive, so it takes no longer when that grows.

Nothing is deleted before all journals were read: what was removed, and stored again under the same path, has two
records there, and the file may be that of the later one, whose row is lost.
"""

from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from typing import Final

import xxhash

from archimage.errors import BlobNotFoundError, StorageError, UnavailableError
from archimage.model.records import InstanceRecord, StoredInstance
from archimage.ports.index import Index, IndexWriter
from archimage.ports.journal import Replay
from archimage.ports.storage import BlobStore
from archimage.services.journal_record import JournalRecord
from archimage.services.layout import sop_instance_uid_of

_CHUNK: Final = 1 << 20


def recover(replay: Replay, blobs: BlobStore, index: Index, left: set[str]) -> int:
    """Bring blobs and index to where every committed object is whole and indexed; return how many were mended.

    UnavailableError where that cannot be told without an object store that does not answer. Afterwards nothing is left
    in `incoming/`, and all of it is durable. left gets the paths of what is not kept: once all journals were read,
    `drop` them, and the journals may be used again.
    """
    mended = sum(_restore(JournalRecord.decode(payload), data, blobs, index, left) for payload, data in replay)
    for name in list(blobs.incoming()):
        blobs.discard(name)
    blobs.sync()
    index.sync()
    return mended


def drop(paths: Collection[str], blobs: BlobStore, index: Index) -> None:
    """Delete what lies at these paths and no row names; nobody is to know better, or rows may be lost meanwhile."""
    for path in paths:
        uid = sop_instance_uid_of(path)
        with index.writing() as writer:
            stored = writer.lookup([uid]).get(uid)
            if stored is None or stored.path != path:
                blobs.delete(path)


def complete(replaying: Callable[[], Replay], blobs: BlobStore, index: Index) -> int:
    """Add again, in an archive at work, what the index has lost of what the journal holds; return how much that was.

    Nothing is deleted: whoever has removed or refused an object sees to its file, in this process or another.
    """
    mended = 0
    for payload, data in replaying():
        entry = JournalRecord.decode(payload)
        if not _is_kept(entry.record, index):
            mended += _restore(entry, data, blobs, index, set())
    return mended


def rewrite(replay: Replay, blobs: BlobStore, index: Index) -> None:
    """Write every object of the journal anew and sync each: the flush of what was written before has failed."""
    for payload, data in replay:
        record = JournalRecord.decode(payload).record
        if data and _is_kept(record, index):
            _write_again(record, data, blobs)
            if not _is_kept(record, index):  # it was removed meanwhile; whoever did that found no file, or the old one
                blobs.delete(record.path)
    index.sync()
    blobs.sync()


def _is_kept(record: InstanceRecord, index: Index) -> bool:
    return _is_row_of(record, index.lookup(record.sop_instance_uid))


def _is_row_of(record: InstanceRecord, stored: StoredInstance | None) -> bool:
    return stored is not None and (stored.digest, stored.path) == (record.digest, record.path)


def _restore(entry: JournalRecord, data: bytes, blobs: BlobStore, index: Index, left: set[str]) -> bool:
    """Complete one object; True when something was missing. left gets the paths of what is not kept.

    Nearly always nothing is. Else everybody who might add or remove the object meanwhile is kept out.
    """
    record = entry.record
    whole = _is_found_whole(record, blobs)
    if whole and entry.replaces is None and _is_kept(record, index):
        return False
    with index.writing() as writer:
        stored = writer.lookup([record.sop_instance_uid]).get(record.sop_instance_uid)
        if _is_void(entry, stored, writer):
            left.add(record.path)
            return False
        if not whole and not _place_again(entry, data, blobs):
            left.add(record.path)
            return False  # never acknowledged: its own file was not flushed
        if entry.replaces is not None:
            writer.note_replaced(record.sop_instance_uid, entry.removals)
            left.add(entry.replaces)
        if _is_row_of(record, stored):
            return not whole
        writer.add([record])
        if stored is not None:
            left.add(stored.path)
    return True


def _is_void(entry: JournalRecord, stored: StoredInstance | None, writer: IndexWriter) -> bool:
    """Tell whether the object was removed since, or another one was there first: it was replaced since, or refused.

    A record that has seen more removals than the index knows is younger than all that the index knows.
    """
    record = entry.record
    if writer.is_removed(record.sop_instance_uid, entry.removals):
        return True
    if stored is None or _is_row_of(record, stored):
        return False
    if writer.held([record.sop_instance_uid]):  # whoever placed the hold flushed all that was answered before
        return True
    return entry.replaces is None and entry.removals <= writer.removals


def _is_whole(record: InstanceRecord, blobs: BlobStore) -> bool:
    try:
        with blobs.open(record.path, record.size_bytes) as reader:
            if reader.size_bytes != record.size_bytes:
                return False
            pieces = (
                reader.read(offset, _CHUNK) for offset in range(record.data_set_offset, record.size_bytes, _CHUNK)
            )
            return _digest(pieces) == record.digest
    except BlobNotFoundError:
        return False


def _is_found_whole(record: InstanceRecord, blobs: BlobStore) -> bool:
    """Tell whether an object is whole, here or in an object store; false where that does not answer.

    A power cut may have left a part of a file of which the object store has all.
    """
    try:
        return _is_whole(record, blobs) or (
            blobs.drop_copies(record.path, record.size_bytes) and _is_whole(record, blobs)
        )
    except UnavailableError:
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
