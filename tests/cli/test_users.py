"""`archimage user`, `token` and `share`, beside a server and without one."""

import io
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from archimage.app import build
from archimage.config import Config, StorageConfig
from archimage.dicom.demo import demo_files
from archimage.errors import NotAuthenticatedError
from archimage.services.catalogue import Wanted
from tests.cli.conftest import Invoke
from tests.interop.peers import serve

PASSWORD = "four words nobody expects"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file that holds a password."""
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    return file


def added(archimage: Invoke, data: Path, secret: Path) -> None:
    """Enter a user."""
    result = archimage("user", "add", "ann", "--role", "reader", "--password-file", secret, "--data", data)
    assert (result.code, result.err) == (0, "ann was entered; roles: reader\n")


def test_users_are_entered_listed_changed_and_removed(archimage: Invoke, tmp_path: Path, secret: Path) -> None:
    data = tmp_path / "data"
    added(archimage, data, secret)
    assert archimage("user", "add", "ann", "--no-password", "--data", data).code == 1
    assert archimage("user", "add", "mod", "--by-name", "--description", "the CT", "--data", data).code == 0
    changed = archimage("user", "change", "ann", "--role", "admin", "--disable", "--data", data)
    assert changed.err == "ann was changed; roles: admin; disabled\n"
    listed = archimage("user", "list", "--json", "--data", data).json
    assert [(one["name"], one["roles"], one["proof"], one["disabled"]) for one in listed] == [
        ("ann", ["admin"], "password", True),
        ("mod", [], "name alone", False),
    ]
    shown = archimage("user", "list", "--data", data).out
    assert "the CT" in shown
    assert PASSWORD not in shown
    assert archimage("user", "remove", "mod", "--data", data).code == 0
    assert archimage("user", "remove", "mod", "--data", data).code == 1
    assert archimage("user", "change", "ann", "--no-roles", "--no-password", "--data", data).code == 0
    assert archimage("user", "list", "--json", "--data", data).json[0]["proof"] == "tokens"


@pytest.mark.parametrize("content", [b"", b"\nfour words nobody expects", b"short\n", b"\xff" * 20])
def test_a_password_that_cannot_be_one_enters_nobody(archimage: Invoke, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "password"
    file.write_bytes(content)
    result = archimage("user", "add", "ann", "--password-file", file, "--data", tmp_path / "data")
    assert result.code != 0
    assert "password" in result.err
    assert archimage("user", "list", "--json", "--data", tmp_path / "data").json == []


def test_a_password_is_read_from_standard_input(
    archimage: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, options in (("ann", ()), ("bob", ("--password-file", "-"))):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{PASSWORD}\r\nmore".encode())))
        assert archimage("user", "add", name, *options, "--data", tmp_path / "data").code == 0


@pytest.mark.parametrize(("second", "code"), [(PASSWORD, 0), ("another one of them", 2)])
def test_a_terminal_is_asked_twice_and_shows_nothing(tmp_path: Path, second: str, code: int) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "archimage", "user", "add", "ann", "--data", str(tmp_path / "data")]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    shown = b""
    try:
        for prompt, answer in ((b"Password of ann: ", PASSWORD), (b"Once more: ", second)):
            while not shown.endswith(prompt):
                shown += os.read(ours, 1024)
            os.write(ours, f"{answer}\n".encode())
        assert process.wait(60) == code
        while piece := _read(ours):
            shown += piece
    finally:
        process.kill()
        os.close(ours)
    assert PASSWORD.encode() not in shown
    assert (b"was entered" in shown) == (code == 0)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1024)
    except OSError:  # the other end is closed
        return b""


def test_tokens_and_shares_are_made_listed_and_revoked_beside_a_running_server(
    archimage: Invoke, tmp_path: Path, secret: Path
) -> None:
    data = tmp_path / "data"
    file = tmp_path / "one.dcm"
    file.write_bytes(next(iter(demo_files(slices=2))))
    with serve(data):
        assert archimage("import", file, "--data", data).code == 0
        added(archimage, data, secret)
        limits = ("--operation", "store", "--label", "trial", "--days", "9")
        token = archimage("token", "create", "ann", "uploads", *limits, "--data", data).out.strip()
        listed = archimage("token", "list", "--json", "--data", data).json
        assert [(one["owner"], one["operations"], one["labels"]) for one in listed] == [("ann", ["store"], ["trial"])]
        app = build(Config(storage=StorageConfig(directory=data)))
        try:
            study = app.services.catalogue.studies(Wanted()).items[0].study_instance_uid
            path = archimage("share", "create", "ann", study, "--data", data).out.strip()
            assert path.startswith("/share/")
            assert app.identity.by_share(path.removeprefix("/share/")).user == "ann"
            assert app.identity.by_token(token).token == "uploads"
            assert archimage("token", "revoke", listed[0]["id"], "--data", data).code == 0
            share = archimage("share", "list", "--json", "--data", data).json[0]
            assert archimage("share", "revoke", share["id"], "--data", data).code == 0
            with pytest.raises(NotAuthenticatedError):
                app.identity.by_token(token)
            with pytest.raises(NotAuthenticatedError):
                app.identity.by_share(path.removeprefix("/share/"))
        finally:
            app.close()
    assert archimage("share", "create", "ann", "1.2.3.4", "--data", data).code == 1
    assert archimage("token", "create", "ann", "x", "--operation", "fly", "--data", data).code == 2
