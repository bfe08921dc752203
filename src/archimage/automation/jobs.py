"""Durable work, wired: jobs in the index, done by the job engine in any process that serves the archive."""

import socket
from pathlib import Path
from typing import Final

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

    def start(self, directory: Path, lane: str, url: str = "") -> None:
        """Begin to work.

        lane is what this process of all that use the directory holds, and is called by; DBOS keeps its records at url,
        and without one in the directory.
        """
        where = url or f"sqlite:///{directory.absolute() / _FILE}"
        self.service.start(lambda: Engine(where, f"{socket.gethostname()}:{lane}", LANES))

    def close(self) -> None:
        """End; what is at work goes on with the next start, or in another process."""
        self.service.close()
