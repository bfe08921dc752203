"""Whether index and files agree, and the index made anew from the files."""

import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Final

import xxhash

from archimage.config_object_store import HOT
from archimage.dicom.layout import DEFLATED_SYNTAXES
from archimage.dicom.part10 import FileMeta, decode_file_meta
from archimage.dicom.scan import Header, HeaderScanner
from archimage.errors import ArchimageError, BlobNotFoundError, StorageError, UnavailableError
from archimage.model.records import InstanceRecord, StoredInstance
from archimage.model.tiers import tier_of
from archimage.ports.index import Index
from archimage.ports.storage import BlobReader, BlobStore
from archimage.ports.tiers import Reaching
from archimage.services.attributes import WANTED, frame_table, index_values
from archimage.services.original import original_in

_HEAD_BYTES: Final = 65_536
_PIECE_BYTES: Final = 1 << 20
_BATCH: Final = 64
_COPIES: Final = 10_000


@dataclass(slots=True)
class Away:
    """A tier that could not be looked at, and why: how many objects were left out for it."""

    reason: str
    unread: int = 0


@dataclass(slots=True)
class Findings:
    """What a verification saw; the lists hold paths below the object directory.

    instances are those that were looked at; away tells by tier of those that could not be.
    """

    instances: int = 0
    away: dict[str, Away] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)

    @property
    def consistent(self) -> bool:
        """Tell whether every row has its file and every file its row, as far as could be seen."""
        return not (self.missing or self.damaged or self.orphans)

    @property
    def unread(self) -> int:
        """How many objects were left out, as their tiers are away."""
        return sum(one.unread for one in self.away.values())

    def pass_over(self, tier: str, error: UnavailableError) -> None:
        """Note that a tier is away."""
        self.away.setdefault(tier, Away(str(error)))


@dataclass(slots=True)
class Rebuilt:
    """What a rebuild did: instances indexed, rows without a file dropped, files it could not read and why.

    Rows of what is on legal hold are never dropped, nor made of other bytes: their files are among those.
    """

    indexed: int = 0
    dropped: int = 0
    unreadable: list[tuple[str, str]] = field(default_factory=list)


def verify(index: Index, blobs: BlobStore, *, digests: bool = False) -> Iterator[Findings]:
    """Compare rows with files, sizes, and with digests every byte; yield the same Findings as they grow.

    Others may store, compress and remove meanwhile. A tier that is away is passed over from then on, and told.

    Raises:
        UnavailableError: what keeps objects where they come in does not answer.
    """
    findings = Findings()
    known: set[str] = set()
    for page in index.all_instances():
        for instance in page:
            known.add(instance.path)
            _check(instance, blobs, findings, digests=digests)
        yield findings
    if findings.missing:
        kept = _paths(index)
        findings.missing = [path for path in findings.missing if path in kept]
    paths = blobs.reachable(findings.pass_over) if isinstance(blobs, Reaching) else blobs.paths()
    strays = [path for path in paths if path not in known]
    if strays:
        known = _paths(index) | _due(index)
    findings.orphans.extend(path for path in strays if path not in known)
    yield findings


def rebuild(index: Index, blobs: BlobStore) -> Iterator[Rebuilt]:
    """Index every file anew and drop rows without a file; yield the same Rebuilt as it grows.

    When an instance was received is not in its file, nor whether it waited to be compressed: rebuilt rows tell the time
    of the rebuild, and what waited stays as it is. What it was before it was compressed is.
    """
    rebuilt = Rebuilt()
    batch: list[InstanceRecord] = []
    found: set[str] = set()
    for path in blobs.paths():
        try:
            batch.append(_record(path, blobs))
        except (ArchimageError, OSError) as error:
            rebuilt.unreadable.append((path, str(error)))
            continue
        found.add(path)
        if len(batch) >= _BATCH:
            _add(index, batch, rebuilt)
            yield rebuilt
    _add(index, batch, rebuilt)
    unreadable = {path for path, _ in rebuilt.unreadable}
    gone = {
        instance.sop_instance_uid: instance.path
        for page in index.all_instances()
        for instance in page
        if instance.path not in found and instance.path not in unreadable
    }
    with index.writing() as writer:
        held = writer.held(gone)
    rebuilt.unreadable.extend((gone.pop(uid), "it is on legal hold, and gone") for uid in held)
    index.remove(list(gone))
    index.sync()
    rebuilt.dropped = len(gone)
    yield rebuilt


