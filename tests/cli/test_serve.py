"""`archimage serve` as a process: the line that scripts wait for, and its end."""

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from archimage.app import build
from archimage.config import Config, DicomConfig, HttpConfig, StorageConfig
from archimage.errors import ConfigError
from archimage.listeners import check_closed
from tests.cli.conftest import Invoke

READY = re.compile(r"ready dicom=127\.0\.0\.1:\d+ http=127\.0\.0\.1:\d+ ae=(\S+) data=(.+)\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_prints_one_line_when_all_listen_and_ends_with_0(number: int, tmp_path: Path) -> None:
    data = tmp_path / "some data"
    arguments = ["serve", "--data", str(data), "--dicom-port", "0", "--http-port", "0", "--ae-title", "MINE"]
    with subprocess.Popen(
        [sys.executable, "-m", "archimage", *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        ready = READY.fullmatch(process.stdout.readline())
        process.send_signal(number)
        rest, _ = process.communicate(timeout=30)
    assert ready is not None
    assert ready.groups() == ("MINE", str(data))
    assert rest == ""
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--ae-title", "A\\B"), "dicom.ae_title"),
        (("--node", "AET"), "--node 'AET' is not AET=HOST:PORT"),
        (("--node", "AET=host:0"), "nodes.AET.port"),
        (("--config", "/no/such.toml"), "/no/such.toml"),
        (("--dicom-port", "70000"), "--dicom-port"),
    ],
)
def test_wrong_options_are_told_with_exit_code_2(archimage: Invoke, arguments: tuple[str, ...], told: str) -> None:
    result = archimage("serve", *arguments)
    assert result.code == 2
    assert told in result.err


def test_a_port_that_is_taken_is_named(archimage: Invoke, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = archimage("serve", "--data", tmp_path / "data", "--dicom-port", port, "--http-port", 0)
    assert result.code == 2
    assert f"127.0.0.1:{port}" in result.err


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("taken", ["dicom", "http"])
def test_the_process_ends_where_one_of_its_ports_is_taken(tmp_path: Path, taken: str, workers: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ports = {"dicom": "0", "http": "0", taken: str(port)}
        options = [argument for name, number in ports.items() for argument in (f"--{name}-port", number)]
        ended = _run("archimage", "serve", "--data", tmp_path, "--workers", workers, *options)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert f"archimage: {taken}.port = {port}: cannot listen on 127.0.0.1:{port}" in ended.stderr


_SHORT_OF_FILES = """
import os, resource, sys
import uvloop
from archimage import app, workers
from archimage.cli.main import main
from archimage.observe import logs
files = len(os.listdir("/proc/self/fd")) - 1 + int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
main(["serve", "--data", sys.argv[2], "--dicom-port", "0", "--http-port", "0"])
"""


@pytest.mark.parametrize("files", [7, 11, 19], ids=["for its objects", "once its threads run", "for an event loop"])
def test_the_process_ends_where_it_may_open_no_more_files(tmp_path: Path, files: int) -> None:
    build(Config(storage=StorageConfig(directory=tmp_path))).close()
    program = tmp_path / "program.py"
    program.write_text(_SHORT_OF_FILES)
    ended = _run(program, files, tmp_path)
    assert (ended.returncode in {1, 2}, ended.stdout) == (True, "")
    assert re.search(r"^archimage: .*Too many open files", ended.stderr, re.MULTILINE)


def _run(program: str | Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a module or a file until it ends, as it does in time."""
    start = [str(program)] if isinstance(program, Path) else ["-m", program]
    return subprocess.run(
        [sys.executable, *start, *map(str, arguments)], capture_output=True, text=True, timeout=30, check=False
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "archive.example"])  # noqa: S104 - what is refused
@pytest.mark.parametrize("section", ["dicom", "http"])
def test_an_address_that_others_reach_is_refused_while_there_are_no_users(section: str, host: str) -> None:
    config = Config.model_validate({section: {"host": host}})
    with pytest.raises(ConfigError, match=f"{section}.host = {re.escape(host)}") as caught:
        check_closed(config, has_users=False)
    assert "archimage user add" in caught.value.next_step
    check_closed(config, has_users=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_is_open_without_users(host: str) -> None:
    check_closed(Config(dicom=DicomConfig(host=host), http=HttpConfig(host=host)), has_users=False)


def test_a_server_that_others_would_reach_does_not_start_and_says_how_it_would(tmp_path: Path) -> None:
    ended = _run("archimage", "serve", "--data", tmp_path, "--host", "0.0.0.0", "--dicom-port", "0")  # noqa: S104
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "archimage user add NAME --role administrator" in ended.stderr


_COUNTING = """
import gc, io, os, signal, sys
from archimage.cli.main import main

class Told(io.StringIO):
    def write(self, text):
        os.write(1, f"{gc.get_freeze_count() > 50_000} {gc.isenabled()}".encode())
        os.kill(os.getpid(), signal.SIGTERM)
        return len(text)

sys.stdout = Told()
main(["serve", "--data", sys.argv[1], "--dicom-port", "0", "--http-port", "0"])
"""


def test_what_was_loaded_at_the_start_is_never_looked_through_for_garbage(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(_COUNTING)
    ended = _run(program, tmp_path / "data")
    assert (ended.returncode, ended.stdout) == (0, "True True")


_LEAVING = """
import atexit, io, os, signal, sys
from archimage.cli.main import main

class Told(io.StringIO):
    def write(self, text):
        os.kill(os.getpid(), signal.SIGTERM)
        return len(text)

    def flush(self):
        os.write(1, b"flushed ")

atexit.register(os.write, 1, b"taken apart")
sys.stdout = Told()
main(["serve", "--data", sys.argv[1], "--dicom-port", "0", "--http-port", "0"])
"""


def test_the_process_is_not_taken_apart_at_its_end(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(_LEAVING)
    ended = _run(program, tmp_path / "data")
    assert (ended.returncode, ended.stdout) == (0, "flushed flushed ")
