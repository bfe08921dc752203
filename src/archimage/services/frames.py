"""Parts of stored objects, each by the few bytes that it takes: frames, headers, bulk values (PS3.18 §10.4)."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from struct import Struct
from typing import Final, Protocol

from archimage.dicom.bulk import BulkPath
from archimage.dicom.codecs.syntaxes import VIDEO
from archimage.dicom.dictionary import dictionary_vr
from archimage.dicom.layout import DEFLATED_SYNTAXES, KNOWN_VRS, PIXEL_DATA
from archimage.dicom.limits import DEFAULT_LIMITS, ScanLimits
from archimage.dicom.locate import locate
from archimage.dicom.window import Held
from archimage.errors import (
    BlobNotFoundError,
    ExcessiveDatasetError,
    IntegrityError,
    InvalidPixelDataError,
    NotAcceptableError,
    NotFoundError,
)
from archimage.model.attributes import BY_COLUMN, UNIQUE_KEYS, Level
from archimage.model.ids import check_uid
from archimage.model.query import Condition, Exact, Query, Range
from archimage.model.records import FrameTable, StoredInstance
from archimage.ports.storage import BlobReader
from archimage.protocol.uids import EXPLICIT_VR_BIG_ENDIAN
from archimage.services.anatomy import (
    Anatomy,
    AnatomyMemory,
    DataSetReader,
    InflatingReader,
    Reader,
    examine,
    fragments_at,
    is_grouped,
)
from archimage.services.bulk import BulkValue, Extents
from archimage.services.moved import moved_to

_HEAD: Final = Struct("<HH2s")
_BIG_HEAD: Final = Struct(">HH2s")
_LONG_HEAD_BYTES: Final = 12
_DELIMITER_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class FrameBytes:
    """One frame as it is stored: native pixels in their byte order, or a codestream.

    A native frame of single bits begins with a byte of its own, whatever it shared with its neighbour; one of big
    endian words ends with a whole word.
    """

    data: bytes
    transfer_syntax_uid: str


@dataclass(frozen=True, slots=True)
class PixelElement:
    """The element that ends the header of an image; vr as the dictionary has it where the encoding has none."""

    tag: int
    vr: str
    encapsulated: bool


class Known(Protocol):
    """What an index tells of instances; see `ports.Index`."""

    def lookup(
        self, sop_instance_uid: str, *, study_instance_uid: str | None = None, series_instance_uid: str | None = None
    ) -> StoredInstance | None: ...

    def frames(self, sop_instance_uid: str, *, path: str | None = None) -> FrameTable | None: ...

    def instances(self, query: Query) -> Iterator[Sequence[StoredInstance]]: ...


class Opens(Protocol):
    """What opens objects; see `ports.BlobStore`."""

    def open(self, path: str, size_bytes: int | None = None) -> BlobReader: ...


class FrameService:
    """Finds instances and reads parts of them; all of it blocks."""

    def __init__(self, index: Known, blobs: Opens, limits: ScanLimits = DEFAULT_LIMITS) -> None:
        self._index = index
        self._blobs = blobs
        self._limits = limits
        self._memory = AnatomyMemory()

    def instance(
        self, study_instance_uid: str | None, series_instance_uid: str | None, sop_instance_uid: str
    ) -> StoredInstance:
        """Return one instance; None for a study or series that does not matter.

        Raises:
            InvalidInstanceUIDError: a UID is none.
            NotFoundError: it is not there, or not in that study and series.
        """
        for uid in (study_instance_uid, series_instance_uid, sop_instance_uid):
            if uid is not None:
                check_uid(uid)
        found = self._index.lookup(
            sop_instance_uid, study_instance_uid=study_instance_uid, series_instance_uid=series_instance_uid
        )
        if found is None:
            raise NotFoundError(f"no instance {sop_instance_uid} is kept there")
        return found

    def instances(self, study_instance_uid: str, series_instance_uid: str | None = None) -> tuple[StoredInstance, ...]:
        """Return the instances of a study or series, by series and instance number.

        Raises:
            InvalidInstanceUIDError: a UID is none.
            NotFoundError: there are none.
        """
        uids = {Level.STUDY: study_instance_uid, Level.SERIES: series_instance_uid}
        conditions = tuple(
            Condition(UNIQUE_KEYS[level], Exact(check_uid(uid))) for level, uid in uids.items() if uid is not None
        )
        level = Level.STUDY if series_instance_uid is None else Level.SERIES
        found = tuple(one for page in self._index.instances(Query(level, conditions)) for one in page)
        if not found:
            raise NotFoundError(f"no {level.lower()} {series_instance_uid or study_instance_uid} is kept there")
        return found

    def images(self, study_instance_uid: str, series_instance_uid: str) -> tuple[StoredInstance, ...]:
        """Return the instances of a series that have rows and so may have pixels, by instance number.

        Raises:
            InvalidInstanceUIDError: a UID is none.
        """
        uids = {Level.STUDY: study_instance_uid, Level.SERIES: series_instance_uid}
        conditions = [Condition(UNIQUE_KEYS[level], Exact(check_uid(uid))) for level, uid in uids.items()]
        query = Query(Level.IMAGE, (*conditions, Condition(BY_COLUMN["rows"], Range("1", None))))
        return tuple(one for page in self._index.instances(query) for one in page)

    def header(self, instance: StoredInstance) -> bytes:
        """Return the data set up to its pixel element, inflated; all of a data set without one.

        Raises:
            NotFoundError: the instance was removed meanwhile.
            ExcessiveDatasetError: it is longer than max_header_bytes.
        """
        start, end = instance.data_set_offset, self._anatomy(instance).header_end
        with self.open(instance) as file:
            reader = self._reader(instance, file)
            return self._read(reader, start, end - start)

    def trailer(self, instance: StoredInstance) -> bytes:
        """Return the data set after its pixel element: padding or signatures, in most objects nothing."""
        table = self._anatomy(instance).table
        if table is None or not table.offsets:
            return b""
        start = _end(table)
        deflated = instance.transfer_syntax_uid in DEFLATED_SYNTAXES
        length = self._limits.max_header_bytes if deflated else instance.size_bytes - start
        if length <= 0:
            return b""
        with self.open(instance) as file:
            reader = self._reader(instance, file)
            return reader.read(start, length) if deflated else self._read(reader, start, length)

    def pixel(self, instance: StoredInstance) -> PixelElement | None:
        """Return what the pixel element is; None where there is none."""
        table = self._anatomy(instance).table
        if table is None:
            return None
        with self.open(instance) as file:
            reader = self._reader(instance, file)
            return _pixel_element(instance, table, reader)

    def frame_count(self, instance: StoredInstance) -> int:
        """Return how many frames there are, 0 in an object without pixels."""
        table = self._anatomy(instance).table
        return 0 if table is None else table.count

    def frame(self, instance: StoredInstance, number: int) -> FrameBytes:
        """Return one frame, counted from 1, by one read of the file; raises what `frames` raises."""
        (frame,) = self.frames(instance, (number,))
        return frame

    def frames(self, instance: StoredInstance, numbers: Iterable[int]) -> Iterator[FrameBytes]:
        """Yield frames, counted from 1.

        Raises:
            NotFoundError: there is no such frame, or the instance was removed meanwhile.
            NotAcceptableError: the object has no frames, or they cannot be told apart in its encoding.
            InvalidPixelDataError: its pixels are not what its header describes.
            IntegrityError: the file is shorter than it was when it came.
        """
        table = _with_frames(instance, self._anatomy(instance).table)
        read = encapsulated_frame if table.encapsulated else native_frame
        with self.open(instance) as file:
            reader = self._reader(instance, file)
            for number in numbers:
                _check_number(table, number)
                yield FrameBytes(read(reader, table, number - 1), instance.transfer_syntax_uid)

    def frame_value(self, instance: StoredInstance, number: int) -> BulkValue:
        """Open one frame, counted from 1, for reading in ranges; raises what `frames` raises."""
        table = _with_frames(instance, self._anatomy(instance).table)
        _check_number(table, number)
        extents = _frame_extents(table, number - 1)
        file = self.open(instance)
        try:
            reader = self._reader(instance, file)
            if extents is None:
                data = native_frame(reader, table, number - 1)
                extents, reader = ((0, len(data)),), Held(data)
        except BaseException:
            file.close()
            raise
        return BulkValue(file, reader, extents, "OB", little=True)

    def bulk(self, instance: StoredInstance, path: BulkPath) -> BulkValue:
        """Open one value for reading in ranges; of encapsulated pixels it is all fragments, one after the other.

        Raises:
            NotFoundError: there is no such value, or the instance was removed meanwhile.
        """
        file = self.open(instance)
        try:
            reader = self._reader(instance, file)
            data_set = DataSetReader(reader, instance.data_set_offset)
            found = locate(data_set, instance.transfer_syntax_uid, path, self._limits)
            if found is None:
                raise NotFoundError("the instance has no such value")
            start = instance.data_set_offset + found.offset
            if found.length is not None:
                extents: Extents = ((start, found.length),)
            else:
                _, offsets, lengths = fragments_at(reader, start, self._limits)
                extents = tuple(zip(offsets, lengths, strict=True))
        except BaseException:
            file.close()
            raise
        return BulkValue(file, reader, extents, found.vr, little=found.little)

    def open(self, instance: StoredInstance) -> BlobReader:
        """Open the stored file; the data set begins at data_set_offset.

        Raises:
            NotFoundError: the instance was removed meanwhile.
            BlobNotFoundError: the file is gone that should be there.
        """
        try:
            return self._blobs.open(instance.path, instance.size_bytes)
        except BlobNotFoundError:
            if self._index.lookup(instance.sop_instance_uid) is None:
                raise NotFoundError(f"instance {instance.sop_instance_uid} has been removed") from None
            elsewhere = moved_to(self._index, instance)
            if elsewhere is None:
                raise
            return self._blobs.open(elsewhere.path, elsewhere.size_bytes)

    def is_current(self, instance: StoredInstance) -> bool:
        """Tell whether an instance is still there, and still the same object in the same file."""
        return self._index.lookup(instance.sop_instance_uid) == instance

    def _reader(self, instance: StoredInstance, file: BlobReader) -> Reader:
        """Return what reads a file as if its data set were not deflated."""
        deflated = instance.transfer_syntax_uid in DEFLATED_SYNTAXES
        return InflatingReader(file, instance.data_set_offset, self._limits) if deflated else file

    def _anatomy(self, instance: StoredInstance) -> Anatomy:
        return self._memory.get(instance, lambda: self._examined(instance))

    def _examined(self, instance: StoredInstance) -> Anatomy:
        """Take the index's word where it has one; otherwise look into the file."""
        table = self._index.frames(instance.sop_instance_uid, path=instance.path)
        if table is not None and table.element_offset and is_grouped(table):
            return Anatomy(table.element_offset, table)
        with self.open(instance) as file:
            reader = self._reader(instance, file)
            return examine(reader, instance, self._limits)

    def _read(self, reader: Reader, start: int, length: int) -> bytes:
        if length > self._limits.max_header_bytes:
            raise ExcessiveDatasetError(f"a header of {length} bytes; {self._limits.max_header_bytes} are read")
        return _exactly(reader, start, length)


