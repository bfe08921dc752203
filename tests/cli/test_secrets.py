"""Nothing of a key or secret is told: not by any command, in the log, in an answer, or by the process list.

Secrets are in files: keys of TLS, of signatures and of the audit trail, secrets of projects. Every command that reads
one runs here, where it works and where it fails; so does the server, at the most talkative.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from archimage.dicom.demo import demo_files
from archimage.web.dicomweb.forms import DICOM
from tests.attacks.server import Server, launch, running, stop, wait_until
from tests.dicom.test_signatures import certified
from tests.tls.keys import Keys, make_keys
from tests.web.serving import Client

_PASSPHRASE: Final = "swordfish-opens-sesame"
_GARBAGE: Final = "c3dvcmRmaXNob3BlbnNlc2FtZWFuZG1vcmU"
_WITHIN_S: Final = 60
_LOOKS_EVERY_S: Final = 0.1


@dataclass
class Secrets:
    """An archive's directory with every kind of secret in it, and what of them must never be seen."""

    data: Path
    keys: Keys
    marks: set[str] = field(default_factory=lambda: {_PASSPHRASE, _GARBAGE})

    @property
    def outside(self) -> Path:
        """A folder beside the archive."""
        return self.data.parent

    def mark(self, *files: Path) -> None:
        """Note what stands in files of keys and secrets."""
        for file in files:
            for line in file.read_text("ascii").splitlines():
                if len(line) >= 24 and not line.startswith("-----"):
                    self.marks |= {line[:24], line[-24:]}

    def check(self, text: str, where: object) -> None:
        """Assert that nothing of a secret stands there."""
        assert [mark for mark in self.marks if mark in text] == [], where


def settings(secrets: Secrets, **more: object) -> dict[str, str]:
    """Return settings that use them all."""
    own = {
        "signatures__key": secrets.outside / "signer.key",
        "signatures__certificate": secrets.outside / "signer.pem",
        "log__level": "debug",
        "log__patient_data": "true",
    }
    return secrets.keys.settings(**{**own, **more})


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Secrets:
    folder = tmp_path_factory.mktemp("secrets")
    (folder / "keys").mkdir()
    found = Secrets(folder / "data", make_keys(folder / "keys"))
    key = rsa.generate_private_key(65_537, 2_048)
    plain, locked = NoEncryption(), BestAvailableEncryption(_PASSPHRASE.encode())
    for name, how in (("signer.key", plain), ("locked.key", locked)):
        (folder / name).write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how))
    (folder / "signer.pem").write_bytes(certified(key).public_bytes(Encoding.PEM))
    (folder / "broken.key").write_text(f"-----BEGIN PRIVATE KEY-----\n{_GARBAGE}\n-----END PRIVATE KEY-----\n")
    (folder / "one.dcm").write_bytes(next(iter(demo_files(slices=1))))
    assert run(found, "deidentify", folder / "one.dcm", "-o", folder / "away", "--project", "p", "--keep-pixels") == 0
    found.mark(*folder.glob("*.key"), *(folder / "keys").glob("*.key"))
    found.mark(found.data / "deidentification" / "p.secret")
    with running(found.data):
        pass
    found.mark(found.data / "audit" / "signing.key")
    assert len(found.marks) > 30
    return found


def run(secrets: Secrets, *arguments: object, **environment: str) -> int:
    """Run a command and look at all that it tells, and what others see of it meanwhile; return its exit code."""
    command = [sys.executable, "-m", "archimage", *map(str, arguments)]
    if arguments[0] not in {"signatures", "config"} or arguments[1] in {"show", "check"}:
        command += ["--data", str(secrets.data)]
    given = {name: value for name, value in environment.items() if not any(mark in value for mark in secrets.marks)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, **environment}, text=True
    ) as process:
        seen, told = [], None
        for _ in range(int(_WITHIN_S / _LOOKS_EVERY_S)):
            seen.append(_seen(process.pid, ours=given == environment))
            with suppress(subprocess.TimeoutExpired):
                told = process.communicate(timeout=_LOOKS_EVERY_S)[0]
                break
        process.kill()
    assert told is not None, command
    secrets.check("".join([told, *seen]), command)
    assert "Traceback" not in told
    return process.returncode


