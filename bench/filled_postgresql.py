"""Databases on a real PostgreSQL that hold what a filled index does, copied by the archive's own command."""

import json
import os
import secrets
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import peers, process
from bench.filled import FilledIndex
from tests.servers import postgresql
from tests.servers.postgresql import PostgresqlServer

SHARED_BUFFERS = "128MB"
"""What PostgreSQL comes with; the rest of its pages it finds in the operating system's memory."""


@dataclass(frozen=True, slots=True)
class CopiedIndex:
    """A database that an index was copied into: how many rows in all, and how long that took."""

    url: str
    rows: int
    seconds: float

    @property
    def settings(self) -> Mapping[str, str]:
        """Return the settings of an archive that uses it."""
        return {"ARCHIMAGE__INDEX__URL": self.url}


@contextmanager
def running() -> Iterator[PostgresqlServer]:
    """Run a server that flushes its commits."""
    if not postgresql.is_there():
        raise process.ServerError("PostgreSQL is missing; install it with: make peers")
    with postgresql.running(durable=True, shared_buffers=SHARED_BUFFERS) as server:
        yield server


def copy(index: FilledIndex, server: PostgresqlServer, work: Path) -> CopiedIndex:
    """Copy an index into a new database by `archimage index copy`; its time is that of the whole command."""
    name = f"bench_{secrets.token_hex(4)}"
    server.execute(f"CREATE DATABASE {name}", database="postgres")
    url = server.url_of(name)
    with process.fresh_directory(work, "copied") as directory:
        index.install(directory)
        os.sync()
        started = time.perf_counter()
        said = subprocess.run(
            [*peers.ARCHIMAGE_COMMAND, "index", "copy", "--data", str(directory), "--json"],
            env=process.environment({"ARCHIMAGE__INDEX__URL": url}), capture_output=True, text=True, check=False,
        )  # fmt: skip
        seconds = time.perf_counter() - started
    if said.returncode:
        raise process.ServerError(f"the index was not copied: {said.stderr.strip()}")
    return CopiedIndex(url, json.loads(said.stdout)["rows"], seconds)
