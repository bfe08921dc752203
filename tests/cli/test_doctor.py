"""`archimage doctor` as a process: what it finds of archives that are well, and of those that are not."""

import errno
import json
import os
import pty
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import pytest

from archimage.app import build
from archimage.config import Config, StorageConfig
from tests.attacks.faults import compile_faults
from tests.attacks.server import running
from tests.cli.conftest import Invoke
from tests.interop.peers import free_port

_COMMAND = (sys.executable, "-m", "archimage", "doctor")


@dataclass(frozen=True)
class Diagnosis:
    """What was found, and how it ended."""

    code: int
    findings: list[dict[str, str]]

    def states(self, check: str) -> dict[str, str]:
        """Map the subjects of a check to their states."""
        return {one["subject"]: one["state"] for one in self.findings if one["check"] == check}

    def one(self, check: str, subject: str = "") -> dict[str, str]:
        """Return the finding of a check whose subject begins so."""
        (found,) = [one for one in self.findings if one["check"] == check and one["subject"].startswith(subject)]
        return found

    @property
    def failed(self) -> set[str]:
        """The checks that failed."""
        return {one["check"] for one in self.findings if one["state"] == "failed"}


def doctor(data: Path, environment: Mapping[str, str] | None = None) -> Diagnosis:
    """Run it over a data directory, whose own file may set more."""
    command = [*_COMMAND, "--data", str(data), "--json"]
    ended = subprocess.run(
        command, env={**os.environ, **(environment or {})}, capture_output=True, text=True, timeout=100, check=False
    )
    assert ended.stdout, ended.stderr
    told = json.loads(ended.stdout)
    assert told["healthy"] == (ended.returncode == 0)
    assert all(one["next_step"] for one in told["findings"] if one["state"] != "ok")
    return Diagnosis(ended.returncode, told["findings"])


def archive(directory: Path, settings: str = "") -> Path:
    """Make an archive that holds nothing; its ports are free ones."""
    build(Config(storage=StorageConfig(directory=directory))).close()
    ports = "[dicom]\nport = 0\n[http]\nport = 0\n"
    (directory / "archimage.toml").write_text(settings or ports)
    return directory


@contextmanager
def nonsense(said: bytes = b"220 welcome\r\n") -> Iterator[int]:
    """Listen on a port, and answer whatever comes as no server of ours would."""

    def answer(listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, suppress(OSError):  # it may not be heard out
                connection.sendall(said)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=(listener,))
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def contents(directory: Path) -> dict[str, bytes]:
    """Return every file."""
    return {str(path): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_an_archive_that_is_well_and_not_running(tmp_path: Path) -> None:
    data = archive(tmp_path / "data")
    before = contents(data)
    found = doctor(data)
    assert (found.code, found.failed) == (0, set())
    assert {one["check"] for one in found.findings} == {
        "settings",
        "disk",
        "index",
        "clock",
        "viewer",
        "pixels",
        "ports",
    }
    assert "archimage viewer install" in found.one("viewer")["next_step"]
    assert "JPEG XL" in found.one("pixels")["message"]
    assert contents(data) == before


def test_a_directory_that_is_not_there_is_left_so(tmp_path: Path) -> None:
    found = doctor(tmp_path / "none" / "data", {"ARCHIMAGE__DICOM__PORT": "0", "ARCHIMAGE__HTTP__PORT": "0"})
    assert found.code == 0
    assert list(tmp_path.iterdir()) == []


def test_a_running_server_and_every_node_are_asked(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server, nonsense() as other:
        closed = free_port()
        ports = f"[dicom]\nport = {server.port}\n[http]\nport = {server.http_port}\n"
        nodes = {
            "PACS_SCP": ("127.0.0.1", server.port),
            "STRANGER": ("127.0.0.1", server.port),
            "CLOSED": ("127.0.0.1", closed),
            "NAMELESS": ("no-such-host.invalid", 104),
            "NONSENSE": ("127.0.0.1", other),
        }
        text = "".join(f"[nodes.{name}]\nhost = '{host}'\nport = {port}\n" for name, (host, port) in nodes.items())
        (server.directory / "archimage.toml").write_text(ports + text)
        entry = json.dumps({"ae_title": "ENTERED", "host": "127.0.0.1", "port": closed})
        with closing(HTTPConnection("127.0.0.1", server.http_port, timeout=20)) as connection:
            connection.request("POST", "/api/v1/nodes", entry, {"Content-Type": "application/json"})
            assert connection.getresponse().status == 201
        found = doctor(server.directory)
    assert set(found.states("ports").values()) == {"ok"}
    assert "is ready" in found.one("ports", "HTTP")["message"]
    assert found.one("ports", "DICOM")["message"] == "answers as PACS_SCP"
    assert (found.code, found.failed) == (1, {"nodes"})
    assert found.one("nodes", "PACS_SCP")["state"] == "ok"
    assert "called AE title not recognized" in found.one("nodes", "STRANGER")["message"]
    assert "Nothing listens on port" in found.one("nodes", "CLOSED")["next_step"]
    assert "cannot be resolved" in found.one("nodes", "NAMELESS")["message"]
    assert found.one("nodes", "NONSENSE")["state"] == "failed"
    assert "Nothing listens on port" in found.one("nodes", "ENTERED")["next_step"]


@pytest.mark.parametrize("said", [b"220 welcome\r\n", b"HTTP/1.0 200 OK\r\n\r\n" + b"[" * 500_000, b""])
def test_ports_that_somebody_else_has_are_told(tmp_path: Path, said: bytes) -> None:
    with nonsense(said) as first, nonsense(said) as second:
        found = doctor(archive(tmp_path / "data", f"[dicom]\nport = {first}\n[http]\nport = {second}\n"))
    assert (found.code, set(found.states("ports").values())) == (1, {"failed"})
    assert f":{second}" in found.one("ports", "HTTP")["next_step"]


def test_a_server_of_another_archive_is_told(tmp_path: Path) -> None:
    with running(tmp_path / "one") as server:
        ports = f"[dicom]\nport = {server.port}\n[http]\nport = {server.http_port}\n"
        found = doctor(archive(tmp_path / "other", ports))
    assert found.one("ports", "HTTP")["state"] == "warning"
    assert str(tmp_path / "one") in found.one("ports", "HTTP")["message"]


def _break_header(index: Path) -> None:
    index.write_bytes(b"no database" + index.read_bytes()[11:])


def _break_pages(index: Path) -> None:
    content = bytearray(index.read_bytes())
    content[4096 * 3 :] = b"\xa5" * (len(content) - 4096 * 3)
    index.write_bytes(content)


@pytest.mark.parametrize("spoil", [_break_header, _break_pages, Path.unlink])
def test_a_damaged_index_is_told_and_the_advice_helps(tmp_path: Path, archimage: Invoke, spoil: object) -> None:
    data = archive(tmp_path / "data")
    assert archimage("demo", "--data", data, "--slices", 2).code == 0
    assert callable(spoil)
    spoil(data / "index.db")
    found = doctor(data)
    assert (found.code, found.failed) == (1, {"index"})
    assert "archimage index rebuild" in found.one("index")["next_step"]
    for file in data.glob("index.db*"):
        file.rename(tmp_path / file.name)
    assert archimage("index", "rebuild", "--data", data).code == 0
    assert doctor(data).code == 0


def test_an_index_of_a_newer_archimage_is_told(tmp_path: Path) -> None:
    data = archive(tmp_path / "data")
    with closing(sqlite3.connect(data / "index.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    assert "newer archimage (9999)" in doctor(data).one("index")["message"]


@pytest.mark.parametrize(
    ("number", "kinds", "told"),
    [(errno.ENOSPC, "w", "Free room"), (errno.EROFS, "wscno", "read-only"), (errno.EACCES, "o", "Let the user")],
    ids=["full", "read-only", "forbidden"],
)
def test_a_disk_that_cannot_be_written_is_told(tmp_path: Path, number: int, kinds: str, told: str) -> None:
    data = archive(tmp_path / "data")
    faults = compile_faults(tmp_path, data)
    faults.begin(number, kinds)
    found = doctor(data, faults.environment)
    assert (found.code, found.failed) == (1, {"disk"})
    assert told in found.one("disk", str(data))["next_step"]


def test_settings_that_are_wrong_are_found_too(tmp_path: Path) -> None:
    found = doctor(archive(tmp_path / "data", "[dicom]\nport = 'x'\n"))
    assert (found.code, found.failed, len(found.findings)) == (1, {"settings"}, 1)


def test_a_clock_that_lies_behind_the_archive_is_told(tmp_path: Path) -> None:
    data = archive(tmp_path / "data")
    later = (data / "index.db").stat().st_mtime + 3_600
    os.utime(data / "index.db", (later, later))
    assert doctor(data).one("clock", "time")["state"] == "failed"


def test_a_terminal_shows_colours_and_a_pipe_none(tmp_path: Path) -> None:
    command = [*_COMMAND, "--data", str(archive(tmp_path / "data"))]
    piped = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    assert "\x1b" not in piped.stdout
    assert "0 failed" in piped.stderr
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "200"}
    with subprocess.Popen(command, stdout=theirs, stderr=subprocess.DEVNULL, env=environment) as process:
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 65_536):
                shown += piece
        except OSError:  # how the end of a terminal is told
            pass
        process.wait(30)
    os.close(ours)
    assert b"\x1b[32mok" in shown
