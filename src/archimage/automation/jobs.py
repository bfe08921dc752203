"""Durable work, wired: jobs in the index, done by the job engine in any process that serves the archive."""

import socket
from typing import Final
from urllib.parse import quote

import xxhash

from archimage.config import Config
from archimage.index.jobs import JobTable
from archimage.index.nodes import Database
from archimage.jobs.engine import Engine
from archimage.services.events import EventHub
from archimage.services.job_work import LANES
from archimage.services.jobs import JobService
from archimage.services.tasks import Explain
from archimage.spans import Tracer

_FILE: Final = "jobs.db"


class JobsPart:
    """The jobs of an archive. `start` the work once all kinds are known and the ports are open; `close` it."""

    def __init__(self, database: Database, events: EventHub, explain: Explain, tracer: Tracer) -> None:
        self.service = JobService(JobTable(database), events, explain, tracer)

    def start(self, config: Config, lane: str) -> None:
        """Begin to work; lane is what this process holds of all that use the directory, and is called by."""
        self.service.start(lambda: Engine(_records(config), _executor(config, lane), LANES))

    def close(self) -> None:
        """End; what is at work goes on with the next start, or in another process."""
        self.service.close()


def _records(config: Config) -> str:
    """Return where DBOS keeps its own records: in the database of the index, so that nodes share them, or a file."""
    if not config.index.url:
        return f"sqlite:///{config.storage.directory.absolute() / _FILE}"
    url = config.index.url.replace("postgres://", "postgresql://", 1)
    password = config.index.password.get_secret_value()
    who, at, where = url.partition("@")
    return f"{who}:{quote(password, safe='')}{at}{where}" if at and password else url


def _executor(config: Config, lane: str) -> str:
    """Name this process: as it was called before a restart, and as none on another machine is."""
    place = xxhash.xxh3_64_hexdigest(bytes(config.storage.directory.absolute()))
    return f"{config.node.name or socket.gethostname()}:{place}:{lane}"