def _with_frames(instance: StoredInstance, table: FrameTable | None) -> FrameTable:
    if table is None:
        raise NotAcceptableError("the object has no pixels")
    if instance.transfer_syntax_uid in VIDEO:
        raise NotAcceptableError("a video has no frames that stand alone: ask for all of it")
    if not table.count:
        raise InvalidPixelDataError("the pixels are not as many as the header says, or the object is no image")
    if table.encapsulated or not (table.frame_bits % 16 and _is_big(instance)):
        return table
    if table.count > 1:
        raise NotAcceptableError("frames of this size share 16-bit words, whose bytes are swapped in big endian")
    return replace(table, frame_bits=table.frame_bits + -table.frame_bits % 16)  # its last byte may be the word's last


def _check_number(table: FrameTable, number: int) -> None:
    if not 1 <= number <= table.count:
        raise NotFoundError(f"there is no frame {number}: the instance has {table.count}")


def _frame_extents(table: FrameTable, index: int) -> Extents | None:
    """Return where the bytes of a frame, counted from 0, stand; None where it shares one with its neighbour."""
    if not table.encapsulated:
        first, shift = divmod(index * table.frame_bits, 8)
        length, rest = divmod(table.frame_bits, 8)
        return None if shift or rest else ((table.offsets[0] + first, length),)
    return tuple((table.offsets[number], table.lengths[number]) for number in _fragments(table, index))


