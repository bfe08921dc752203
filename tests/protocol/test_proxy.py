"""The PROXY header: what balancers send, cut anywhere, and what none of them would send."""

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archimage.errors import LocalProtocolError, RemoteProtocolError
from archimage.protocol.proxy import MAX_HEADER_BYTES, Forwarded, ProxyHeader

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
CLIENT, SERVER = "192.0.2.7", "198.51.100.1"
CLIENT_6, SERVER_6 = "2001:db8::7", "2001:db8::1"
TLS = b"\x20\x00\x05\x01\x00\x00\x00\x00"
NO_TLS = b"\x20\x00\x05\x00\x00\x00\x00\x00"

ports = st.integers(0, 0xFFFF)
ipv4 = st.ip_addresses(v=4).map(str)
ipv6 = st.ip_addresses(v=6).map(str)


def binary(command: int, kind: int, rest: bytes) -> bytes:
    return SIGNATURE + struct.pack(">BBH", 0x20 | command, kind, len(rest)) + rest


def addresses(source: str, port: int, destination: str = SERVER) -> bytes:
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    both = b"".join(socket.inet_pton(family, name) for name in (source, destination))
    return both + struct.pack(">HH", port, 11112)


def read(data: bytes, most: int = MAX_HEADER_BYTES) -> tuple[Forwarded | None, int]:
    """Read as a listener does, at most so many bytes at once; return what came of it, and how many bytes it took."""
    header, at = ProxyHeader(), 0
    while header.wanted and at < len(data):
        piece = data[at : at + min(most, header.wanted)]
        at += len(piece)
        if (found := header.receive(piece)) is not None:
            assert header.wanted == 0
            return found, at
    return None, at


HEADERS = [
    (f"PROXY TCP4 {CLIENT} {SERVER} 50123 11112\r\n".encode(), Forwarded((CLIENT, 50123))),
    (f"PROXY TCP6 {CLIENT_6} {SERVER_6} 1 65535\r\n".encode(), Forwarded((CLIENT_6, 1))),
    (b"PROXY UNKNOWN\r\n", Forwarded()),
    (f"PROXY UNKNOWN {CLIENT} {SERVER} 50123 11112\r\n".encode(), Forwarded()),
    (binary(1, 0x11, addresses(CLIENT, 50123)), Forwarded((CLIENT, 50123))),
    (binary(1, 0x21, addresses(CLIENT_6, 50123, SERVER_6)), Forwarded((CLIENT_6, 50123))),
    (binary(1, 0x11, addresses(CLIENT, 50123) + b"\x04\x00\x02ab" + TLS), Forwarded((CLIENT, 50123), tls=True)),
    (binary(1, 0x11, addresses(CLIENT, 50123) + NO_TLS), Forwarded((CLIENT, 50123))),
    (binary(1, 0x11, addresses(CLIENT, 50123) + b"\x20\x00\x00"), Forwarded((CLIENT, 50123))),
    (binary(1, 0x31, bytes(216)), Forwarded()),
    (binary(1, 0x00, b""), Forwarded()),
    (binary(0, 0x00, b""), Forwarded()),
    (binary(0, 0x11, addresses(CLIENT, 50123)), Forwarded()),
]


@pytest.mark.parametrize(("data", "told"), HEADERS)
def test_a_header_says_whom_a_connection_is_from(data: bytes, told: Forwarded) -> None:
    assert read(data) == (told, len(data))


@pytest.mark.parametrize(("data", "told"), HEADERS)
def test_nothing_of_what_follows_is_read(data: bytes, told: Forwarded) -> None:
    assert read(data + b"\x01\x00\r\n") == (told, len(data))


@pytest.mark.parametrize(("data", "told"), HEADERS)
def test_it_may_be_cut_anywhere(data: bytes, told: Forwarded) -> None:
    assert read(data, 1) == (told, len(data))
    for offset in range(1, len(data)):
        header, at = ProxyHeader(), 0
        found = None
        while found is None:
            stop = offset if at < offset else len(data)
            piece = data[at : min(stop, at + header.wanted)]
            at += len(piece)
            found = header.receive(piece)
        assert (found, at) == (told, len(data))


@given(source=ipv4 | ipv6, port=ports, version=st.sampled_from([1, 2]), most=st.integers(1, 200))
def test_any_address_is_read_as_it_was_sent(source: str, port: int, version: int, most: int) -> None:
    other = SERVER_6 if ":" in source else SERVER
    line = f"PROXY TCP{6 if ':' in source else 4} {source} {other} {port} 11112\r\n".encode()
    data = line if version == 1 else binary(1, 0x21 if ":" in source else 0x11, addresses(source, port, other))
    assert read(data, most) == (Forwarded((source, port)), len(data))


@given(st.binary(max_size=300))
def test_anything_else_is_read_within_bounds_or_refused(rest: bytes) -> None:
    for start in (b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, SIGNATURE + b"\x21"):
        header = ProxyHeader()
        try:
            for byte in start + rest:
                if not header.wanted:
                    break
                assert header.wanted <= MAX_HEADER_BYTES
                header.receive(bytes([byte]))
        except RemoteProtocolError:
            pass


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"GET / HTTP/1.1\r\n", "no PROXY header"),
        (b"\x01\x00\x00\x00\x00\xcd" + bytes(20), "no PROXY header"),
        (b"\r\n\r\nGET / HTTP/1.1\r\n", "signature"),
        (b"PROXY TCP4 " + b"1" * 200, "longer than 107"),
        (f"PROXY TCP4 {CLIENT} {SERVER} 50123\r\n".encode(), "fields"),
        (f"PROXY UDP4 {CLIENT} {SERVER} 50123 11112\r\n".encode(), "fields"),
        (f"PROXY TCP6 {CLIENT} {SERVER} 50123 11112\r\n".encode(), "address"),
        (f"PROXY TCP4 {CLIENT} nowhere 50123 11112\r\n".encode(), "address"),
        (f"PROXY TCP4 {CLIENT} {SERVER} 65536 11112\r\n".encode(), "port"),
        (f"PROXY TCP4 {CLIENT} {SERVER} 50123 -1\r\n".encode(), "port"),
        (f"PROXY TCP4 {CLIENT} {SERVER} 50123 1²\r\n".encode("latin-1"), "port"),
        (SIGNATURE + b"\x31\x11\x00\x00", "version"),
        (SIGNATURE + b"\x22\x11\x00\x00", "command"),
        (binary(1, 0x12, addresses(CLIENT, 50123)), "not of a TCP connection"),
        (binary(1, 0x11, addresses(CLIENT, 50123)[:11]), "announced"),
        (binary(1, 0x21, addresses(CLIENT, 50123)), "announced"),
        (binary(1, 0x11, addresses(CLIENT, 50123) + b"\x04\x00\x03ab"), "announced"),
        (SIGNATURE + b"\x21\x11\xff\xff", f"longer than {MAX_HEADER_BYTES}"),
    ],
)
def test_what_is_no_header_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(RemoteProtocolError, match=why):
        read(data)


def test_more_than_was_wanted_is_a_mistake_of_ours() -> None:
    header = ProxyHeader()
    with pytest.raises(LocalProtocolError):
        header.receive(bytes(header.wanted + 1))
