"""Where header, pixels and fragments lie in a stored object: from the index or, where it does not tell, from the file.

Offsets are bytes from the start of the file. In a deflated object they count as if its data set stood there inflated.
"""

import threading
from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final, Protocol

from archimage.dicom.fragments import begins_codestream, frames_of
from archimage.dicom.header import PixelData
from archimage.dicom.inflate import Inflater
from archimage.dicom.layout import (
    DEFLATED_SYNTAXES,
    EXPLICIT_LITTLE,
    ITEM,
    SEQUENCE_DELIMITATION,
    UNDEFINED_LENGTH,
    read_head,
)
from archimage.dicom.limits import ScanLimits
from archimage.dicom.scan import HeaderScanner
from archimage.errors import ExcessiveDatasetError, InvalidDatasetError, InvalidPixelDataError
from archimage.model.records import FrameTable, StoredInstance
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN
from archimage.services.attributes import WANTED, divided

_PIECE_BYTES: Final = 64 << 10
_HEAD_BYTES: Final = 8
REMEMBERED: Final = 512  # objects
REMEMBERED_FRAGMENTS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Anatomy:
    """One object: its header ends where its pixel element begins, or with the data set where there is none."""

    header_end: int
    table: FrameTable | None


class Reader(Protocol):
    """Gives bytes of an object at any offset; fewer only at the end."""

    def read(self, offset: int, length: int) -> bytes: ...


class DataSetReader:
    """The bytes of a stored object from its data set on."""

    def __init__(self, reader: Reader, start: int) -> None:
        self._reader = reader
        self._start = start

    def read(self, offset: int, length: int, /) -> bytes:
        """Read length bytes at offset; fewer only at the end."""
        return self._reader.read(self._start + offset, length)


class InflatingReader:
    """Reads a deflated object as if its data set were inflated: forward as it goes on, backward from the start."""

    def __init__(self, reader: Reader, data_set_offset: int, limits: ScanLimits) -> None:
        self._reader = reader
        self._start = data_set_offset
        self._limits = limits
        self._inflater = Inflater(limits)
        self._steps: Iterator[bytes] = iter(())
        self._taken = self._pos = data_set_offset
        self._rest = b""

    def read(self, offset: int, length: int) -> bytes:
        """Read length bytes at offset; fewer only at the end."""
        if offset < self._pos - len(self._rest):
            self._rewind()
        found = bytearray()
        while length and (self._rest or self._next()):
            skipped = min(len(self._rest), max(0, offset - (self._pos - len(self._rest))))
            taken = self._rest[skipped : skipped + length]
            found += taken
            offset += len(taken)
            length -= len(taken)
            self._rest = self._rest[skipped + len(taken) :]
        return bytes(found)

    def _rewind(self) -> None:
        self._inflater = Inflater(self._limits)
        self._steps = iter(())
        self._taken = self._pos = self._start
        self._rest = b""

    def _next(self) -> bool:
        """Inflate one step more; false at the end."""
        while (step := next(self._steps, None)) is None:
            piece = self._reader.read(self._taken, _PIECE_BYTES)
            if not piece:
                return False
            self._taken += len(piece)
            self._steps = self._inflater.feed(piece)
        self._pos += len(step)
        self._rest = step
        return True


def examine(reader: Reader, instance: StoredInstance, limits: ScanLimits) -> Anatomy:
    """Find out from the file; reads the header, and the heads of fragments.

    Raises:
        InvalidDatasetError: the fragments are not delimited as they should be.
        ExcessiveDatasetError: a limit is passed.
    """
    deflated = instance.transfer_syntax_uid in DEFLATED_SYNTAXES
    scanner = HeaderScanner(EXPLICIT_VR_LITTLE_ENDIAN if deflated else instance.transfer_syntax_uid, WANTED, limits)
    pos = instance.data_set_offset
    while not scanner.header_seen and (piece := reader.read(pos, _PIECE_BYTES)):
        scanner.feed(piece)
        pos += len(piece)
    header = scanner.header
    pixel = header.pixel
    if pixel is None:
        return Anatomy(pos, None)
    if pixel.encapsulated:
        pixel = _with_fragments(reader, pixel, instance.data_set_offset, limits)
    table = _grouped(reader, divided(header, pixel, instance.data_set_offset))
    return Anatomy(table.element_offset, table)


def is_grouped(table: FrameTable) -> bool:
    """Tell whether frames can be told from the table alone."""
    return not table.encapsulated or not table.count or table.fragments(0) is not None


def fragments_at(reader: Reader, pos: int, limits: ScanLimits) -> "tuple[bytes, array[int], array[int]]":
    """Walk over the items of an encapsulated value, reading heads alone; return offset table, offsets and lengths.

    Raises:
        InvalidDatasetError: they are not delimited as they should be.
        ExcessiveDatasetError: they are too many.
    """
    offsets, lengths = array("Q"), array("Q")
    basic: bytes | None = None
    while len(offsets) < limits.max_elements:
        data = reader.read(pos, _HEAD_BYTES)
        head = read_head(EXPLICIT_LITTLE, data, 0, len(data))
        if head is not None and head.tag == SEQUENCE_DELIMITATION:
            return basic or b"", offsets, lengths
        if head is None or head.tag != ITEM or head.length == UNDEFINED_LENGTH:
            raise InvalidDatasetError(f"no fragment stands at {pos}")
        pos += _HEAD_BYTES
        if basic is None:
            basic = reader.read(pos, min(head.length, limits.max_value_bytes))
        else:
            offsets.append(pos)
            lengths.append(head.length)
        pos += head.length
    raise ExcessiveDatasetError(f"more than {limits.max_elements} fragments")


def _with_fragments(reader: Reader, pixel: PixelData, start: int, limits: ScanLimits) -> PixelData:
    """Find the fragments of a pixel element in a data set that begins at start."""
    basic, offsets, lengths = fragments_at(reader, start + pixel.value_offset, limits)
    relative = array("Q", (offset - start for offset in offsets))
    return replace(pixel, fragment_offsets=relative, fragment_lengths=lengths, basic_offsets=basic)


def _grouped(reader: Reader, table: FrameTable) -> FrameTable:
    """Tell frames apart by the fragments in which a codestream begins, where no offset table tells."""
    if is_grouped(table):
        return table

    def begins(number: int) -> bool:
        return begins_codestream(reader.read(table.offsets[number], _HEAD_BYTES))

    fragments = tuple(zip(table.offsets, table.lengths, strict=True))
    with suppress(InvalidPixelDataError):
        firsts = tuple(first for first, _ in frames_of(fragments, table.count, begins=begins))
        return replace(table, firsts=firsts)
    return table


class AnatomyMemory:
    """Remembers the objects asked for last; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, bytes], Anatomy] = OrderedDict()
        self._fragments = 0

    def get(self, instance: StoredInstance, make: Callable[[], Anatomy]) -> Anatomy:
        """Return what is remembered of an object, or make it."""
        key = (instance.path, instance.digest)
        with self._lock:
            known = self._known.get(key)
            if known is not None:
                self._known.move_to_end(key)
                return known
        made = make()
        with self._lock:
            self._forget(key)
            self._known[key] = made
            self._fragments += _size(made)
            while len(self._known) > REMEMBERED or self._fragments > REMEMBERED_FRAGMENTS:
                self._forget(next(iter(self._known)))
        return made

    def _forget(self, key: tuple[str, bytes]) -> None:
        gone = self._known.pop(key, None)
        self._fragments -= _size(gone) if gone is not None else 0


def _size(anatomy: Anatomy) -> int:
    return 0 if anatomy.table is None else len(anatomy.table.offsets)