def native_frame(reader: Reader, table: FrameTable, index: int) -> bytes:
    """Cut a frame, counted from 0, out of a native value."""
    bits = table.frame_bits
    first, shift = divmod(index * bits, 8)
    end = -(-(index + 1) * bits // 8)
    data = _exactly(reader, table.offsets[0] + first, end - first)
    if not (shift or bits % 8):
        return data
    packed = int.from_bytes(data, "little") >> shift & ((1 << bits) - 1)
    return packed.to_bytes(-(-bits // 8), "little")


def encapsulated_frame(reader: Reader, table: FrameTable, index: int) -> bytes:
    """Read the fragments of a frame, counted from 0, at once, and leave out the heads between them."""
    fragments = _fragments(table, index)
    start = table.offsets[fragments[0]]
    data = _exactly(reader, start, table.offsets[fragments[-1]] + table.lengths[fragments[-1]] - start)
    if len(fragments) == 1:
        return data
    view = memoryview(data)
    bounds = ((table.offsets[number] - start, table.lengths[number]) for number in fragments)
    return b"".join(view[offset : offset + length] for offset, length in bounds)


def _fragments(table: FrameTable, index: int) -> range:
    fragments = table.fragments(index)
    if not fragments:
        raise InvalidPixelDataError(
            f"which of {len(table.offsets)} fragments make up which of {table.count} frames cannot be told"
        )
    return fragments


def _exactly(reader: Reader, offset: int, length: int) -> bytes:
    data = reader.read(offset, length)
    if len(data) != length:
        raise IntegrityError(f"the file ends after {len(data)} of {length} bytes at {offset}")
    return data


def _end(table: FrameTable) -> int:
    """Return where the pixel element ends."""
    return table.offsets[-1] + table.lengths[-1] + (_DELIMITER_BYTES if table.encapsulated else 0)


def _pixel_element(instance: StoredInstance, table: FrameTable, reader: Reader) -> PixelElement:
    """Read the head of the pixel element; with a native value right after 8 bytes it gives no VR."""
    head = _exactly(reader, table.element_offset, _HEAD.size)
    group, element, vr = (_BIG_HEAD if _is_big(instance) else _HEAD).unpack(head)
    tag, name = group << 16 | element, vr.decode("latin-1")
    implicit = not table.encapsulated and table.offsets[0] - table.element_offset < _LONG_HEAD_BYTES
    if implicit or name not in KNOWN_VRS:
        name = _implied_vr(tag, encapsulated=table.encapsulated)
    return PixelElement(tag, name, table.encapsulated)


def _implied_vr(tag: int, *, encapsulated: bool) -> str:
    """Return the VR that pixels have where their bytes do not say (PS3.5 §A.1, §A.4)."""
    if tag != PIXEL_DATA:
        return dictionary_vr(tag)
    return "OB" if encapsulated else "OW"


def _is_big(instance: StoredInstance) -> bool:
    return instance.transfer_syntax_uid == EXPLICIT_VR_BIG_ENDIAN
