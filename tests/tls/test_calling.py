"""Other nodes are called with TLS, by commands, the management API and C-MOVE, and their certificates are checked."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from archimage.dicom.demo import demo_files
from tests.attacks.datasets import dataset, new_uid, one_image
from tests.attacks.server import Server, running, wait_until
from tests.attacks.wire import Peer, querying
from tests.interop.managing import Api
from tests.interop.peers import run
from tests.tls.keys import Keys
from tests.tls.peers import WITHIN_S, failures, tls_port


@pytest.fixture(scope="module")
def other(keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A node that requires certificates."""
    settings = keys.settings(dicom__client_certificates="required", dicom__ae_title="OTHER")
    with running(tmp_path_factory.mktemp("other") / "data", settings=settings) as server:
        yield server


@pytest.fixture(scope="module")
def ours(keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An archive with a certificate of its own."""
    settings = keys.settings(tls__certificate=keys.certificate("CT1"), tls__key=keys.key("CT1"))
    with running(tmp_path_factory.mktemp("ours") / "data", settings=settings) as server:
        yield server


def archimage(keys: Keys, *arguments: object, certificate: str = "CT1") -> "subprocess.CompletedProcess[str]":
    """Run a command with the settings of a peer."""
    settings = {
        "ARCHIMAGE__TLS__AUTHORITIES": keys.certificate("authority"),
        "ARCHIMAGE__TLS__CERTIFICATE": keys.certificate(certificate),
        "ARCHIMAGE__TLS__KEY": keys.key(certificate),
    }
    command = [sys.executable, "-m", "archimage", *map(str, arguments)]
    environment = {name: str(value) for name, value in settings.items()}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env={**environment, "PATH": "/usr/bin:/bin"}
    )


def test_commands_call_with_tls(keys: Keys, other: Server, tmp_path: Path) -> None:
    port = tls_port(other)
    echoed = archimage(keys, "echo", "localhost", port, "-aec", "OTHER", "--tls")
    assert echoed.returncode == 0, echoed.stderr
    for number, data in enumerate(demo_files(slices=2)):
        (tmp_path / f"{number}.dcm").write_bytes(data)
    stored = archimage(keys, "store", "localhost", port, tmp_path, "-aec", "OTHER", "--tls")
    assert stored.returncode == 0, stored.stderr
    found = archimage(keys, "find", "localhost", port, "-aec", "OTHER", "--tls", "--json")
    assert found.stdout.count("StudyInstanceUID") >= 3, found.stderr


def test_commands_say_why_a_handshake_failed(keys: Keys, other: Server) -> None:
    port = tls_port(other)
    refused = archimage(keys, "echo", "localhost", port, "-aec", "OTHER", "--tls", certificate="revoked")
    assert refused.returncode == 3
    plain = archimage(keys, "echo", "localhost", other.port, "-aec", "OTHER", "--tls")
    assert plain.returncode == 3
    assert "TLS handshake failed: what it sent is not TLS" in plain.stderr


def test_a_node_is_called_with_tls_by_the_api_and_by_c_move(keys: Keys, ours: Server, other: Server) -> None:
    api = Api(f"http://127.0.0.1:{ours.http_port}")
    entry = {"ae_title": "OTHER", "host": "localhost", "port": tls_port(other), "tls": True}
    assert api.ask("POST", "/nodes", entry).json["tls"] is True
    assert api.ask("GET", "/nodes/OTHER").json["tls"] is True
    assert api.ask("POST", "/nodes/OTHER/echo").json["elapsed_s"] > 0
    uid = new_uid()
    with Peer.associated(ours.port, querying()) as peer:
        assert peer.store(uid, dataset(uid)) == 0
        assert peer.move(one_image(uid), "OTHER") == 0
        peer.release()
    assert uid in {row.sop_instance_uid for row in other.rows()}


def test_a_node_with_a_certificate_of_another_name_is_not_called(keys: Keys, ours: Server, tmp_path: Path) -> None:
    settings = keys.settings(tls__certificate=keys.certificate("elsewhere"), tls__key=keys.key("elsewhere"))
    with running(tmp_path / "data", settings=settings) as server:
        api = Api(f"http://127.0.0.1:{ours.http_port}")
        entry = {"ae_title": "ELSEWHERE", "host": "localhost", "port": tls_port(server), "tls": True}
        assert api.ask("POST", "/nodes", entry).status == 201
        answer = api.ask("POST", "/nodes/ELSEWHERE/echo")
        assert answer.status == 502
        assert "TLS handshake failed: its certificate is not accepted: hostname mismatch" in answer.json["error"]
        assert wait_until(lambda: bool(failures(server)), WITHIN_S)


def test_dcmtk_stores_with_tls(keys: Keys, other: Server, tmp_path: Path) -> None:
    file = tmp_path / "one.dcm"
    file.write_bytes(next(iter(demo_files(slices=2))))
    secure = ("+tls", keys.key("CT1"), keys.certificate("CT1"), "+cf", keys.certificate("authority"))
    sent = run("storescu", *secure, "-aec", "OTHER", "+C", "localhost", tls_port(other), file)
    assert sent.returncode == 0, sent.stdout
    nobody = run("echoscu", "+tla", "+cf", keys.certificate("authority"), "-aec", "OTHER", "localhost", tls_port(other))
    assert nobody.returncode != 0
