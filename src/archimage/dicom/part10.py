"""DICOM files: preamble, prefix and File Meta Information around a data set (PS3.10 §7).

    128 bytes preamble | "DICM" | group 0002, explicit VR little endian, length first | data set

What is written always has a blank preamble; a preamble that was read is reported, never copied.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from struct import Struct
from typing import BinaryIO, Final, NamedTuple

from archimage.dicom.layout import DEFLATED_SYNTAXES, EXPLICIT_LITTLE, KNOWN_VRS, Head, decode_head
from archimage.errors import InvalidFileError

PREAMBLE_BYTES: Final = 128
PREFIX: Final = b"DICM"

_META_START: Final = PREAMBLE_BYTES + len(PREFIX)
_FIRST_READ_BYTES: Final = 4 << 10
_LAST_READ_BYTES: Final = 1 << 20
"""File Meta Information that is not read to its end within this is refused."""

_SHORT: Final = Struct("<HH2sH")
_LENGTH: Final = Struct("<I")
_PRIVATE_INFORMATION_HEAD: Final = bytes.fromhex("0200 0201 4f42 0000")
_PRIVATE_INFORMATION: Final = 0x00020102
_LONGEST_PRIVATE_BYTES: Final = 1 << 10
_VERSION: Final = bytes.fromhex("0200 0100 4f42 0000 0200 0000 0001")
_GROUP_LENGTH: Final = 0x00020000
_GROUP_LENGTH_HEAD: Final = bytes.fromhex("0200 0000 554c 0400")

_IMPLICIT_LITTLE_UID: Final = "1.2.840.10008.1.2"
_EXPLICIT_LITTLE_UID: Final = "1.2.840.10008.1.2.1"
_EXPLICIT_BIG_UID: Final = "1.2.840.10008.1.2.2"


@dataclass(frozen=True, slots=True)
class FileMeta:
    """File Meta Information; what a file lacks is empty, except the transfer syntax, which every file has.

    private_information is what the owner of private_creator_uid means by it; of more than 1 KiB nothing is read.

    Ref: PS3.10 §7.1, Table 7.1-1.
    """

    media_storage_sop_class_uid: str
    media_storage_sop_instance_uid: str
    transfer_syntax_uid: str
    implementation_class_uid: str = ""
    implementation_version_name: str = ""
    source_ae_title: str = ""
    private_creator_uid: str = ""
    private_information: bytes = b""
    preamble: bytes = field(default=bytes(PREAMBLE_BYTES), repr=False)


_FIELDS: Final = {
    0x00020002: ("media_storage_sop_class_uid", b"UI"),
    0x00020003: ("media_storage_sop_instance_uid", b"UI"),
    0x00020010: ("transfer_syntax_uid", b"UI"),
    0x00020012: ("implementation_class_uid", b"UI"),
    0x00020013: ("implementation_version_name", b"SH"),
    0x00020016: ("source_ae_title", b"AE"),
    0x00020100: ("private_creator_uid", b"UI"),
}


class Part10File(NamedTuple):
    """A file's meta information, and where its data set begins and how long it is, in bytes."""

    meta: FileMeta
    dataset_offset: int
    dataset_size: int


def encode_file_meta(meta: FileMeta) -> bytes:
    """Return a blank preamble, the prefix and group 0002: what stands before the data set; empty fields are left out.

    Ref: PS3.10 §7.1.
    """
    group = _VERSION + b"".join(_element(tag, vr, getattr(meta, name)) for tag, (name, vr) in _FIELDS.items())
    if meta.private_information:
        value = meta.private_information + b"\0" * (len(meta.private_information) % 2)
        group += _PRIVATE_INFORMATION_HEAD + _LENGTH.pack(len(value)) + value
    return bytes(PREAMBLE_BYTES) + PREFIX + _GROUP_LENGTH_HEAD + _LENGTH.pack(len(group)) + group


def _element(tag: int, vr: bytes, text: str) -> bytes:
    if not text:
        return b""
    value = text.encode("latin-1", "replace")
    value += (b"\0" if vr == b"UI" else b" ") * (len(value) % 2)
    return _SHORT.pack(tag >> 16, tag & 0xFFFF, vr, len(value)) + value


def decode_file_meta(data: bytes | bytearray | memoryview) -> tuple[FileMeta, int]:
    """Decode what stands before the data set; return it and the data set's offset.

    Raises:
        InvalidFileError: no Part 10 file, or the meta information is cut short or names no transfer syntax.
    """
    if bytes(data[PREAMBLE_BYTES:_META_START]) != PREFIX:
        raise InvalidFileError("the prefix DICM is missing")
    return _decode_group(data, _META_START, bytes(data[:PREAMBLE_BYTES]))


