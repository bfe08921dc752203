"""The installed viewer: one ZIP file that holds everything, compressed once and for all.

Since it is one file it is there or not, never in part, and a name that somebody asks for can only be one of its
directory's. A member is Deflate (RFC 1951) between a local header and the next; framed with a header and a trailer of
gzip (RFC 1952) it goes to a browser as it lies there:

    gzip:  1F 8B 08 00 | 00 00 00 00 | 02 FF | deflated data | CRC-32 | size        integers little-endian
"""

import json
import os
import struct
import threading
import zipfile
import zlib
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from archimage.logger import logger
from archimage.ports.storage import FileSpan

FILE_NAME: Final = "ohif.zip"
_GZIP_HEAD: Final = bytes.fromhex("1f8b08000000000002ff")
_LOCAL_HEADER: Final = struct.Struct("<4s5H3I2H")
_READ_BYTES: Final = 64 << 10
_log = logger("web")


@dataclass(frozen=True, slots=True)
class Member:
    """A file of the viewer, and where it lies; offset and stored_bytes are those of its data in the ZIP file."""

    offset: int
    stored_bytes: int
    size_bytes: int
    crc: int
    deflated: bool


class Viewer:
    """An installed viewer, open. What is read of it is that of one installation, whatever is installed meanwhile."""

    def __init__(self, file: Path) -> None:
        self._descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        try:
            with os.fdopen(os.dup(self._descriptor), "rb") as opened, zipfile.ZipFile(opened) as archive:
                told = json.loads(archive.comment)
                self.version, self.edition = str(told["version"]), str(told["edition"])
                members = {info.filename: self._member(info) for info in archive.infolist()}
        except Exception:
            os.close(self._descriptor)
            raise
        self.members: Mapping[str, Member] = MappingProxyType(members)
        self.size_bytes = os.fstat(self._descriptor).st_size

    def __del__(self) -> None:
        """Let go of the file with whoever still sends of it."""
        if hasattr(self, "size_bytes"):
            os.close(self._descriptor)

    def _member(self, info: zipfile.ZipInfo) -> Member:
        head = _LOCAL_HEADER.unpack(os.pread(self._descriptor, _LOCAL_HEADER.size, info.header_offset))
        offset = info.header_offset + _LOCAL_HEADER.size + head[-2] + head[-1]
        deflated = info.compress_type == zipfile.ZIP_DEFLATED
        return Member(offset, info.compress_size, info.file_size, info.CRC, deflated)

    def read(self, name: str) -> bytes:
        """Return the content of a small file; KeyError where there is none."""
        return b"".join(self.plain(self.members[name]))

    def packed(self, member: Member) -> "Generator[bytes | FileSpan, None, None]":
        """Yield a deflated member as gzip."""
        yield _GZIP_HEAD
        yield FileSpan(self._descriptor, member.offset, member.stored_bytes)
        yield struct.pack("<II", member.crc, member.size_bytes)

    def plain(self, member: Member) -> Generator[bytes, None, None]:
        """Yield a member as it is, piece by piece."""
        inflater = zlib.decompressobj(-zlib.MAX_WBITS) if member.deflated else None
        for start in range(0, member.stored_bytes, _READ_BYTES):
            length = min(_READ_BYTES, member.stored_bytes - start)
            piece = os.pread(self._descriptor, length, member.offset + start)
            yield inflater.decompress(piece) if inflater else piece

    @staticmethod
    def packed_bytes(member: Member) -> int:
        """Return the length of a deflated member as gzip."""
        return len(_GZIP_HEAD) + member.stored_bytes + 8


class Installation:
    """Where the viewer is installed, if it is: looked at again whenever it is asked for."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / FILE_NAME
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._viewer: Viewer | None = None

    def viewer(self) -> Viewer | None:
        """Return the viewer that is installed now; None where there is none, or none that can be read."""
        try:
            found = self.file.stat()
        except OSError:
            return None
        seen = (found.st_dev, found.st_ino, found.st_mtime_ns)
        with self._lock:
            if seen != self._seen:
                self._viewer = self._opened()
                self._seen = seen
            return self._viewer

    def _opened(self) -> Viewer | None:
        try:
            return Viewer(self.file)
        except (OSError, ValueError, KeyError, TypeError, struct.error, zipfile.BadZipFile) as error:
            _log.error("the viewer cannot be read; install it again", file=str(self.file), reason=str(error))
            return None
