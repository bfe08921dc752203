"""Lanes as durable workflows of DBOS.

What is to be done stands in the index. DBOS knows which process is at work on which lane, in a database of its own
(`jobs.db`, which may be deleted while no process runs): a workflow that a process leaves behind is recovered by the
next one of the same name, which then lets go at once of the jobs that the dead one held. Its schedules ring timers,
each time in one process of all.

DBOS is one for a process: only one `DurableLanes` can be started at a time.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson
from dbos import DBOS, DBOSConfig, Serializer

from archimage.jobs.plain import ring
from archimage.ports.jobs import Lane, LaneWork, Timer

VERSION: Final = "1"
"""That of the workflows and their arguments, so that a new release of the archive goes on with what an old one left."""
_NAME: Final = "archimage"
_TIDY: Final = "tidy"
_TIDY_AT: Final = "41 * * * *"
_KEPT: Final = timedelta(hours=2)
_PAGE: Final = 1_000
_LISTEN_EVERY_S: Final = 0.1  # nothing here is listened for, but the end waits for this long
_SCHEDULES_EVERY_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Identity:
    """Where DBOS keeps its own records, a URL of SQLAlchemy, and the name of this process: the same when it returns."""

    url: str
    executor: str


class DurableLanes:
    """Implements `ports.jobs.Lanes`."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._lane: Any = None
        self._worker = ""

    def start(self, work: LaneWork, timers: Mapping[str, tuple[str, Timer]]) -> None:
        """Begin; what a process of our name has left is let go of."""
        _quiet()
        DBOS(config=_config(self._identity))
        self._worker = work.worker
        try:
            self._launch(work, timers)
        except BaseException:
            self.close()
            raise

    def _launch(self, work: LaneWork, timers: Mapping[str, tuple[str, Timer]]) -> None:
        def lane(kind: str, destination: str, worker: str) -> None:
            if worker == work.worker:
                work.work(Lane(kind, destination))
            else:
                work.gone(worker)

        def rung(_at: Any, name: str) -> None:
            if name == _TIDY:
                _tidy()
            elif name in timers:
                ring(name, timers[name][1])

        self._lane = DBOS.workflow(name="lane")(lane)
        timer = DBOS.workflow(name="timer")(rung)
        DBOS.launch()
        wanted = {_TIDY: _TIDY_AT, **{name: cron for name, (cron, _) in timers.items()}}
        for known in DBOS.list_schedules():
            if known["schedule_name"] not in wanted:
                DBOS.delete_schedule(known["schedule_name"])
        DBOS.apply_schedules(
            [
                {"schedule_name": name, "workflow_fn": timer, "schedule": cron, "context": name}
                for name, cron in wanted.items()
            ]
        )

    def begin(self, lane: Lane) -> None:
        """Have a lane worked through, soon."""
        DBOS.start_workflow(self._lane, lane.kind, lane.destination, self._worker)

    def close(self) -> None:
        """End DBOS; the lanes have ended before."""
        DBOS.destroy(destroy_registry=True)


class _Json(Serializer):
    """Arguments and results as JSON: what stands in a file is never executed."""

    def serialize(self, data: Any) -> str:
        return orjson.dumps(data, default=repr).decode()

    def deserialize(self, serialized_data: str) -> Any:
        return orjson.loads(serialized_data)

    def name(self) -> str:
        return "json"


def _config(identity: Identity) -> DBOSConfig:
    return {
        "name": _NAME,
        "system_database_url": identity.url,
        "executor_id": identity.executor,
        "application_version": VERSION,
        "serializer": _Json(),
        "log_level": "WARNING",
        "enable_otlp": False,
        "run_migrations": True,
        "use_listen_notify": False,
        "sys_db_pool_size": 4,
        "notification_listener_polling_interval_sec": _LISTEN_EVERY_S,
        "scheduler_polling_interval_sec": _SCHEDULES_EVERY_S,
    }


def _quiet() -> None:
    """Have DBOS tell our log, not the console, and only what is wrong."""
    told = logging.getLogger("dbos")
    if not told.handlers:
        told.addHandler(logging.NullHandler())  # with one it makes none of its own
    told.propagate = False
    told.setLevel(logging.WARNING)


def _tidy() -> None:
    """Forget the workflows that have ended a while ago."""
    before = (datetime.now(UTC) - _KEPT).isoformat()
    while found := DBOS.list_workflows(status=["SUCCESS", "ERROR", "CANCELLED"], end_time=before, limit=_PAGE):
        DBOS.delete_workflows([one.workflow_id for one in found])