def decode_bare_file(data: bytes | bytearray | memoryview) -> tuple[FileMeta, int]:
    """Decode a file without preamble and prefix: group 0002 at once, or a data set whose encoding is guessed.

    Of a guessed data set only the transfer syntax is known.

    Raises:
        InvalidFileError: it does not begin like either.
    """
    if bytes(data[:2]) == b"\x02\0" and bytes(data[4:6]).decode("latin-1") in KNOWN_VRS:
        return _decode_group(data, 0, bytes(PREAMBLE_BYTES))
    return FileMeta("", "", guess_transfer_syntax(data)), 0


def guess_transfer_syntax(data: bytes | bytearray | memoryview) -> str:
    """Guess how a data set is encoded from its first element, which real ones have in group 0008.

    Raises:
        InvalidFileError: it does not begin with an element of group 0008.
    """
    start = bytes(data[:6])
    explicit = len(start) == 6 and start[4:6].decode("latin-1") in KNOWN_VRS
    if start[:2] == b"\0\x08" and explicit:
        return _EXPLICIT_BIG_UID
    if start[:2] == b"\x08\0" and len(start) == 6:
        return _EXPLICIT_LITTLE_UID if explicit else _IMPLICIT_LITTLE_UID
    raise InvalidFileError("neither a Part 10 file nor a data set")


def _decode_group(data: bytes | bytearray | memoryview, start: int, preamble: bytes) -> tuple[FileMeta, int]:
    """Read group 0002 up to another group; its stated length, often wrong, only ends it where deflated bytes follow."""
    values: dict[str, str] = {}
    private = b""
    pos, stated, end = start, -1, len(data)
    while (head := _meta_head(data, pos, end)) is not None:
        if pos == stated and values.get("transfer_syntax_uid") in DEFLATED_SYNTAXES:
            break
        pos = head.start + head.length
        if pos > end:
            raise InvalidFileError("the File Meta Information is cut short")
        value = bytes(data[head.start : pos])
        if head.tag == _GROUP_LENGTH and head.length == 4:
            stated = pos + int(_LENGTH.unpack(value)[0])
        elif head.tag in _FIELDS:
            values[_FIELDS[head.tag][0]] = value.decode("latin-1").strip(" \0")
        elif head.tag == _PRIVATE_INFORMATION and head.length <= _LONGEST_PRIVATE_BYTES:
            private = value.rstrip(b"\0")
    if not values.get("transfer_syntax_uid"):
        raise InvalidFileError("the File Meta Information names no transfer syntax")
    values = {name: values.get(name, "") for name, _ in _FIELDS.values()}
    return FileMeta(**values, private_information=private, preamble=preamble), pos


def _meta_head(data: bytes | bytearray | memoryview, pos: int, end: int) -> Head | None:
    head = decode_head(EXPLICIT_LITTLE, data, pos, end)
    return None if head is None or head.tag >> 16 != 2 else head


def open_part10(source: str | os.PathLike[str] | BinaryIO) -> Part10File:
    """Read the meta information of a file, given as a path or opened for reading at its start; no data set is read.

    Raises:
        InvalidFileError: it is no Part 10 file.
        OSError: it cannot be read.
    """
    if isinstance(source, str | os.PathLike):
        with Path(source).open("rb") as file:
            return _open(file)
    return _open(source)


def _open(file: BinaryIO) -> Part10File:
    """Read twice as much each time until the whole of group 0002 has been seen."""
    data = file.read(_FIRST_READ_BYTES)
    size = file.seek(0, os.SEEK_END)
    while True:
        last = len(data) >= min(size, _LAST_READ_BYTES)
        try:
            meta, offset = decode_file_meta(data)
        except InvalidFileError:
            if last or bytes(data[PREAMBLE_BYTES:_META_START]) != PREFIX:
                raise
        else:
            if last or offset < len(data):
                return Part10File(meta, offset, size - offset)
        file.seek(len(data))
        data += file.read(len(data))


def write_part10(file: BinaryIO, meta: FileMeta, pieces: Iterable[bytes | bytearray | memoryview]) -> int:
    """Write a file from meta information and the pieces of a data set; return how many bytes were written."""
    head = encode_file_meta(meta)
    file.write(head)
    size = len(head)
    for piece in pieces:
        file.write(piece)
        size += len(piece)
    return size
