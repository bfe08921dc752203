"""Handshakes with a real server: who gets in, who does not, and that the log says why (PS3.15 §B.12, §B.13)."""

import socket
import ssl
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from archimage.protocol.pdu import Abort, AssociateAccept
from tests.attacks.server import Server, running, wait_until
from tests.attacks.wire import Peer, request
from tests.interop.peers import tool
from tests.tls.keys import Keys
from tests.tls.peers import WITHIN_S, all_are_told, failures, gets_in, refused, secured, tls_port


@pytest.fixture(scope="module")
def strict(keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that requires certificates of peers."""
    settings = keys.settings(dicom__client_certificates="required")
    with running(tmp_path_factory.mktemp("strict") / "data", settings=settings) as server:
        yield server


@pytest.fixture(scope="module")
def lax(keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that checks certificates where they come, of the stricter profile."""
    settings = keys.settings(dicom__client_certificates="optional", tls__profile="modified-bcp195")
    with running(tmp_path_factory.mktemp("lax") / "data", settings=settings) as server:
        yield server


def limited(context: ssl.SSLContext, version: ssl.TLSVersion, suites: str = "") -> ssl.SSLContext:
    """Have a client speak one version only, and of 1.2 these suites only."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    context.set_ciphers(f"{suites or 'ALL:eNULL'}:@SECLEVEL=0")
    return context


# Versions and suites.

NO_VERSION: Final = "no version of TLS"
NO_SUITE: Final = "no cipher suite"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_versions_that_are_allowed(strict: Server, keys: Keys, version: ssl.TLSVersion) -> None:
    context = keys.client("CT1")
    context.minimum_version = context.maximum_version = version
    assert gets_in(strict, context)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_versions_that_are_not(strict: Server, keys: Keys, version: ssl.TLSVersion) -> None:
    refused(strict, limited(keys.client("CT1"), version), NO_VERSION)


@pytest.mark.parametrize(
    "suite",
    ["ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"],
)
def test_suites_of_both_profiles(strict: Server, lax: Server, keys: Keys, suite: str) -> None:
    for server in (strict, lax):
        assert gets_in(server, limited(keys.client("CT1"), ssl.TLSVersion.TLSv1_2, suite))


@pytest.mark.parametrize("suite", ["ECDHE-ECDSA-AES256-CCM", "ECDHE-ECDSA-AES128-CCM"])
def test_suites_of_the_stricter_profile(lax: Server, keys: Keys, suite: str) -> None:
    assert gets_in(lax, limited(keys.client("CT1"), ssl.TLSVersion.TLSv1_2, suite))


@pytest.mark.parametrize(
    "suite",
    [
        "ECDHE-ECDSA-AES256-SHA384",
        "ECDHE-ECDSA-AES128-SHA256",
        "ECDHE-ECDSA-AES256-SHA",
        "ECDHE-ECDSA-AES128-SHA",
        "ECDHE-ECDSA-NULL-SHA",
        "ECDHE-RSA-AES256-SHA384",
        "AES256-GCM-SHA384",
        "AES128-GCM-SHA256",
        "AES256-SHA256",
        "AES128-SHA",
        "NULL-SHA256",
        "ADH-AES256-GCM-SHA384",
        "AECDH-AES256-SHA",
        "ECDHE-ECDSA-ARIA256-GCM-SHA384",
    ],
)
def test_suites_without_forward_secrecy_or_authenticated_encryption(strict: Server, keys: Keys, suite: str) -> None:
    refused(strict, limited(keys.client("CT1"), ssl.TLSVersion.TLSv1_2, suite), NO_SUITE)


# Certificates of peers.


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "it sent no certificate"),
        ("expired", "certificate has expired"),
        ("foreign", "none of tls.authorities has issued it"),
        ("other-authority", "self-signed certificate"),
        ("revoked", "certificate revoked"),
        ("server-only", "unsuitable certificate purpose"),
    ],
)
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_peers_without_a_good_certificate(
    strict: Server, keys: Keys, name: str, reason: str, version: ssl.TLSVersion
) -> None:
    context = keys.client(name)
    context.minimum_version = context.maximum_version = version
    refused(strict, context, reason)


def test_where_they_are_optional_none_is_good_and_a_wrong_one_is_not(lax: Server, keys: Keys) -> None:
    assert gets_in(lax, keys.client())
    assert gets_in(lax, keys.client("CT1"))
    refused(lax, keys.client("foreign"), "none of tls.authorities has issued it")


# What peers find wrong with us.


@pytest.mark.parametrize(("trusting", "host"), [("other-authority", "localhost"), ("authority", "elsewhere.example")])
def test_a_peer_that_does_not_trust_us(strict: Server, keys: Keys, trusting: str, host: str) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        secured(strict, keys.client("CT1", trusting=trusting), host).close()
    assert wait_until(lambda: "our certificate" in " ".join(failures(strict)[-1:]), WITHIN_S), failures(strict)


# What is no TLS.


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"\x01\x00\x00\x00\x00\x44" + bytes(68), "what it sent is not TLS"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP without TLS"),
        (b"\x16\x03\x01\xff\xff" + b"\xff" * 400, ""),
        (b"\x16\x03\x01\x00\x05\x01", "left in the middle"),
    ],
)
def test_what_is_no_tls_is_closed_with_nothing_parsed(strict: Server, sent: bytes, reason: str) -> None:
    before = len(failures(strict))
    with socket.create_connection(("127.0.0.1", tls_port(strict)), timeout=WITHIN_S) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4_096):
            pass
    assert wait_until(lambda: len(failures(strict)) > before, WITHIN_S)
    assert reason in failures(strict)[-1]
    assert all_are_told(strict)


def test_tls_on_the_port_without_it_is_aborted(strict: Server, keys: Keys) -> None:
    with Peer(strict.port) as peer:
        client = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = keys.client("CT1").wrap_bio(*client, server_hostname="localhost")
        with pytest.raises(ssl.SSLWantReadError):
            tls.do_handshake()
        peer.send(client[1].read())
        assert peer.receive() == Abort(0, 0)


def test_both_ports_serve_at_once(strict: Server, keys: Keys) -> None:
    with Peer.associated(strict.port) as plain, secured(strict, keys.client("CT1")) as peer:
        assert isinstance(peer.associate(request()), AssociateAccept)
        assert plain.echo() == peer.echo() == 0
        plain.release()
        peer.release()


def test_renegotiation_is_refused(strict: Server, keys: Keys) -> None:
    command: list[str | Path] = [
        *(tool("openssl"), "s_client", "-connect", f"127.0.0.1:{tls_port(strict)}", "-tls1_2"),
        *("-CAfile", keys.certificate("authority"), "-cert", keys.certificate("CT1"), "-key", keys.key("CT1")),
    ]
    asked = subprocess.run(command, input=b"R\n", capture_output=True, timeout=WITHIN_S, check=False)
    assert b"no renegotiation" in asked.stdout + asked.stderr
