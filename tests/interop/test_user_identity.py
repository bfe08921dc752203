"""User identity of other implementations, and of our own commands: who is believed, who is rejected, and over what.

Ref: PS3.7 §D.3.3.7.
"""

import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from pynetdicom import AE
from pynetdicom.pdu_primitives import UserIdentityNegotiation

from archimage.dicom.demo import demo_files
from archimage.protocol.uids import VERIFICATION
from tests.attacks.server import Server, running
from tests.interop.javascript import DCMJS, outcome
from tests.interop.peers import run
from tests.tls.keys import Keys, make_keys
from tests.tls.peers import tls_port

_SCRIPT: Final = Path(__file__).with_name("dcmjs_dimse.cjs")
_PASSCODE: Final = "correct horse battery"
_REJECTED: Final = (1, 1, 1)


def _archimage(*arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "archimage", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """A directory of certificates, and the files of two passcodes."""
    keys = make_keys(tmp_path_factory.mktemp("keys"))
    (keys.directory / "passcode").write_text(f"{_PASSCODE}\n", "utf-8")
    (keys.directory / "wrong").write_text("something else\n", "utf-8")
    return keys


@pytest.fixture(scope="module")
def server(keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with TLS and two users: one with a password, and one who is believed by name."""
    directory = tmp_path_factory.mktemp("identity") / "data"
    for options in (
        ("ada", "--role", "editor", "--password-file", keys.directory / "passcode"),
        ("scanner", "--role", "editor", "--by-name"),
    ):
        added = _archimage("user", "add", *options, "--data", directory)
        assert added.returncode == 0, added.stderr
    with running(directory, settings=keys.settings()) as server:
        yield server


def _pynetdicom(server: Server, identity: tuple[int, bytes, bytes], context: ssl.SSLContext | None) -> object:
    """Echo as pynetdicom; return the refusal, or the status and what was answered of the user."""
    item = UserIdentityNegotiation()
    item.user_identity_type, item.primary_field, item.secondary_field = identity
    item.positive_response_requested = True
    entity = AE("PYNETDICOM")
    entity.add_requested_context(VERIFICATION)
    port = server.port if context is None else tls_port(server)
    tls = {} if context is None else {"tls_args": (context, "localhost")}
    association = entity.associate("localhost", port, ae_title="PACS_SCP", ext_neg=[item], **tls)  # type: ignore[arg-type]
    try:
        if not association.is_established:
            refused = association.acceptor.primitive
            assert refused is not None
            return refused.result, refused.result_source, refused.diagnostic
        answers = [one for one in association.acceptor.user_information if isinstance(one, UserIdentityNegotiation)]
        return association.send_c_echo().Status, [answer.server_response for answer in answers]
    finally:
        if association.is_established:
            association.release()


def test_pynetdicom_is_believed_with_a_passcode_over_tls_and_by_name(server: Server, keys: Keys) -> None:
    context = keys.client()
    assert _pynetdicom(server, (2, b"ada", _PASSCODE.encode()), context) == (0, [b""])
    assert _pynetdicom(server, (2, b"ada", b"wrong"), context) == _REJECTED
    assert _pynetdicom(server, (2, b"ada", _PASSCODE.encode()), None) == _REJECTED
    assert _pynetdicom(server, (1, b"scanner", b""), None) == (0, [b""])
    assert _pynetdicom(server, (1, b"ada", b""), None) == _REJECTED
    assert _pynetdicom(server, (5, b"e30.e30.c2ln", b""), context) == _REJECTED
    assert "a passcode came over a connection without TLS" in server.log
    assert _PASSCODE not in server.log


def test_dcmtk_is_believed_with_a_passcode_over_tls(server: Server, keys: Keys, tmp_path: Path) -> None:
    file = tmp_path / "object.dcm"
    file.write_bytes(next(iter(demo_files(slices=2))))
    to = ("-aec", "PACS_SCP", "localhost", tls_port(server), file)
    tls = ("storescu", "-R", "+tla", "+cf", keys.certificate("authority"))
    stored = run(*tls, "-usr", "ada", "-pwd", _PASSCODE, "-rsp", *to)
    assert stored.returncode == 0, stored.stdout
    refused = run(*tls, "-usr", "ada", "-pwd", "wrong", *to)
    assert refused.returncode != 0
    assert "Rejected Permanent" in refused.stdout


def _dcmjs(port: int, keys: Keys | None, **identity: Any) -> dict[str, Any]:
    options: dict[str, Any] = {"userIdentity": {"positiveResponseRequested": True, **identity}}
    if keys is not None:
        options["securityOptions"] = {"ca": str(keys.certificate("authority"))}
    asked = {"port": port, "calling": "DCMJS", "called": "PACS_SCP", "options": options}
    answer: dict[str, Any] = outcome(_SCRIPT, asked, DCMJS)
    return answer


def test_dcmjs_dimse_is_believed_with_a_passcode_over_tls_and_by_name(server: Server, keys: Keys) -> None:
    port = tls_port(server)
    assert _dcmjs(port, keys, type=2, primaryField="ada", secondaryField=_PASSCODE) == {"status": 0}
    assert _dcmjs(port, keys, type=2, primaryField="ada", secondaryField="wrong") == {"rejected": list(_REJECTED)}
    assert _dcmjs(server.port, None, type=1, primaryField="scanner") == {"status": 0}
    in_clear = _dcmjs(server.port, None, type=2, primaryField="ada", secondaryField=_PASSCODE)
    assert in_clear == {"rejected": list(_REJECTED)}


def test_our_commands_tell_the_user(
    server: Server, keys: Keys, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ARCHIMAGE__TLS__AUTHORITIES", str(keys.certificate("authority")))
    secured = ("localhost", tls_port(server), "--tls")
    right = ("--user", "ada", "--passcode-file", keys.directory / "passcode")
    for command in (
        ("echo", *secured, *right),
        ("find", *secured, *right),
        ("echo", "localhost", server.port, "--user", "scanner"),
    ):
        done = _archimage(*command)
        assert done.returncode == 0, done.stderr
    (tmp_path / "object.dcm").write_bytes(next(iter(demo_files(slices=2))))
    stored = _archimage("store", *secured, tmp_path, *right)
    assert stored.returncode == 0, stored.stderr
    for refused in (
        ("echo", *secured, "--user", "ada", "--passcode-file", keys.directory / "wrong"),
        ("echo", *secured, "--jwt-file", keys.directory / "wrong"),
        ("echo", "localhost", server.port),
    ):
        assert _archimage(*refused).returncode == 1


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--user", "ada", "--passcode-file", "passcode"), "--passcode-file needs --tls"),
        (("--tls", "--passcode-file", "passcode"), "--passcode-file needs --user"),
        (("--user", "ada", "--jwt-file", "passcode"), "--jwt-file stands alone"),
        (("--jwt-file", "absent"), "cannot be read"),
    ],
)
def test_our_commands_send_no_passcode_in_the_clear_and_nothing_by_halves(
    keys: Keys, options: tuple[str, ...], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(keys.directory)
    done = _archimage("echo", "localhost", 1, *options)
    assert (done.returncode, why in done.stderr) == (2, True), done.stderr
