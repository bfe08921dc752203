"""The metadata use case: the headers of a study, series or instance as DICOM JSON (PS3.18 §10.4.1.1.2, Annex F).

A series is written once, from the bytes before its pixels, and kept compressed in the cache under the version that the
index gave it before it was read: what changes meanwhile, in whichever process, makes another version.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Final

import orjson
import xxhash

from archimage.dicom.bulk import BulkPath, format_bulk_path
from archimage.dicom.json import BulkDataURI, MetadataWriter
from archimage.dicom.layout import DEFLATED_SYNTAXES
from archimage.dicom.limits import DEFAULT_LIMITS, ScanLimits
from archimage.dicom.window import FIRST_READ_BYTES, Source
from archimage.errors import DicomError, IntegrityError, NotFoundError, StorageError
from archimage.model.attributes import BY_COLUMN, Level
from archimage.model.ids import check_uid
from archimage.model.query import Condition, Exact, OrderBy, Query
from archimage.model.records import StoredInstance
from archimage.ports.index import Finding
from archimage.ports.meter import Meter
from archimage.ports.storage import BlobReader, BlobStore, DerivedCache
from archimage.services.anatomy import DataSetReader, InflatingReader, Reader
from archimage.services.compressed import Part, compress, gzip_array, inflate
from archimage.services.derived import series_name
from archimage.services.single_flight import SingleFlight

_FORMAT: Final = 1
AHEAD: Final = 16  # files
_ATTEMPTS: Final = 3
_FRAME_TAGS: Final = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
_AVAILABLE_TRANSFER_SYNTAX_UID: Final = 0x00083002
_Find = Callable[[], Sequence[StoredInstance]]
_STUDY, _SERIES, _NUMBER = (BY_COLUMN[name] for name in ("study_instance_uid", "series_instance_uid", "series_number"))


@dataclass(frozen=True, slots=True)
class CachedMetadata:
    """A JSON array of data sets, as a gzip member; etag follows its text, which has size_bytes."""

    etag: str
    count: int
    size_bytes: int
    gzip: bytes

    def json(self) -> Iterator[bytes]:
        """Yield the array uncompressed, in pieces."""
        return inflate(self.gzip)


class MetadataService:
    """Gives the metadata of what is stored; all of it blocks."""

    def __init__(
        self,
        index: Finding,
        blobs: BlobStore,
        cache: DerivedCache,
        *,
        root: str = "/dicom-web",
        limits: ScanLimits = DEFAULT_LIMITS,
    ) -> None:
        """Prepare; root is what stands before `/studies` in the URIs of bulk data, a path or an absolute URL."""
        self.meter = Meter()
        """Hears whether what is asked for is there."""
        self._index = index
        self._blobs = blobs
        self._cache = cache
        self._root = root.rstrip("/")
        self._limits = limits
        self._flights = SingleFlight[Part]()

    def study(self, study_instance_uid: str) -> CachedMetadata:
        """Return that of all instances of a study, by series and instance number.

        Raises:
            InvalidInstanceUIDError: the UID is none.
            NotFoundError: no such study is kept.
            BlobNotFoundError: a file is gone that should be there.
        """
        check_uid(study_instance_uid)
        parts = [self._series(study_instance_uid, *series) for series in self._versions(study_instance_uid)]
        if not parts:
            raise NotFoundError(f"no study {study_instance_uid} is kept")
        return _answer(parts)

    def series(self, study_instance_uid: str, series_instance_uid: str) -> CachedMetadata:
        """Return that of the instances of a series, by instance number; raises what `study` raises."""
        check_uid(study_instance_uid)
        check_uid(series_instance_uid)
        version = self._index.series_version(study_instance_uid, series_instance_uid)
        if version is None:
            raise NotFoundError(f"no series {series_instance_uid} is kept in study {study_instance_uid}")
        return _answer([self._series(study_instance_uid, series_instance_uid, version)])

    def instance(self, study_instance_uid: str, series_instance_uid: str, sop_instance_uid: str) -> CachedMetadata:
        """Return that of one instance, written anew each time; raises what `study` raises."""
        for uid in (study_instance_uid, series_instance_uid, sop_instance_uid):
            check_uid(uid)

        def find() -> Sequence[StoredInstance]:
            found = self._index.lookup(
                sop_instance_uid, study_instance_uid=study_instance_uid, series_instance_uid=series_instance_uid
            )
            if found is None:
                raise NotFoundError(f"no instance {sop_instance_uid} is kept there")
            return [found]

        return _answer([self._made(study_instance_uid, series_instance_uid, find)])

    def series_uids(self, study_instance_uid: str) -> Sequence[str]:
        """Return the series of a study, by number.

        Raises:
            InvalidInstanceUIDError: the UID is none.
            NotFoundError: no such study is kept.
        """
        uids = [uid for uid, _ in self._versions(check_uid(study_instance_uid))]
        if not uids:
            raise NotFoundError(f"no study {study_instance_uid} is kept")
        return uids

    def references(self, instance: StoredInstance) -> Sequence[BulkPath]:
        """Return what the metadata of an instance give by reference, in its order.

        Raises:
            DicomError: it cannot be read.
            BlobNotFoundError: its file is gone.
        """
        found: list[BulkPath] = []

        def note(path: BulkPath) -> str:
            found.append(path)
            return ""

        with self._blobs.open(instance.path, instance.size_bytes) as file:
            MetadataWriter().write(self._source(instance, file), instance.transfer_syntax_uid, note)
        return found

    # Series

    def _versions(self, study_instance_uid: str) -> Iterator[tuple[str, str]]:
        """Yield the series of a study, by number, and the version of each."""
        versions = self._index.series_versions(study_instance_uid)
        conditions = (Condition(_STUDY, Exact(study_instance_uid)),)
        query = Query(Level.SERIES, conditions, (_SERIES,), (OrderBy(_NUMBER), OrderBy(_SERIES)))
        for page in self._index.find(query):
            for row in page:
                uid = row[_SERIES.column]
                if uid in versions:
                    yield uid, versions[uid]

    def _series(self, study_instance_uid: str, series_instance_uid: str, version: str) -> Part:
        """Return a series as it is in the cache, or make it; version was taken before anything of it is read."""
        name = series_name(study_instance_uid, series_instance_uid)
        label = f"{_FORMAT} {version} {self._root}"
        conditions = (Condition(_STUDY, Exact(study_instance_uid)), Condition(_SERIES, Exact(series_instance_uid)))

        def find() -> Sequence[StoredInstance]:
            return [one for page in self._index.instances(Query(Level.SERIES, conditions)) for one in page]

        def get() -> Part:
            kept = _decoded(self._cache.read(name), label)
            self.meter.cache_asked("metadata", hit=kept is not None)
            if kept is None:
                kept = self._made(study_instance_uid, series_instance_uid, find)
                self._cache.write(name, _encoded(kept, label))
                if version != self._index.series_version(study_instance_uid, series_instance_uid):
                    self._cache.remove(name)  # of what was removed meanwhile nothing is to stay
            return kept

        return self._flights.run((name, label), get)

    def _made(self, study_instance_uid: str, series_instance_uid: str, find: _Find) -> Part:
        """Compress what find finds of a series; begin anew when that has changed under the reader's hands."""
        left = _ATTEMPTS
        while True:
            left -= 1
            version = self._index.series_version(study_instance_uid, series_instance_uid)
            found = find()
            try:
                return compress(self._written(study_instance_uid, series_instance_uid, found))
            except (DicomError, StorageError):
                if not left or version == self._index.series_version(study_instance_uid, series_instance_uid):
                    raise

    def _written(
        self, study_instance_uid: str, series_instance_uid: str, instances: Sequence[StoredInstance]
    ) -> Iterator[bytes]:
        """Yield the JSON of each instance."""
        writer = MetadataWriter()
        start = f"{self._root}/studies/{study_instance_uid}/series/{series_instance_uid}/instances"
        with closing(_opened(self._blobs, instances)) as files:
            for instance, file in files:
                syntax = instance.transfer_syntax_uid
                added = ((_AVAILABLE_TRANSFER_SYNTAX_UID, "UI", (syntax,)),)
                uris = _uris(f"{start}/{instance.sop_instance_uid}")
                size = None if syntax in DEFLATED_SYNTAXES else instance.size_bytes - instance.data_set_offset
                yield writer.write(self._source(instance, file), syntax, uris, added=added, size_bytes=size)

    def _source(self, instance: StoredInstance, file: Reader) -> Source:
        deflated = instance.transfer_syntax_uid in DEFLATED_SYNTAXES
        reader = InflatingReader(file, instance.data_set_offset, self._limits) if deflated else file
        return DataSetReader(reader, instance.data_set_offset)


