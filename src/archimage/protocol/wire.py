"""Bounds-checked reading of the upper layer's big-endian fields, and the encoders that mirror it.

A variable item is laid out as

    0        1          2         4
    | type   | reserved | length  | value ...        length: bytes of the value, unsigned 16 bit

Ref: PS3.8 §9.3.1.
"""

from collections.abc import Iterator
from enum import IntEnum
from struct import Struct

from archimage.errors import LocalProtocolError, RemoteProtocolError

type_and_length = Struct(">BxH")
_U16 = Struct(">H")
_U32 = Struct(">I")

MAX_ITEM_LENGTH = 0xFFFF


class AbortReason(IntEnum):
    """Why the service provider aborts. Ref: PS3.8 Table 9-26."""

    NOT_SPECIFIED = 0
    UNRECOGNISED_PDU = 1
    UNEXPECTED_PDU = 2
    UNRECOGNISED_PARAMETER = 4
    UNEXPECTED_PARAMETER = 5
    INVALID_PARAMETER_VALUE = 6


def invalid(message: str) -> RemoteProtocolError:
    """Return the error for a value that the peer may not send."""
    return RemoteProtocolError(message, reason=AbortReason.INVALID_PARAMETER_VALUE)


class Cursor:
    """Reads forward over bytes; every read past the end raises RemoteProtocolError."""

    __slots__ = ("_data", "_position")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    @property
    def remaining(self) -> int:
        """Bytes not yet read."""
        return len(self._data) - self._position

    def take(self, size: int) -> bytes:
        """Read size bytes."""
        if size > self.remaining:
            raise invalid(f"{size} bytes announced, {self.remaining} present")
        start = self._position
        self._position = start + size
        return self._data[start : self._position]

    def rest(self) -> bytes:
        """Read what is left."""
        return self.take(self.remaining)

    def u8(self) -> int:
        """Read one byte."""
        return self.take(1)[0]

    def u16(self) -> int:
        """Read an unsigned 16-bit integer, big endian."""
        value: int = _U16.unpack(self.take(2))[0]
        return value

    def u32(self) -> int:
        """Read an unsigned 32-bit integer, big endian."""
        value: int = _U32.unpack(self.take(4))[0]
        return value

    def sized(self) -> bytes:
        """Read bytes that follow their own 16-bit length."""
        return self.take(self.u16())

    def items(self) -> Iterator[tuple[int, bytes]]:
        """Read variable items to the end: type and value of each."""
        while self.remaining:
            item_type, length = type_and_length.unpack(self.take(4))
            yield item_type, self.take(length)


class SplitHeader:
    """Reads a header of fixed size that may be cut anywhere by the end of what was received."""

    __slots__ = ("_layout", "_partial", "_size")

    def __init__(self, layout: Struct) -> None:
        self._layout = layout
        self._size = layout.size
        self._partial = bytearray()

    @property
    def missing(self) -> int:
        """Bytes until the header is complete."""
        return self._size - len(self._partial)

    def read(self, data: memoryview, position: int, end: int) -> tuple[tuple[int, ...] | None, int]:
        """Read from a position; return the fields, or None as long as they are not all there, and the new position."""
        if not self._partial and end - position >= self._size:
            return self._layout.unpack_from(data, position), position + self._size
        stop = min(end, position + self.missing)
        self._partial += data[position:stop]
        if self.missing:
            return None, stop
        fields = self._layout.unpack(self._partial)
        self._partial.clear()
        return fields, stop


def encode_item(item_type: int, value: bytes) -> bytes:
    """Encode a variable item."""
    if len(value) > MAX_ITEM_LENGTH:
        raise LocalProtocolError(f"item {item_type:#04x} would hold {len(value)} bytes, at most {MAX_ITEM_LENGTH} fit")
    return type_and_length.pack(item_type, len(value)) + value


def encode_sized(value: bytes) -> bytes:
    """Encode bytes after their 16-bit length."""
    if len(value) > MAX_ITEM_LENGTH:
        raise LocalProtocolError(f"a field would hold {len(value)} bytes, at most {MAX_ITEM_LENGTH} fit")
    return _U16.pack(len(value)) + value


def decode_text(value: bytes) -> str:
    """Decode a UID, AE title or comment: padding is dropped, and no byte is refused.

    What a peer writes here is checked where it is used, so that it can be answered with a status.
    """
    return value.decode("latin-1").rstrip("\0 ").lstrip(" ")


def encode_text(value: str) -> bytes:
    """Encode a UID, AE title or comment; characters beyond ISO 8859-1 become question marks."""
    return value.encode("latin-1", "replace")
