"""A PostgreSQL of our own: started on a free port, stopped, killed, started again; nothing of it is left."""

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

import psycopg

from tests.attacks.server import wait_until
from tests.interop.peers import free_port
from tests.servers.launched import missing

_BIN: Final = max(Path("/usr/lib/postgresql").glob("*/bin"), default=Path("/usr/bin"))
_WITHIN_S: Final = 30.0
_MAY_WRITE: Final = "-c default_transaction_read_only=off"
_SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "log_min_messages": "fatal",
}


class PostgresqlServer:
    """One server; `url` is that of its database `pacs`."""

    def __init__(self, *, durable: bool = False, **settings: str) -> None:
        self._directory = Path(mkdtemp(prefix="archimage-postgresql-"))
        self._port = free_port()
        self._settings = {**_SETTINGS, "port": str(self._port), **settings}
        if not durable:
            self._settings |= {"fsync": "off", "full_page_writes": "off"}
        self._process: subprocess.Popen[bytes] | None = None
        self._give_away()
        data = str(self._directory / "data")
        self._run("initdb", "-D", data, "-U", "pacs", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8")
        self.start()
        self.execute("CREATE DATABASE pacs", database="postgres")

    @property
    def directory(self) -> Path:
        """Where its files are."""
        return self._directory

    @property
    def url(self) -> str:
        """Where the archive finds it."""
        return self.url_of("pacs")

    def url_of(self, database: str) -> str:
        """Where it finds another of its databases."""
        return f"postgresql://pacs@127.0.0.1:{self._port}/{database}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [str(_BIN / "postgres"), "-D", str(self._directory / "data")]
        command += [word for name, value in self._settings.items() for word in ("-c", f"{name}={value}")]
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, user=self._owner)
        if not wait_until(self._answers, _WITHIN_S):  # it tells nobody when it is up
            raise TimeoutError(f"PostgreSQL does not start: {(self._directory / 'log').read_text()[-500:]}")

    def _answers(self) -> bool:
        """Tell whether it can be reached; OperationalError once it has ended."""
        try:
            psycopg.connect(self.url_of("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            if self._process is None or self._process.poll() is not None:
                raise
            return False
        return True

    def execute(self, statement: str, *, database: str = "pacs") -> None:
        """Have a statement executed by an administrator."""
        with psycopg.connect(self.url_of(database), autocommit=True, options=_MAY_WRITE) as connection:
            connection.execute(statement.encode())

    def fetch(self, query: str) -> int:
        """Return the number that a query finds."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            found = connection.execute(query.encode()).fetchone()
            assert found is not None
            return int(found[0])

    def stop(self) -> None:
        """Stop it in an orderly way: connections end, nothing is lost."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Kill it and all its processes, as `kill -9` does.

        It is stopped before: else it may begin another process in the place of one that was killed, which outlives it
        and has its port.
        """
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)
            for child in _children(self._process.pid):
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
        self._end(signal.SIGKILL)
        (self._directory / "data" / "postmaster.pid").unlink(missing_ok=True)

    def pause(self) -> None:
        """Have it answer no more, although it is there."""
        self._signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        """Have it go on."""
        self._signal_all(signal.SIGCONT)

    def close(self) -> None:
        """End it and remove what it kept."""
        if self._process is not None:
            self.resume()
            self.kill()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _signal_all(self, number: int) -> None:
        if self._process is not None:
            for pid in (self._process.pid, *_children(self._process.pid)):
                with suppress(ProcessLookupError):
                    os.kill(pid, number)

    def _end(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(_WITHIN_S)
            self._process = None

    @property
    def _owner(self) -> str | None:
        """It refuses to run as root."""
        return "postgres" if os.geteuid() == 0 else None

    def _give_away(self) -> None:
        if os.geteuid() == 0:
            os.chown(self._directory, pwd.getpwnam("postgres").pw_uid, -1)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(_BIN / program), *arguments], check=True, capture_output=True, timeout=60, cwd="/", user=self._owner
        )


def is_there() -> bool:
    """Tell whether a server is installed."""
    return (_BIN / "postgres").exists()


def needed() -> None:
    """Skip the test where no server is installed; in CI that is a failure."""
    if not is_there():
        missing("PostgreSQL is missing; install it with: make peers")


@contextmanager
def running(*, durable: bool = False, **settings: str) -> Iterator[PostgresqlServer]:
    """Run a server for a while."""
    needed()
    server = PostgresqlServer(durable=durable, **settings)
    try:
        yield server
    finally:
        server.close()


def _children(pid: int) -> list[int]:
    with suppress(FileNotFoundError):
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []
