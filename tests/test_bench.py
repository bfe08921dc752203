"""The bench leaves nothing behind: servers that never come are given up, and end with it."""

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from bench import peers, process
from tests.attacks.server import wait_until


def test_a_server_that_never_listens_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "START_LIMIT_S", 0.5)
    monkeypatch.setattr(peers, "ARCHIMAGE_COMMAND", (sys.executable, "-c", "import signal; signal.pause()"))
    directory = tmp_path / "data"
    directory.mkdir()
    with (
        pytest.raises(process.ServerError, match="archimage did not start: it said nothing"),
        peers.archimage_on(directory),
    ):
        pass
    assert not any("import signal; signal.pause()" in child.cmdline() for child in psutil.Process().children())


def test_a_bench_that_is_ended_ends_its_servers(tmp_path: Path) -> None:
    options = ["idle", "--quick", "--work", str(tmp_path / "work"), "--json", str(tmp_path / "results.json")]
    bench = psutil.Popen(
        [sys.executable, "-m", "bench", *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    servers: list[psutil.Process] = []

    def serves() -> bool:
        servers[:] = bench.children(recursive=True)
        return bool(servers) or bench.poll() is not None

    assert wait_until(serves, 30)
    bench.send_signal(signal.SIGTERM)
    assert bench.wait(30) == 128 + signal.SIGTERM
    assert servers
    assert wait_until(lambda: not any(server.is_running() for server in servers), 10)
