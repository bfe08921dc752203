"""Finding files to import or send: single files, folders, zip archives and what a DICOMDIR names.

Nothing is ever unpacked under a name from an archive, and a DICOMDIR cannot reach outside its folder. Links inside
folders and archives are passed over.
"""

import io
import re
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from archimage.dicom.part10 import decode_file_meta
from archimage.dicom.scan import HeaderScanner, scan
from archimage.errors import DicomError, ExcessiveDatasetError, IdentityMismatchError, InvalidFileError

MEDIA_DIRECTORY: Final = "1.2.840.10008.1.3.10"

HEAD_BYTES: Final = 65_536
NOT_AN_OBJECT: Final = "not a DICOM file, or a DICOMDIR"

_SOP_CLASS_UID: Final = 0x00080016
_SOP_INSTANCE_UID: Final = 0x00080018
_IDENTITY: Final = frozenset({_SOP_CLASS_UID, _SOP_INSTANCE_UID})
_DIRECTORY_RECORDS: Final = 0x00041220
_REFERENCED_FILE_ID: Final = 0x00041500
_FILE_ID_PART: Final = re.compile(r"(?!\.+$)[^/\\\0]+")

_ZIP_ERRORS: Final = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)


@dataclass(frozen=True, slots=True)
class ZipLimits:
    """Bounds on what an archive may unpack to.

    ratio is that of inflated to compressed bytes, of a member and of the whole; the first free_bytes of each are let
    through whatever the ratio, because an empty image packs as well as a bomb.
    """

    ratio: int = 1_000
    free_bytes: int = 64 * 1024 * 1024
    members: int = 1_000_000