def _seen(pid: int, *, ours: bool = True) -> str:
    """Return the command lines and environments of a process and its children, its own environment only if ours."""
    told = []
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            told += one.cmdline()
            if ours or one.pid != pid:
                told += [f"{name}={value}" for name, value in one.environ().items()]
    return "\n".join(told)


def _environment(given: Mapping[str, object]) -> dict[str, str]:
    return {f"ARCHIMAGE__{name.upper()}": str(value) for name, value in given.items()}


_GOOD: Final = [
    ("config", "show"),
    ("config", "show", "--json"),
    ("config", "check"),
    ("audit", "key"),
    ("audit", "verify"),
    ("audit", "search"),
    ("audit", "export"),
    ("tls", "show"),
]


@pytest.mark.parametrize("command", _GOOD, ids=" ".join)
def test_commands_that_read_a_secret_tell_nothing_of_it(secrets: Secrets, command: Sequence[str]) -> None:
    assert run(secrets, *command, **_environment(settings(secrets))) == 0


def test_commands_that_make_keys_tell_nothing_of_them(secrets: Secrets, tmp_path: Path) -> None:
    made = Secrets(tmp_path / "data", secrets.keys)
    commands = [("tls", "init", "pacs.example"), ("tls", "issue", "ct1.example"), ("tls", "issue", "../x")]
    told = [_output(made, *command) for command in commands]
    made.mark(*(tmp_path / "data" / "tls").glob("*.key"))
    assert len(made.marks) > 10
    made.check("\n".join(told), commands)


def _output(secrets: Secrets, *arguments: str) -> str:
    command = [sys.executable, "-m", "archimage", *arguments, "--data", str(secrets.data)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_WITHIN_S, check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize(("key", "code"), [("signer.key", 0), ("broken.key", 2), ("locked.key", 2), ("signer.pem", 2)])
def test_signing_tells_nothing_of_its_key(secrets: Secrets, tmp_path: Path, key: str, code: int) -> None:
    files = ("--key", secrets.outside / key, "--certificate", secrets.outside / "signer.pem")
    arguments = ("signatures", "sign", secrets.outside / "one.dcm", tmp_path / "signed.dcm", *files)
    assert run(secrets, *arguments) == code


@pytest.mark.parametrize("harm", ["cut", "open", "kept"])
def test_de_identifying_tells_nothing_of_its_secret(secrets: Secrets, tmp_path: Path, harm: str) -> None:
    file = secrets.data / "deidentification" / f"{harm}.secret"
    shutil.copy(file.with_name("p.secret"), file)
    file.chmod(0o644 if harm == "open" else 0o600)
    if harm == "cut":
        file.write_text(file.read_text()[:50])
    arguments = ("deidentify", secrets.outside / "one.dcm", "-o", tmp_path / "out", "--project", harm, "--keep-pixels")
    assert (run(secrets, *arguments) == 0) is (harm == "kept")


@pytest.mark.parametrize(
    "wrong",
    [
        {"tls__key": "broken.key"},
        {"tls__key": "locked.key"},
        {"signatures__key": "broken.key"},
        {"signatures__key": "locked.key"},
    ],
    ids=str,
)
def test_a_server_with_a_wrong_key_tells_nothing_of_it(secrets: Secrets, wrong: Mapping[str, str]) -> None:
    given = settings(secrets, **{name: secrets.outside / file for name, file in wrong.items()})
    assert run(secrets, "serve", "--dicom-port", "0", "--http-port", "0", **_environment(given)) == 2


def test_a_server_whose_audit_key_is_broken_tells_nothing_of_it(secrets: Secrets, tmp_path: Path) -> None:
    other = Secrets(tmp_path / "data", secrets.keys, secrets.marks)
    shutil.copytree(secrets.data / "audit", other.data / "audit")
    shutil.copy(secrets.outside / "broken.key", other.data / "audit" / "signing.key")
    assert run(other, "serve", "--dicom-port", "0", "--http-port", "0") == 2


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (("config", "show"), "TLS__KEY"),
        (("config", "check"), "TLS__KEY_FILE"),
        (("config", "show"), "SIGNATURES__KEY_FILE"),
        (("serve",), "TLS__KEY_FILE"),
        (("serve",), "SIGNATURES__KEY"),
    ],
    ids=str,
)
def test_a_key_where_the_name_of_its_file_belongs_is_not_told_back(
    secrets: Secrets, command: Sequence[str], name: str
) -> None:
    key = secrets.keys.key("server")
    given = _environment({**settings(secrets), name.lower(): key if name.endswith("_FILE") else key.read_text("ascii")})
    if name.endswith("_FILE"):
        del given[f"ARCHIMAGE__{name.removesuffix('_FILE')}"]
    assert run(secrets, *command, **given) == 2


