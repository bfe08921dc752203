"""Who is behind a balancer: told by its PROXY header at every port, and believed of nobody else."""

import asyncio
import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import uvloop

from archimage.net.server import bind
from archimage.protocol.pdu import AssociateAccept
from archimage.protocol.proxy import Forwarded
from archimage.tls.forwarded import Balancers
from archimage.tls.listening import HandshakeLimits, Listener
from tests.attacks.server import Server, running, wait_until
from tests.attacks.wire import Peer, request
from tests.hl7.sending import ENABLED, RawPeer, code, order, port_of, segments
from tests.tls.balancing import (
    BALANCER,
    CLIENT,
    LOCAL,
    SETTINGS,
    TLS,
    connect,
    forwarded,
    is_dropped,
    version_1,
    version_2,
)
from tests.tls.keys import Keys
from tests.tls.peers import WITHIN_S, tls_port

RULES = f"""
[[rule]]
name = "behind the balancer"
addresses = ["{CLIENT}"]
allow = ["query", "echo"]

[[rule]]
name = "this machine"
addresses = ["127.0.0.1", "{BALANCER}"]
allow = ["administer"]
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, keys: Keys) -> Iterator[Server]:
    """A server behind a balancer."""
    data = tmp_path_factory.mktemp("behind") / "one" / "two" / "data"
    settings = {**ENABLED, **SETTINGS, **keys.settings(dicom__client_certificates="optional")}
    with running(data, settings={**settings, "hl7__allowed_addresses": CLIENT}) as started:
        yield started


def _addresses(server: Server) -> list[str]:
    with closing(http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=10)) as connection:
        connection.request("GET", "/api/v1/associations")
        return [one["address"] for one in json.loads(connection.getresponse().read())]


@pytest.mark.parametrize(
    ("source", "header"),
    [
        ("192.0.2.11", version_1("192.0.2.11")),
        ("192.0.2.12", version_2("192.0.2.12")),
        ("192.0.2.13", version_2("192.0.2.13", more=TLS)),
    ],
)
def test_an_association_is_of_whom_the_balancer_forwards(server: Server, source: str, header: bytes) -> None:
    with forwarded(server.port, header) as peer:
        assert isinstance(peer.associate(request()), AssociateAccept)
        assert peer.echo() == 0
        assert source in _addresses(server)
        peer.release()


def test_the_header_may_come_byte_by_byte(server: Server) -> None:
    with forwarded(server.port, b"") as peer:
        peer.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in version_2():
            peer.socket.sendall(bytes([byte]))
        assert isinstance(peer.associate(request()), AssociateAccept)
        peer.release()


def test_a_look_of_the_balancer_itself_is_its_own(server: Server) -> None:
    with forwarded(server.port, LOCAL) as peer:
        assert isinstance(peer.associate(request()), AssociateAccept)
        assert BALANCER in _addresses(server)
        peer.release()


def test_the_header_comes_before_the_handshake(server: Server, keys: Keys) -> None:
    with forwarded(tls_port(server), version_2("192.0.2.14")) as peer:
        peer.socket = keys.client("CT1").wrap_socket(peer.socket, server_hostname="localhost")
        assert isinstance(peer.associate(request(calling="CT1")), AssociateAccept)
        assert "192.0.2.14" in _addresses(server)
        peer.release()


def test_a_handshake_that_fails_is_told_of_whom_the_balancer_forwards(server: Server) -> None:
    with forwarded(tls_port(server), version_2(port=50_777)) as peer:
        peer.socket.sendall(b"no handshake")
        is_dropped(peer.socket)
    assert wait_until(lambda: f'event="TLS handshake failed" peer={CLIENT}:50777' in server.log, WITHIN_S)


def test_without_a_header_nobody_comes_from_a_balancer(server: Server) -> None:
    with forwarded(server.port, b"") as peer:
        peer.send(request())
        assert is_dropped(peer.socket)
    assert wait_until(lambda: "PROXY header refused" in server.log, WITHIN_S)
    with closing(connect(server.port, b"PROXY ")) as connection:
        connection.shutdown(socket.SHUT_WR)
        assert is_dropped(connection)
    assert wait_until(lambda: "ended within the PROXY header" in server.log, WITHIN_S)


def test_a_port_that_is_only_looked_at_is_not_told(server: Server) -> None:
    before = server.log.count("PROXY header refused")
    connect(server.port, b"").close()
    with forwarded(server.port, version_1()) as peer:
        assert isinstance(peer.associate(request()), AssociateAccept)
        peer.release()
    assert server.log.count("PROXY header refused") == before


def test_nobody_else_is_believed(server: Server) -> None:
    with Peer.associated(server.port) as peer:
        assert "127.0.0.1" in _addresses(server)
        peer.release()
    with Peer(server.port) as peer:
        peer.socket.sendall(version_1())
        peer.send(request())
        assert not isinstance(peer.receive(), AssociateAccept)
    with closing(http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=10)) as connection:
        connection.connect()
        connection.sock.sendall(version_1())
        connection.request("GET", "/ready")
        assert connection.getresponse().status == 400


def test_a_message_is_of_whom_the_balancer_forwards(server: Server) -> None:
    with RawPeer(port_of(server)) as peer:
        assert peer.is_closed()  # this machine may send none
    with RawPeer(port_of(server)) as peer:
        peer.socket.close()
        peer.socket = connect(port_of(server), version_2())
        peer.send(b"\x0b" + order("P-1").encode() + b"\x1c\r")
        assert code(segments(peer.answer())) == "AA"


def _status(port: int, header: bytes, context: ssl.SSLContext | None = None) -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.sock = connect(port, header)
        if context is not None:
            connection.sock = context.wrap_socket(connection.sock, server_hostname="localhost")
        for _ in range(2):  # one connection, one header
            connection.request("GET", "/dicom-web/studies")
            answer = connection.getresponse()
            answer.read()
        return answer.status


@pytest.mark.parametrize("tls", [False, True])
def test_rules_by_address_hold_behind_the_balancer(tmp_path: Path, keys: Keys, *, tls: bool) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "access.toml").write_text(RULES)
    settings = {**SETTINGS, **(keys.settings(http__tls="true") if tls else {})}
    context = keys.client() if tls else None
    with running(data, settings=settings) as server:
        assert _status(server.http_port, version_2(), context) == 200
        assert _status(server.http_port, version_1(), context) == 200
        assert _status(server.http_port, version_2("192.0.2.8"), context) == 401
        assert _status(server.http_port, LOCAL, context) == 401


@pytest.mark.parametrize(("more", "said"), [(b"", "over plain HTTP"), (TLS, "password is wrong")])
def test_a_password_is_taken_where_the_balancer_speaks_tls_with_the_client(
    tmp_path: Path, more: bytes, said: str
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "access.toml").write_text(RULES)
    with (
        running(data, settings=SETTINGS) as server,
        closing(http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=10)) as connection,
    ):
        connection.sock = connect(server.http_port, version_2("192.0.2.8", more=more))
        connection.request("GET", "/dicom-web/studies", headers={"Authorization": "Basic YW5uYTpzZWNyZXQ="})
        answer = connection.getresponse()
        assert answer.status == 401
        assert said in answer.read().decode()


async def _given_up(limits: HandshakeLimits) -> tuple[bytes, list[Forwarded | None]]:
    """Connect in silence, then as one should; return what the first got, and of whom protocols were made."""
    made: list[Forwarded | None] = []
    second = asyncio.Event()

    def protocol(forwarded: Forwarded | None = None) -> asyncio.Protocol:
        made.append(forwarded)
        second.set()
        return asyncio.Protocol()

    bound = bind("127.0.0.1", 0, shared=False)
    address = bound.getsockname()
    listener = Listener(protocol, None, limits, lambda _host, _reason: None, Balancers(["127.0.0.0/8"]))
    listener.listen(bound)
    async with asyncio.timeout(WITHIN_S):
        reader, silent = await asyncio.open_connection(*address)
        _, writer = await asyncio.open_connection(*address)
        writer.write(version_2())
        got = await reader.read(1)
        await second.wait()
    for one in (silent, writer):
        one.close()
    listener.close()
    return got, made


@pytest.mark.parametrize("limits", [HandshakeLimits(timeout_s=0.05), HandshakeLimits(timeout_s=60.0, at_once=1)])
def test_who_sends_no_header_is_given_up_in_time_or_for_others(limits: HandshakeLimits) -> None:
    assert uvloop.run(_given_up(limits)) == (b"", [Forwarded((CLIENT, 50_123))])


def test_addresses_of_balancers_are_ones_or_networks() -> None:
    balancers = Balancers(["192.0.2.0/24", "2001:db8::1"])
    assert balancers
    assert not Balancers()
    assert all(address in balancers for address in ("192.0.2.9", "::ffff:192.0.2.9", "2001:db8::1"))
    assert not any(address in balancers for address in ("192.0.3.9", "2001:db8::2", "fe80::1%eth0"))
