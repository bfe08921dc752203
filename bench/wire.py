"""The little of PS3.7 and PS3.8 that the bench's own lean clients speak, written apart from the archive under test.

Explicit VR Little Endian for what is stored, Implicit VR Little Endian for identifiers; one P-DATA-TF carries one PDV.
"""

import socket
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
IMPLICIT_LE = "1.2.840.10008.1.2"
EXPLICIT_LE = "1.2.840.10008.1.2.1"
VERIFICATION = "1.2.840.10008.1.1"
IMPLEMENTATION = "2.25.298347561029384756"
MAX_PDU = 131072  # bytes, PDU header excluded; what every server of the bench is told to accept
TIMEOUT_S = 120
P_DATA, RELEASE_RQ, RELEASE_RP = 0x04, 0x05, 0x06
STATUS_TAG = struct.pack("<HHL", 0x0000, 0x0900, 2)


class WireError(Exception):
    """The server did not do what the measurement needs."""


@dataclass(frozen=True, slots=True)
class Context:
    """A proposed presentation context; scp asks for the SCP role, as C-GET needs."""

    abstract: str
    transfer: str = EXPLICIT_LE
    scp: bool = False


def connect_socket(port: int) -> socket.socket:
    """Connect to a port of loopback; blocking, bounded by the kernel's own timeouts so that sendfile works."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)
    prepare_socket(sock)
    return sock


def prepare_socket(sock: socket.socket) -> None:
    """Switch off Nagle's algorithm and bound every call."""
    sock.settimeout(None)
    limit = struct.pack("@ll", TIMEOUT_S, 0)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def item(kind: int, body: bytes) -> bytes:
    """Encode a variable item or sub-item."""
    return struct.pack(">BxH", kind, len(body)) + body


def pdu(kind: int, body: bytes) -> bytes:
    """Encode a PDU."""
    return struct.pack(">BxL", kind, len(body)) + body


def associate(kind: int, called: str, calling: str, items: bytes) -> bytes:
    """Encode an A-ASSOCIATE-RQ (1) or -AC (2)."""
    titles = called.ljust(16).encode() + calling.ljust(16).encode()
    return pdu(kind, struct.pack(">Hxx", 1) + titles + bytes(32) + item(0x10, APPLICATION_CONTEXT.encode()) + items)


def user_information(extra: bytes = b"") -> bytes:
    """Encode the user information item."""
    return item(0x50, item(0x51, struct.pack(">L", MAX_PDU)) + item(0x52, IMPLEMENTATION.encode()) + extra)


def associate_request(called: str, calling: str, contexts: Sequence[Context]) -> bytes:
    """Encode an A-ASSOCIATE-RQ; the contexts get the ids 1, 3, 5 ..."""
    items, roles = b"", b""
    for number, context in enumerate(contexts):
        syntaxes = item(0x30, context.abstract.encode()) + item(0x40, context.transfer.encode())
        items += item(0x20, struct.pack(">Bxxx", 2 * number + 1) + syntaxes)
        if context.scp:
            uid = context.abstract.encode()
            roles += item(0x54, struct.pack(">H", len(uid)) + uid + b"\x00\x01")
    return associate(1, called, calling, items + user_information(roles))


def element(group: int, number: int, value: bytes) -> bytes:
    """Encode an element in Implicit VR Little Endian."""
    return struct.pack("<HHL", group, number, len(value) + len(value) % 2) + value + b"\0" * (len(value) % 2)


def text(group: int, number: int, value: str) -> bytes:
    """Encode a text element in Implicit VR Little Endian, padded with a space."""
    return element(group, number, (value + " " * (len(value) % 2)).encode())


def uid(group: int, number: int, value: str) -> bytes:
    """Encode a UI element in Implicit VR Little Endian."""
    return element(group, number, value.encode())


def command(elements: Mapping[int, int | str]) -> bytes:
    """Encode a command set from element numbers of group 0000 to US values or UIDs."""
    body = b""
    for number, value in sorted(elements.items()):
        body += element(0, number, struct.pack("<H", value)) if isinstance(value, int) else uid(0, number, value)
    return element(0, 0, struct.pack("<L", len(body))) + body


def store_request(sop_class: str, sop_instance: str) -> bytes:
    """Encode the command set of a C-STORE-RQ."""
    return command({0x0002: sop_class, 0x0100: 0x0001, 0x0110: 1, 0x0700: 0, 0x0800: 1, 0x1000: sop_instance})


def query_request(field: int, sop_class: str, destination: str | None = None) -> bytes:
    """Encode the command set of a C-FIND-RQ (0020H), C-GET-RQ (0010H) or C-MOVE-RQ (0021H)."""
    elements: dict[int, int | str] = {0x0002: sop_class, 0x0100: field, 0x0110: 1, 0x0700: 0, 0x0800: 1}
    if destination is not None:
        elements[0x0600] = destination + " " * (len(destination) % 2)
    return command(elements)