def test_a_key_in_the_place_of_the_file_that_holds_a_value_is_not_told_back(secrets: Secrets) -> None:
    key = secrets.keys.key("server").read_text("ascii")
    assert run(secrets, "config", "show", ARCHIMAGE__DICOM__AE_TITLE_FILE=key) == 2


@pytest.mark.parametrize("name", ["TRACING__ENDPOINT", "HTTP__PUBLIC_URL"])
def test_the_password_in_an_address_is_not_told_back(secrets: Secrets, name: str) -> None:
    address = f"http://me:{_PASSPHRASE}@collector.example/x?y"
    assert run(secrets, "config", "show", **{f"ARCHIMAGE__{name}": address}) == 2


@pytest.fixture(scope="module")
def server(secrets: Secrets) -> Iterator[Server]:
    """A server with all secrets, and two processes."""
    server = launch(secrets.data, ("--workers", "2"), settings(secrets))
    try:
        server.wait_until_ready()
        yield server
    finally:
        code = stop(server)
    secrets.check(server.log, "the log, to the end")
    assert code == 0


def _asked(client: Client, paths: Iterable[str]) -> Iterator[tuple[str, str]]:
    for path in paths:
        answer = client.ask(path)
        yield path, f"{answer.headers} {answer.body.decode('latin-1')}"


def test_no_answer_and_no_line_of_the_log_tells_anything_of_a_secret(secrets: Secrets, server: Server) -> None:
    client = Client(server.http_port)
    stored = client.ask("/api/v1/upload", "POST", (secrets.outside / "one.dcm").read_bytes(), Content_Type=DICOM)
    assert stored.status == 200
    study = re.search(r"2\.25\.\d+", stored.body.decode())
    assert study is not None
    archive = f"/dicom-web/studies/{study[0]}?accept=application/zip&sign=true"
    assert client.ask(archive).status == 200
    wrong = ["/nowhere", f"/../{secrets.data}/audit/signing.key", "/api/v1/audit?limit=x", "/tls/server.key"]
    wrong += [f"/static/..%2f..%2f{name}" for name in ("signer.key", "keys/server.key")]
    for path, told in _asked(client, ["/api/v1/settings", "/system", "/health", "/metrics", "/openapi.json", *wrong]):
        secrets.check(told, path)
    tls = re.search(r"dicom-tls=\S+:(\d+)", server.log)
    assert tls is not None
    with socket.create_connection(("127.0.0.1", int(tls[1])), timeout=10) as connection:
        connection.sendall(b"this is no handshake\r\n\r\n")
    assert wait_until(lambda: "handshake" in server.log.lower(), 10)
    secrets.check(server.log, "the log")


def test_the_process_list_shows_nothing_of_a_secret(secrets: Secrets, server: Server) -> None:
    assert len(psutil.Process(server.process.pid).children(recursive=True)) >= 2
    secrets.check(_seen(server.process.pid), "the process list")


def test_a_key_that_is_broken_when_it_is_read_again_is_not_told(secrets: Secrets, server: Server) -> None:
    key = secrets.keys.key("server")
    before = key.read_bytes()
    try:
        shutil.copy(secrets.outside / "broken.key", key)
        server.process.send_signal(signal.SIGHUP)
        assert wait_until(lambda: "the settings stay as they are" in server.log, 20)
    finally:
        key.write_bytes(before)
    secrets.check(server.log, "the log")


@pytest.mark.parametrize(
    "command", [("config", "show"), ("config", "show", "--json"), ("config", "check")], ids=" ".join
)
@pytest.mark.parametrize("suffix", ["", "_FILE"])
def test_the_secret_at_a_provider_of_logins_is_not_told(
    secrets: Secrets, tmp_path: Path, command: Sequence[str], suffix: str
) -> None:
    (tmp_path / "secret").write_text(_PASSPHRASE)
    given = {
        "access__oidc__issuer": "https://login.example",
        "access__oidc__client_id": "archive",
        f"access__oidc__client_secret{suffix}": str(tmp_path / "secret") if suffix else _PASSPHRASE,
    }
    assert run(secrets, *command, **_environment(given)) == 0
