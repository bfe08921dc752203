"""Connections that a balancer forwards, by a PROXY header, from an address of its own on this machine."""

import socket
import struct
from typing import Final

from tests.attacks.wire import Peer

BALANCER: Final = "127.0.0.9"
CLIENT: Final = "192.0.2.7"
SETTINGS: Final = {f"{door}__proxy_from": BALANCER for door in ("dicom", "http", "hl7")}
_SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
LOCAL: Final = _SIGNATURE + b"\x20\x00\x00\x00"
TLS: Final = b"\x20\x00\x05\x01\x00\x00\x00\x00"


def version_1(source: str = CLIENT, port: int = 50_123) -> bytes:
    """Return a header of version 1."""
    return f"PROXY TCP4 {source} 198.51.100.1 {port} 11112\r\n".encode()


def version_2(source: str = CLIENT, port: int = 50_123, more: bytes = b"") -> bytes:
    """Return a header of version 2; more are type-length-values."""
    rest = socket.inet_aton(source) + socket.inet_aton("198.51.100.1") + struct.pack(">HH", port, 11112) + more
    return _SIGNATURE + struct.pack(">BBH", 0x21, 0x11, len(rest)) + rest


def connect(port: int, header: bytes) -> socket.socket:
    """Connect as the balancer does, and begin with a header."""
    connection = socket.create_connection(("127.0.0.1", port), 10, source_address=(BALANCER, 0))
    connection.sendall(header)
    return connection


def forwarded(port: int, header: bytes) -> Peer:
    """Return a DICOM peer that the balancer forwards."""
    peer = Peer(port)
    peer.socket.close()
    peer.socket = connect(port, header)
    return peer


def is_dropped(connection: socket.socket) -> bool:
    """Wait for the end of a connection; tell whether nothing was said before it."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True