def p_data(context_id: int, data: bytes, *, is_command: bool) -> Iterator[bytes]:
    """Encode a message's part as P-DATA-TF PDUs."""
    room = MAX_PDU - 6
    for start in range(0, len(data), room):
        chunk = data[start : start + room]
        control = is_command + 2 * (start + room >= len(data))
        yield pdu(P_DATA, struct.pack(">LBB", len(chunk) + 2, context_id, control) + chunk)


def message(context_id: int, command_set: bytes, dataset: bytes = b"") -> bytes:
    """Encode a whole message."""
    return b"".join((*p_data(context_id, command_set, is_command=True), *p_data(context_id, dataset, is_command=False)))


def split_pdvs(body: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """Yield (context id, control, data) of the PDVs of a P-DATA-TF."""
    at = 0
    while at < len(body):
        length, context_id, control = struct.unpack_from(">LBB", body, at)
        yield context_id, control, body[at + 6 : at + 4 + length]
        at += 4 + length


def command_values(command_set: bytes) -> dict[int, bytes]:
    """Decode a command set into element numbers and raw values."""
    values, at = {}, 0
    while at + 8 <= len(command_set):
        _, number, length = struct.unpack_from("<HHL", command_set, at)
        values[number] = command_set[at + 8 : at + 8 + length]
        at += 8 + length
    return values


def status_of(command_set: bytes) -> int:
    """Return the Status of a response."""
    at = command_set.find(STATUS_TAG)
    if at < 0:
        raise WireError("a command without Status came where a response was awaited")
    return int.from_bytes(command_set[at + 8 : at + 10], "little")


class Channel:
    """An association over a blocking socket, read through one reused buffer."""

    def __init__(self, sock: socket.socket, buffer_bytes: int = 1 << 20) -> None:
        """Take over a connected socket; no PDU may be longer than the buffer."""
        self.sock = sock
        self._buffer = bytearray(buffer_bytes)
        self._view = memoryview(self._buffer)
        self._start = self._end = 0

    @classmethod
    def open(cls, port: int, called: str, contexts: Sequence[Context], buffer_bytes: int = 1 << 20) -> Self:
        """Associate; raises WireError when the first context is not accepted."""
        channel = cls(connect_socket(port), buffer_bytes)
        channel.sock.sendall(associate_request(called, "BENCH", contexts))
        kind, body = channel.read_pdu()
        if kind != 2:
            raise WireError(f"association with {called} refused: PDU {kind}, {bytes(body[:4]).hex()}")
        accepted = bytes(body)
        at = accepted.find(struct.pack(">BB", 0x21, 0), 68)
        if accepted[at + 6] != 0:
            raise WireError(f"{called} does not accept {contexts[0].abstract}: result {accepted[at + 6]}")
        return channel

    def read_pdu(self) -> tuple[int, memoryview]:
        """Read one PDU; the view holds until the next call."""
        self._need(6)
        kind, length = struct.unpack_from(">BxL", self._buffer, self._start)
        self._need(6 + length)
        body = self._view[self._start + 6 : self._start + 6 + length]
        self._start += 6 + length
        return kind, body

    def _need(self, count: int) -> None:
        if self._start == self._end:
            self._start = self._end = 0
        if self._start + count > len(self._buffer):
            rest = bytes(self._view[self._start : self._end])
            self._view[: len(rest)] = rest
            self._start, self._end = 0, len(rest)
        while self._end - self._start < count:
            got = self.sock.recv_into(self._view[self._end :])
            if not got:
                raise WireError("the server closed the connection")
            self._end += got

    def read_pdvs(self) -> Iterator[tuple[int, int, memoryview]]:
        """Return the PDVs of the next P-DATA-TF; raises WireError when another PDU comes."""
        kind, body = self.read_pdu()
        if kind != P_DATA:
            raise WireError(f"PDU {kind} came where data were awaited: {bytes(body[:4]).hex()}")
        return split_pdvs(body)

    def read_commands(self) -> Iterator[tuple[int, bytes]]:
        """Yield (context id, command set) of every message that comes, their data sets discarded, for ever."""
        while True:
            for context_id, control, data in self.read_pdvs():
                if control == 3:
                    yield context_id, bytes(data)

    def read_status(self) -> int:
        """Read one response and return its Status."""
        return status_of(next(self.read_commands())[1])

    def echo(self) -> None:
        """Send a C-ECHO on context 1 and wait for its answer."""
        self.sock.sendall(message(1, command({0x0002: VERIFICATION, 0x0100: 0x0030, 0x0110: 1, 0x0800: 0x0101})))
        if status := self.read_status():
            raise WireError(f"C-ECHO answered {status:#06x}")

    def release(self) -> None:
        """Release the association and close."""
        self.sock.sendall(pdu(RELEASE_RQ, bytes(4)))
        while self.read_pdu()[0] != RELEASE_RP:
            pass
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self.sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.release()
        else:
            self.close()