def _opened(
    blobs: BlobStore, instances: Sequence[StoredInstance]
) -> Generator[tuple[StoredInstance, BlobReader], None, None]:
    """Yield each instance with its file, while the disk fetches the next ones."""
    coming = iter(instances)
    ahead: deque[tuple[StoredInstance, BlobReader]] = deque()
    try:
        while True:
            for instance in islice(coming, AHEAD - len(ahead)):
                ahead.append((instance, blobs.open(instance.path, instance.size_bytes)))
                ahead[-1][1].expect(0, instance.data_set_offset + FIRST_READ_BYTES)
            if not ahead:
                return
            instance, file = ahead.popleft()
            with file:
                if file.size_bytes != instance.size_bytes:
                    raise IntegrityError(f"{instance.path} has {file.size_bytes} bytes, not {instance.size_bytes}")
                yield instance, file
    finally:
        for _, file in ahead:
            file.close()


def _uris(instance: str) -> BulkDataURI:
    """Return what names the elements of an instance that are given by reference."""

    def uri(path: BulkPath) -> str:
        return (
            f"{instance}/frames"
            if path[-1] in _FRAME_TAGS and len(path) == 1
            else f"{instance}/bulkdata/{format_bulk_path(path)}"
        )

    return uri


def _answer(parts: Sequence[Part]) -> CachedMetadata:
    digest = xxhash.xxh3_128()
    for part in parts:
        digest.update(part.digest)
    count, size = sum(part.count for part in parts), sum(part.size_bytes for part in parts)
    return CachedMetadata(digest.hexdigest(), count, size + len(parts) + 1, gzip_array(parts))


def _encoded(part: Part, label: str) -> bytes:
    """Put what is known of a part in a line before it."""
    known = [label, part.digest.hex(), part.crc32, part.size_bytes, part.count, xxhash.xxh3_64_intdigest(part.deflated)]
    return orjson.dumps(known) + b"\n" + part.deflated


def _decoded(data: bytes | None, label: str) -> Part | None:
    """Read it back; None when there is nothing, or that of another version, or not all of it."""
    line, _, deflated = (data or b"").partition(b"\n")
    try:
        kept, digest, crc32, size, count, check = orjson.loads(line)
    except ValueError:
        return None
    if kept != label or check != xxhash.xxh3_64_intdigest(deflated):
        return None
    return Part(deflated, crc32, size, count, bytes.fromhex(digest))
