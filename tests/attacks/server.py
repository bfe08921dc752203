"""Our server as a process, looked at from outside: its answers, its memory, its files."""

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Final

import psutil

from archimage.index.postgresql import PostgresqlIndex
from archimage.index.sqlite import SqliteIndex
from archimage.model.records import StoredInstance
from tests.attacks.wire import Peer

READY: Final = re.compile(r"ready dicom=\S+:(\d+) (?:dicom-tls=\S+ )?https?=\S+:(\d+) ")
MAX_GROWTH_BYTES: Final = 64 << 20
ANSWERS_WITHIN_S: Final = 1.0
_START_WITHIN_S: Final = 30.0
_OURS: Final = ("objects", "incoming", "journal", "cache", "audit", "audit-heads")


def wait_until(true: Callable[[], bool], within_s: float) -> bool:
    """Look again and again until something is true, or the time is over."""
    deadline = time.monotonic() + within_s
    pause = threading.Event()
    while not true():
        if time.monotonic() > deadline:
            return False
        pause.wait(0.02)
    return True


@dataclass(frozen=True)
class Footprint:
    """What an attack may not leave behind."""

    rss_bytes: int
    descriptors: int
    threads: int
    strays: frozenset[Path]


class Server:
    """One running server."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path, directory: Path, index_url: str = "") -> None:
        self.process = process
        self.directory = directory
        self.port = 0
        self.http_port = 0
        self.index_url = index_url
        self._log = log
        self._seen = psutil.Process(process.pid)

    @property
    def log(self) -> str:
        """Everything that the server has printed."""
        return self._log.read_text("utf-8", "surrogateescape")

    def wait_until_ready(self, within_s: float = _START_WITHIN_S) -> None:
        """Wait for the line that tells the ports."""

        def told() -> bool:
            return self.process.poll() is not None or READY.search(self.log) is not None

        wait_until(told, within_s)
        ready = READY.search(self.log)
        if ready is None:
            raise TimeoutError(f"the server was not ready within {within_s} s: {self.log}")
        self.port, self.http_port = int(ready[1]), int(ready[2])

    def echo(self) -> float:
        """C-ECHO on an association of its own; return the seconds that it took."""
        started = time.monotonic()
        with Peer.associated(self.port) as peer:
            assert peer.echo() == 0
            peer.release()
        return time.monotonic() - started

    def finish_start(self) -> None:
        """Wait for what is made only after the ports are open, some tens of megabytes: whoever asks for it waits."""
        with closing(HTTPConnection("127.0.0.1", self.http_port, timeout=30)) as connection:
            connection.request("GET", "/system")
            connection.getresponse().read()

    def search(self) -> float:
        """Search over HTTP, on a connection of its own; return the seconds that it took."""
        started = time.monotonic()
        with closing(HTTPConnection("127.0.0.1", self.http_port, timeout=10)) as connection:
            for path in ("/ready", "/dicom-web/studies?limit=1"):
                connection.request("GET", path)
                response = connection.getresponse()
                assert (response.status, response.read()[:1]) in ((200, b"{"), (200, b"[")), path
        return time.monotonic() - started

    def footprint(self) -> Footprint:
        """Measure."""
        memory = self._seen.memory_info().rss
        return Footprint(memory, self._seen.num_fds(), self._seen.num_threads(), frozenset(self._strays()))

    def rows(self) -> list[StoredInstance]:
        """Read the index."""
        opened = PostgresqlIndex(self.index_url) if self.index_url else SqliteIndex(self.directory / "index.db")
        with closing(opened) as index:
            return [instance for page in index.all_instances() for instance in page]

    def files(self) -> set[str]:
        """List what is placed."""
        objects = self.directory / "objects"
        return {str(path.relative_to(objects)) for path in objects.rglob("*") if path.is_file()}

    def incoming(self) -> list[Path]:
        """List what is on its way in, or was left behind there."""
        return [path for path in (self.directory / "incoming").rglob("*") if path.is_file()]

    def check_answers(self, before: Footprint) -> None:
        """Assert that the server answers and is no larger than before."""
        assert self.process.poll() is None, self.log
        assert self.echo() <= ANSWERS_WITHIN_S
        assert self.search() <= ANSWERS_WITHIN_S
        assert wait_until(lambda: self._as_small_as(before), 10.0), (before, self.footprint())

    def check_unharmed(self, before: Footprint) -> None:
        """Assert that the server answers, is no larger than before, and that files and rows agree."""
        self.check_answers(before)
        assert wait_until(lambda: not self.incoming(), 5.0), self.incoming()
        assert {row.path for row in self.rows()} == self.files()
        assert frozenset(self._strays()) == before.strays

    def _as_small_as(self, before: Footprint) -> bool:
        now = self.footprint()
        # Pools of threads and of index readers grow once to their bounds and stay there.
        return now.rss_bytes <= before.rss_bytes + MAX_GROWTH_BYTES and now.descriptors <= before.descriptors + 32

    def _strays(self) -> Iterator[Path]:
        """Everything in the directories around the archive that is not its own."""
        for top, directories, files in os.walk(self.directory.parents[2]):
            if Path(top) == self.directory:
                directories[:] = [name for name in directories if name not in _OURS]
            yield from (Path(top) / name for name in (*directories, *files) if not name.startswith("index.db"))


def launch(
    directory: Path, options: Sequence[str] = (), settings: Mapping[str, object] | None = None, **environment: str
) -> Server:
    """Start a server, without waiting; settings are those of the environment, `SECTION__KEY`."""
    variables = {f"ARCHIMAGE__{name.upper()}": str(value) for name, value in (settings or {}).items()}
    directory.parent.mkdir(parents=True, exist_ok=True)
    log = directory.with_name(f"{directory.name}.log")
    command = [sys.executable, "-m", "archimage", "serve", "--data", str(directory)]
    command += ["--dicom-port", "0", "--http-port", "0", *options]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **environment, **variables}
        )
    return Server(process, log, directory, str((settings or {}).get("index__url", "")))


def stop(server: Server) -> int:
    """End a server as an operator does; return its exit code."""
    server.process.terminate()
    try:
        return server.process.wait(20)
    finally:
        with suppress(ProcessLookupError):
            server.process.kill()
        server.process.wait(20)


@contextmanager
def running(
    directory: Path, options: Sequence[str] = (), settings: Mapping[str, object] | None = None, **environment: str
) -> Iterator[Server]:
    """Run a server until the end of the block, which it must end as it should."""
    server = launch(directory, options, settings, **environment)
    try:
        server.wait_until_ready()
        yield server
    finally:
        code = stop(server)
    assert code == 0, server.log
