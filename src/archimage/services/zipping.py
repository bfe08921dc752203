"""ZIP archives whose files are stored as they are, written as a stream of known length.

What is told of a file stands before it, as readers of streams need it, so its checksum is taken before it is sent.

    local header, name, file ... | central directory | end of central directory         (APPNOTE.TXT §4.3)
"""

from collections.abc import Callable
from dataclasses import dataclass
from struct import Struct
from typing import Final, Self

from archimage.errors import IntegrityError

_LOCAL: Final = Struct("<4s5H3I2H")
_CENTRAL: Final = Struct("<4s6H3I5H2I")
_END: Final = Struct("<4s4H2IH")
_END_64: Final = Struct("<4sQ2H2I4Q")
_LOCATOR_64: Final = Struct("<4sIQI")
_EXTRA_64: Final = Struct("<2H3Q")
_MOST_32: Final = 0xFFFFFFFF
_MOST_16: Final = 0xFFFF
_VERSION: Final = 20
_VERSION_64: Final = 45
_FIRST_DAY: Final = (0, 0x21)
"""1 January 1980: when an object was stored is no property of the file that it is sent as."""


@dataclass(frozen=True, slots=True)
class _Entry:
    name: bytes
    size_bytes: int
    crc32: int
    offset: int

    @property
    def is_large(self) -> bool:
        """Tell whether its numbers need 64 bits."""
        return max(self.size_bytes, self.offset) >= _MOST_32


class ZipWriter:
    """Makes what stands between the files of one archive."""

    __slots__ = ("_entries", "_pos")

    def __init__(self) -> None:
        self._entries: list[_Entry] = []
        self._pos = 0

    @classmethod
    def regained(cls, read: Callable[[int, int], bytes], size_bytes: int) -> Self:
        """Return who goes on with an archive, of which size_bytes bytes are there; read takes offset and length.

        Raises:
            IntegrityError: what is there is no beginning of an archive.
        """
        writer = cls()
        while writer.position < size_bytes:
            offset = writer.position
            head = read(offset, _LOCAL.size)
            if len(head) < _LOCAL.size or not head.startswith(b"PK\3\4"):
                raise IntegrityError(f"no file of an archive begins at byte {offset}")
            *_, crc32, _, size, named, extra = _LOCAL.unpack(head)
            rest = read(offset + _LOCAL.size, named + extra)
            if len(rest) < named + extra:
                raise IntegrityError(f"the file that begins at byte {offset} has no name")
            if extra:
                size = _EXTRA_64.unpack(rest[named:])[2]
            writer.head(rest[:named].decode("ascii"), size, crc32)
        if writer.position != size_bytes:
            raise IntegrityError(f"an archive of {size_bytes} bytes does not end with a file")
        return writer

    @property
    def position(self) -> int:
        """Where the next file begins, bytes from the start of the archive."""
        return self._pos

    def head_size(self, name: str, size_bytes: int) -> int:
        """Return how long the beginning of the next file will be, bytes."""
        entry = _Entry(name.encode("ascii"), size_bytes, 0, self._pos)
        return _LOCAL.size + len(entry.name) + (_EXTRA_64.size if entry.is_large else 0)

    def head(self, name: str, size_bytes: int, crc32: int) -> bytes:
        """Begin a file, whose bytes follow."""
        entry = _Entry(name.encode("ascii"), size_bytes, crc32, self._pos)
        self._entries.append(entry)
        extra = _EXTRA_64.pack(1, 24, size_bytes, size_bytes, self._pos) if entry.is_large else b""
        size = min(size_bytes, _MOST_32) if not entry.is_large else _MOST_32
        version = _VERSION_64 if entry.is_large else _VERSION
        fields = (b"PK\3\4", version, 0, 0, *_FIRST_DAY, crc32, size, size, len(entry.name), len(extra))
        head = _LOCAL.pack(*fields) + entry.name + extra
        self._pos += len(head) + size_bytes
        return head

    def end(self) -> bytes:
        """End the archive."""
        directory = b"".join(map(_central, self._entries))
        count, start, size = len(self._entries), self._pos, len(directory)
        end_64 = b""
        if count >= _MOST_16 or start + size >= _MOST_32:
            fields = (b"PK\6\6", _END_64.size - 12, _VERSION_64, _VERSION_64, 0, 0, count, count, size, start)
            end_64 = _END_64.pack(*fields) + _LOCATOR_64.pack(b"PK\6\7", 0, start + size, 1)
        shown = min(count, _MOST_16)
        end = _END.pack(b"PK\5\6", 0, 0, shown, shown, min(size, _MOST_32), min(start, _MOST_32), 0)
        return directory + end_64 + end


def _central(entry: _Entry) -> bytes:
    large = entry.is_large
    extra = _EXTRA_64.pack(1, 24, entry.size_bytes, entry.size_bytes, entry.offset) if large else b""
    size, offset = (_MOST_32, _MOST_32) if large else (entry.size_bytes, entry.offset)
    version = _VERSION_64 if large else _VERSION
    lengths = (len(entry.name), len(extra), 0, 0, 0)
    fields = (b"PK\1\2", version, version, 0, 0, *_FIRST_DAY, entry.crc32, size, size, *lengths, 0, offset)
    return _CENTRAL.pack(*fields) + entry.name + extra


def archive_size(files: list[tuple[str, int]]) -> int:
    """Return the length, bytes, of an archive of files of these names and lengths."""
    writer = ZipWriter()
    heads = sum(len(writer.head(name, size, 0)) + size for name, size in files)
    return heads + len(writer.end())