def _paths(index: Index) -> set[str]:
    return {instance.path for page in index.all_instances() for instance in page}


def _due(index: Index) -> set[str]:
    """Return the paths of the files that are to be deleted, and of copies that are being made."""
    found: set[str] = set()
    after = 0
    while True:
        with index.writing() as writer:
            due = writer.due(after, _BATCH)
        if not due:
            with index.writing() as writer:
                return found | set(writer.copies(_COPIES))
        found.update(path for *_, path in due if path is not None)
        after = due[-1][0]


def _add(index: Index, batch: list[InstanceRecord], rebuilt: Rebuilt) -> None:
    with index.writing() as writer:
        held = writer.held(record.sop_instance_uid for record in batch)
        known = writer.lookup(list(held))
    other = [one for one in batch if one.sop_instance_uid in held and known[one.sop_instance_uid].digest != one.digest]
    rebuilt.unreadable.extend((one.path, "it is not what was stored, and that is on legal hold") for one in other)
    fit = [one for one in batch if one not in other]
    index.add(fit)
    rebuilt.indexed += len(fit)
    batch.clear()


def _check(instance: StoredInstance, blobs: BlobStore, findings: Findings, *, digests: bool) -> None:
    """Look at an object, unless its tier is away: each attempt would wait for it anew."""
    tier = tier_of(instance.path)
    if tier not in findings.away:
        try:
            _look(instance, blobs, findings, digests=digests)
        except UnavailableError as error:
            if tier == HOT:
                raise
            findings.pass_over(tier, error)
        else:
            findings.instances += 1
            return
    findings.away[tier].unread += 1


def _look(instance: StoredInstance, blobs: BlobStore, findings: Findings, *, digests: bool) -> None:
    try:
        if not is_whole(instance, blobs, digests=digests):
            findings.damaged.append(instance.path)
    except BlobNotFoundError:
        findings.missing.append(instance.path)
    except (StorageError, OSError):
        with suppress(StorageError, OSError):  # a tier that went away meanwhile says so
            blobs.open(instance.path).close()
        findings.damaged.append(instance.path)


def is_whole(instance: StoredInstance, blobs: BlobStore, *, digests: bool) -> bool:
    """Tell whether the file of an instance has its size, and with digests its bytes; BlobNotFoundError without it."""
    with closing(blobs.open(instance.path)) as reader:
        return reader.size_bytes == instance.size_bytes and not (
            digests and _digest(reader, instance) != instance.digest
        )


def _digest(reader: BlobReader, instance: StoredInstance) -> bytes:
    digest = xxhash.xxh3_128()
    for piece in _pieces(reader, instance.data_set_offset):
        digest.update(piece)
    return digest.digest()


def _pieces(reader: BlobReader, start: int) -> Iterator[bytes]:
    end = reader.size_bytes
    while start < end and (piece := reader.read(start, min(_PIECE_BYTES, end - start))):
        yield piece
        start += len(piece)


def _record(path: str, blobs: BlobStore) -> InstanceRecord:
    with closing(blobs.open(path)) as reader:
        meta, offset = decode_file_meta(reader.read(0, _HEAD_BYTES))
        scanner = HeaderScanner(meta.transfer_syntax_uid, WANTED)
        digest = xxhash.xxh3_128()
        for piece in _pieces(reader, offset):
            scanner.feed(piece)
            digest.update(piece)
        return _assemble(path, meta, scanner.finish(), (offset, reader.size_bytes, digest.digest()))


def _assemble(path: str, meta: FileMeta, header: Header, measured: tuple[int, int, bytes]) -> InstanceRecord:
    offset, size_bytes, digest = measured
    deflated = meta.transfer_syntax_uid in DEFLATED_SYNTAXES
    return InstanceRecord(
        values=index_values(header),
        transfer_syntax_uid=meta.transfer_syntax_uid,
        path=path,
        size_bytes=size_bytes,
        data_set_offset=offset,
        digest=digest,
        received_at=time.time(),
        source_ae_title=meta.source_ae_title,
        frames=None if deflated else frame_table(header, offset),
        original=original_in(meta),
    )
