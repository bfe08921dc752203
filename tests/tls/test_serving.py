"""What a server does with certificates: AE titles are bound to them, they are renewed while it runs, and watched."""

import hashlib
import http.client
import signal
import ssl
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from archimage.protocol.pdu import AssociateAccept, AssociateReject
from tests.attacks.server import Server, running, wait_until
from tests.attacks.trail import is_told
from tests.attacks.wire import Peer, request
from tests.tls.keys import Keys
from tests.tls.peers import WITHIN_S, gets_in, secured


@pytest.fixture(scope="module")
def bound(keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server at which two AE titles must come with their certificates."""
    encoded = ssl.PEM_cert_to_DER_cert(keys.certificate("MR1").read_text("ascii"))
    file = tmp_path_factory.mktemp("bound") / "settings.toml"
    file.write_text(f'[tls.peers]\nCT1 = "ct1.example"\nMR1 = "sha256:{hashlib.sha256(encoded).hexdigest()}"\n')
    settings = keys.settings(dicom__client_certificates="optional")
    with running(file.parent / "data", ("--config", str(file)), settings) as server:
        yield server


def test_an_ae_title_comes_with_its_own_certificate_only(bound: Server, keys: Keys) -> None:
    assert gets_in(bound, keys.client("CT1"), calling="CT1")
    assert gets_in(bound, keys.client("MR1"), calling="MR1")
    assert gets_in(bound, keys.client("MR1"), calling="OTHER")
    assert not gets_in(bound, keys.client("MR1"), calling="CT1")
    assert not gets_in(bound, keys.client("CT1"), calling="MR1")
    assert not gets_in(bound, keys.client(), calling="CT1")
    with Peer(bound.port) as peer:
        assert peer.associate(request(calling="CT1")) == AssociateReject(1, 1, 3)
    assert "comes with another certificate than tls.peers names" in bound.log
    assert "comes without the certificate that tls.peers names" in bound.log
    for why in ("comes with another certificate than", "comes without the certificate that"):
        assert is_told(bound, "110113", "AETITLES=CT1", why)


def _reload(server: Server, said: str) -> None:
    before = server.log.count(said)
    server.process.send_signal(signal.SIGHUP)
    assert wait_until(lambda: server.log.count(said) > before, WITHIN_S), server.log[-1_500:]


def test_certificates_are_read_again_and_no_association_notices(keys: Keys, tmp_path: Path) -> None:
    certificate, key = tmp_path / "server.pem", tmp_path / "server.key"
    certificate.write_bytes(keys.certificate("expired").read_bytes())
    key.write_bytes(keys.key("expired").read_bytes())
    settings = keys.settings(tls__certificate=certificate, tls__key=key)
    with running(tmp_path / "data", settings=settings) as server, secured(server, keys.blind()) as peer:
        assert isinstance(peer.associate(request()), AssociateAccept)
        assert not gets_in(server, keys.client())
        certificate.write_bytes(keys.certificate("server").read_bytes())
        _reload(server, "the settings stay as they are")  # the key is still that of the other
        assert gets_in(server, keys.blind())
        key.write_bytes(keys.key("server").read_bytes())
        _reload(server, "the settings were read again")
        assert gets_in(server, keys.client())
        assert peer.echo() == 0
        peer.release()


def test_a_certificate_is_not_taken_away_while_its_ports_are_open(keys: Keys, tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    named = {"certificate": keys.certificate("server"), "key": keys.key("server")}
    file.write_text("[tls]\n" + "".join(f'{name} = "{path}"\n' for name, path in named.items()))
    options = ("--config", str(file))
    with running(tmp_path / "data", options, {"dicom__tls_port": "0"}) as server:
        assert gets_in(server, keys.client())
        file.write_text("")
        _reload(server, "the settings stay as they are")
        assert "tls.certificate is empty" in server.log
        assert gets_in(server, keys.client())


def test_what_is_revoked_while_it_runs_gets_in_no_more(keys: Keys, tmp_path: Path) -> None:
    revoked = tmp_path / "revoked.pem"
    revoked.write_bytes(keys.certificate("nothing-revoked").read_bytes())
    settings = keys.settings(dicom__client_certificates="required", tls__revoked=revoked)
    with running(tmp_path / "data", settings=settings) as server:
        assert gets_in(server, keys.client("revoked"))
        revoked.write_bytes(keys.certificate("revocations").read_bytes())
        _reload(server, "the settings were read again")
        assert not gets_in(server, keys.client("revoked"))
        assert gets_in(server, keys.client("CT1"))


@pytest.mark.parametrize(("name", "status", "told"), [("server", 200, '"days":396'), ("expired", 503, "certificate")])
def test_health_tells_how_long_the_certificate_holds(
    keys: Keys, tmp_path: Path, name: str, status: int, told: str
) -> None:
    settings = keys.settings(tls__certificate=keys.certificate(name), tls__key=keys.key(name))
    with (
        running(tmp_path / "data", settings=settings) as server,
        closing(http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=WITHIN_S)) as connection,
    ):
        connection.request("GET", "/health")
        answer = connection.getresponse()
        assert (answer.status, told in answer.read().decode()) == (status, True)
        connection.request("GET", "/ready")
        assert connection.getresponse().status == 200


def test_https_serves_and_wants_certificates_where_it_is_told_to(keys: Keys, tmp_path: Path) -> None:
    settings = keys.settings(http__tls="true", http__client_certificates="required")
    with running(tmp_path / "data", settings=settings) as server:
        port = server.http_port
        with closing(http.client.HTTPSConnection("localhost", port, context=keys.client("CT1"))) as connection:
            for path in ("/ready", "/", "/dicom-web/studies"):
                connection.request("GET", path)
                answer = connection.getresponse()
                answer.read()
                assert answer.status in {200, 204}
        nameless = http.client.HTTPSConnection("localhost", port, context=keys.client())
        with closing(nameless), pytest.raises(OSError, match=r"certificate required|closed|reset|EOF"):
            _ask(nameless)
        assert wait_until(lambda: "it sent no certificate" in server.log, WITHIN_S)


def _ask(connection: http.client.HTTPConnection) -> None:
    connection.request("GET", "/ready")
    connection.getresponse()


def test_two_processes_share_the_ports_with_tls(keys: Keys, tmp_path: Path) -> None:
    settings = keys.settings(dicom__client_certificates="required")
    with running(tmp_path / "data", ("--workers", "2"), settings) as server:
        assert all(gets_in(server, keys.client("CT1")) for _ in range(12))
        assert not gets_in(server, keys.client())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"tls__certificate": "nowhere.pem"}, "tls.certificate = .*nowhere.pem.*no such file"),
        ({"tls__key": ""}, "set together"),
        ({"tls__authorities": "", "dicom__client_certificates": "required"}, "tls.authorities names nobody"),
        ({"tls__certificate": "", "tls__key": "", "http__tls": "true"}, "http.tls = true needs a certificate"),
        ({"tls__certificate": "", "tls__key": "", "dicom__plain": "false"}, "dicom.plain = false needs a certificate"),
        ({"tls__profile": "ssl3"}, "bcp195"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(
    keys: Keys, tmp_path: Path, settings: dict[str, str], said: str
) -> None:
    with pytest.raises(TimeoutError, match=said), running(tmp_path / "data", settings=keys.settings(**settings)):
        pass


def test_a_certificate_is_a_principal_over_the_web_too(keys: Keys, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    rule = '[[rule]]\nname = "a gateway"\ncertificates = ["ct1.example"]\nallow = ["query"]\n'
    (data / "access.toml").write_text(rule)
    settings = keys.settings(http__tls="true", http__client_certificates="optional")

    def status(context: ssl.SSLContext, path: str) -> int:
        with closing(http.client.HTTPSConnection("localhost", server.http_port, context=context)) as connection:
            connection.request("GET", path)
            return connection.getresponse().status

    with running(data, settings=settings) as server:
        assert status(keys.client("CT1"), "/dicom-web/studies") == 200
        assert status(keys.client("CT1"), "/dicom-web/studies/1.2") == 403
        assert status(keys.client("MR1"), "/dicom-web/studies") == 403
        assert status(keys.client(), "/dicom-web/studies") == 401
