r"""The PROXY header that a balancer sends before anything else of a connection: whom it forwards.

Version 1 is a line of at most 107 bytes:

    PROXY TCP4 192.0.2.7 198.51.100.1 50123 11112\r\n
    PROXY UNKNOWN\r\n

and version 2:

    0                     12          13          14       16          28, 52 or 232
    | signature, 12 bytes | 2,        | family,   | length | addresses | type-length-values ...
                          | command   | transport |        | and ports |

    length: of what follows it, bytes, unsigned 16 bit, big endian; the numbers beside the bar are halves of a byte

A reader is told how many bytes it may read next. These never reach beyond the header, so nothing has to be given back.

Ref: haproxy.org/download/2.6/doc/proxy-protocol.txt §2.
"""

from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final

from archimage.errors import LocalProtocolError
from archimage.protocol.wire import Cursor, invalid

MAX_HEADER_BYTES: Final = 4_096
"""The longest header that is read; what balancers send has a few hundred bytes."""
_SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
_FIXED_BYTES: Final = 16
_WORD: Final = b"PROXY "
_SHORTEST_BYTES: Final = len(b"PROXY UNKNOWN\r\n")
_LONGEST_LINE_BYTES: Final = 107
_LINE_FIELDS: Final = 6
_VERSION: Final = 2
_LOCAL, _PROXY = 0, 1
_UNIX_BYTES: Final = 216
_TLS: Final = 0x20
_BY_TLS: Final = 0x01


@dataclass(frozen=True, slots=True)
class Forwarded:
    """Whom a connection is from: address and port, None for the balancer itself, and whether he speaks TLS with it."""

    source: tuple[str, int] | None = None
    tls: bool = False


class ProxyHeader:
    """Reads one header, in whatever pieces it comes."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._least_bytes = _SHORTEST_BYTES

    @property
    def wanted(self) -> int:
        """How many bytes may be read next; 0 once the header is whole."""
        return self._least_bytes - len(self._data)

    def receive(self, data: bytes) -> Forwarded | None:
        """Take bytes, at most as many as are wanted; return what the header says once it is whole.

        Raises:
            RemoteProtocolError: it is none.
        """
        if len(data) > self.wanted:
            raise LocalProtocolError(f"{self.wanted} bytes of the header are wanted, {len(data)} were read")
        self._data += data
        self._least_bytes = _least_bytes(self._data)
        if self.wanted:
            return None
        return _binary(self._data) if self._data.startswith(b"\r") else _line(self._data)


def _least_bytes(data: bytearray) -> int:
    """Return how long a header that begins so is at least."""
    if data.startswith(b"\r"):
        if not data.startswith(_SIGNATURE[: len(data)]):
            raise invalid("the PROXY header has a wrong signature")
        if len(data) < _FIXED_BYTES:
            return _FIXED_BYTES
        return _checked(_FIXED_BYTES + int.from_bytes(data[14:16]), MAX_HEADER_BYTES)
    if not data.startswith(_WORD[: len(data)]):
        raise invalid("there is no PROXY header")
    if data.endswith(b"\r\n"):
        return len(data)
    return _checked(max(_SHORTEST_BYTES, len(data) + (1 if data.endswith(b"\r") else 2)), _LONGEST_LINE_BYTES)


def _checked(least_bytes: int, most_bytes: int) -> int:
    if least_bytes > most_bytes:
        raise invalid(f"the PROXY header is longer than {most_bytes} bytes")
    return least_bytes


def _line(data: bytearray) -> Forwarded:
    """Read version 1."""
    fields = data[:-2].decode("latin-1").split(" ")
    if fields[1] == "UNKNOWN":
        return Forwarded()
    if len(fields) != _LINE_FIELDS or fields[1] not in {"TCP4", "TCP6"}:
        raise invalid("the PROXY header has other fields than a protocol, two addresses and two ports")
    address = IPv4Address if fields[1] == "TCP4" else IPv6Address
    try:
        source, _ = address(fields[2]), address(fields[3])
    except AddressValueError:
        raise invalid("the PROXY header has a wrong address") from None
    port, _ = _port(fields[4]), _port(fields[5])
    return Forwarded((str(source), port))


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 0xFFFF):
        raise invalid("the PROXY header has a wrong port")
    return int(text)


def _binary(data: bytearray) -> Forwarded:
    """Read version 2."""
    version, command = divmod(data[12], 16)
    if version != _VERSION or command not in {_LOCAL, _PROXY}:
        raise invalid("the PROXY header has an unknown version or command")
    if command == _LOCAL:
        return Forwarded()
    cursor = Cursor(bytes(data[_FIXED_BYTES:]))
    source = _source(data[13], cursor)
    return Forwarded(source, _has_tls(cursor))


def _source(kind: int, cursor: Cursor) -> tuple[str, int] | None:
    """Read the addresses; that of a local socket is of no use, and whoever comes by one is the balancer."""
    match kind:
        case 0x11:
            address = str(IPv4Address(cursor.take(4)))
            cursor.take(4)
        case 0x21:
            address = str(IPv6Address(cursor.take(16)))
            cursor.take(16)
        case 0x31:
            cursor.take(_UNIX_BYTES)
            return None
        case 0x00:
            return None
        case _:
            raise invalid("the PROXY header is not of a TCP connection")
    port, _ = cursor.u16(), cursor.u16()
    return address, port


def _has_tls(cursor: Cursor) -> bool:
    """Read the type-length-values; tell whether one of them says that TLS is spoken with the balancer."""
    found = False
    while cursor.remaining:
        kind, value = cursor.u8(), cursor.take(cursor.u16())
        if kind == _TLS:
            found = bool(value[:1] and value[0] & _BY_TLS)
    return found