@dataclass(frozen=True, slots=True)
class Identity:
    """What a file holds, and where in it the data set begins."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    data_set_offset: int


@dataclass(frozen=True, slots=True)
class Source:
    """One file to read; open raises OSError or DicomError."""

    name: str
    size_bytes: int
    open: Callable[[], BinaryIO]


_DEFAULT_LIMITS: Final = ZipLimits()


def identify(head: bytes) -> Identity | None:
    """Read the identity of an object from the first HEAD_BYTES of a file; None when it is no DICOM file, or a DICOMDIR.

    The data set itself tells it: the meta information of old files often names another object.

    Raises:
        DicomError: the file is broken.
        IdentityMismatchError: the SOP Class or Instance UID does not stand where it must, near the beginning.
    """
    if head[128:132] != b"DICM":
        return None
    meta, offset = decode_file_meta(head)
    if meta.media_storage_sop_class_uid == MEDIA_DIRECTORY:
        return None
    scanner = HeaderScanner(meta.transfer_syntax_uid, _IDENTITY)
    broken: DicomError | None = None
    try:
        scanner.feed(memoryview(head)[offset:])
    except DicomError as error:  # whoever reads it all will meet it again, and can say then which object it is
        broken = error
    sop_class_uid, sop_instance_uid = scanner.header.text(_SOP_CLASS_UID), scanner.header.text(_SOP_INSTANCE_UID)
    if not sop_class_uid or not sop_instance_uid:
        raise broken or IdentityMismatchError("the data set has no SOP Class UID or no SOP Instance UID")
    return Identity(sop_class_uid, sop_instance_uid, meta.transfer_syntax_uid, offset)


def sources(paths: Iterable[Path], limits: ZipLimits = _DEFAULT_LIMITS) -> Iterator[Source]:
    """Yield what paths name: files below folders by name, members of zip archives, a DICOMDIR's files.

    Paths that cannot be read are yielded too, as sources whose open says why.
    """
    for path in paths:
        if path.is_dir():
            for file in _walk(path):
                yield from _file(file, limits)
        elif path.name.upper() == "DICOMDIR":
            yield from _media(path)
        else:
            yield from _file(path, limits)


def _walk(folder: Path) -> Iterator[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        yield folder
        return
    for entry in entries:
        if entry.is_symlink():
            continue
        if entry.is_dir():
            yield from _walk(entry)
        elif entry.is_file():
            yield entry


def _file(path: Path, limits: ZipLimits) -> Iterator[Source]:
    if path.suffix.lower() == ".zip":
        yield from _members(path, limits)
        return
    try:
        size = path.stat().st_size
    except OSError:
        size = 0
    yield Source(str(path), size, partial(_open, path))


def _open(path: Path) -> BinaryIO:
    return path.open("rb")


def _refusal(name: str, error: DicomError | OSError) -> Source:
    """Stand for something that cannot be read."""

    def refuse() -> BinaryIO:
        raise error

    return Source(name, 0, refuse)


def _members(path: Path, limits: ZipLimits) -> Iterator[Source]:
    try:
        size_bytes = path.stat().st_size
    except OSError as error:
        yield _refusal(str(path), error)
        return
    yield from members(path, str(path), size_bytes, limits)


def members(
    file: "Path | io.BufferedReader[Any]", name: str, size_bytes: int, limits: ZipLimits = _DEFAULT_LIMITS
) -> Iterator[Source]:
    """Yield the members of a zip archive of size_bytes, which stays open until the last of them is let go.

    One that cannot be read is yielded too, as a source whose open says why.
    """
    try:
        archive = zipfile.ZipFile(file)
    except OSError as error:
        yield _refusal(name, error)
        return
    except _ZIP_ERRORS as error:
        yield _refusal(name, InvalidFileError(f"not a zip archive: {error}"))
        return
    # Not closed here: members are opened after the walk has gone on. The last one lets the archive go.
    entries = archive.infolist()
    if len(entries) > limits.members:
        yield _refusal(name, ExcessiveDatasetError(f"more than {limits.members} members"))
        return
    allowance = limits.free_bytes + limits.ratio * size_bytes
    for entry in entries:
        if entry.is_dir() or stat.S_ISLNK(entry.external_attr >> 16):
            continue
        member = f"{name}!{entry.filename}"
        if entry.file_size > min(allowance, limits.free_bytes + limits.ratio * entry.compress_size):
            yield _refusal(member, ExcessiveDatasetError(f"unpacks to more than {limits.ratio} times its size"))
            continue
        allowance -= entry.file_size
        yield Source(member, entry.file_size, partial(_open_member, archive, entry))


def _open_member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> BinaryIO:
    try:
        return cast("BinaryIO", archive.open(entry))
    except _ZIP_ERRORS as error:
        raise InvalidFileError(f"broken zip member: {error}") from None


def read_pieces(file: BinaryIO, size_bytes: int) -> Iterator[bytes]:
    """Yield the rest of file in pieces of size_bytes; InvalidFileError when it is a broken zip member."""
    try:
        while piece := file.read(size_bytes):
            yield piece
    except _ZIP_ERRORS as error:
        raise InvalidFileError(f"broken zip member: {error}") from None


def _media(path: Path) -> Iterator[Source]:
    """Yield the files that a DICOMDIR names (PS3.10 §8.6), each below the DICOMDIR's folder."""
    try:
        file_ids = _file_ids(path.read_bytes())
    except (OSError, DicomError) as error:
        yield _refusal(str(path), error)
        return
    folder = path.resolve().parent
    for file_id in file_ids:
        name = f"{path}!{file_id}"
        found = _resolve(folder, file_id.split("\\"))
        if found is None:
            yield _refusal(name, InvalidFileError("the DICOMDIR names a file that is not below its folder"))
        else:
            yield Source(name, found.stat().st_size, partial(_open, found))


def _file_ids(data: bytes) -> list[str]:
    meta, offset = decode_file_meta(data)
    path = (_DIRECTORY_RECORDS, _REFERENCED_FILE_ID)
    header = scan(memoryview(data)[offset:], meta.transfer_syntax_uid, frozenset({path}))
    return [file_id for file_id in header.texts(*path) if file_id]


def _resolve(folder: Path, parts: list[str]) -> Path | None:
    """Find a Referenced File ID below folder, in its own case or in lower case as some systems mount discs."""
    if not all(_FILE_ID_PART.fullmatch(part) for part in parts):
        return None
    for names in (parts, [part.lower() for part in parts]):
        found = folder.joinpath(*names)
        if found.is_file() and found.resolve().is_relative_to(folder):
            return found
    return None
