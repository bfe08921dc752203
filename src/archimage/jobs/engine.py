"""Which lanes a process has: durable ones where it can."""

import threading
from collections.abc import Mapping
from typing import Final

from archimage.logger import logger
from archimage.ports.jobs import Lane, Lanes, LaneWork, Timer

_log = logger("task")
_only: Final = threading.Lock()
"""Held by the archive that DBOS serves: it is one for a process."""


class Engine:
    """Implements `ports.jobs.Lanes` by DBOS, and without it by plain threads."""

    def __init__(self, url: str, executor: str, threads: int) -> None:
        """Have DBOS keep its records at url, in the name of executor; without DBOS have so many threads."""
        self._url = url
        self._executor = executor
        self._threads = threads
        self._lanes: Lanes | None = None
        self._is_durable = False

    def start(self, work: LaneWork, timers: Mapping[str, tuple[str, Timer]]) -> None:
        """Begin."""
        if not self._start_durable(work, timers):
            from archimage.jobs.plain import PlainLanes

            self._lanes = PlainLanes(self._threads)
            self._lanes.start(work, timers)

    def begin(self, lane: Lane) -> None:
        """Have a lane worked through, soon."""
        assert self._lanes is not None  # noqa: S101 - it was started
        self._lanes.begin(lane)

    def close(self) -> None:
        """Wait until what was begun has ended."""
        if self._lanes is not None:
            self._lanes.close()
        if self._is_durable:
            self._is_durable = False
            _only.release()

    def _start_durable(self, work: LaneWork, timers: Mapping[str, tuple[str, Timer]]) -> bool:
        if not _only.acquire(blocking=False):
            return False
        try:
            from archimage.jobs.durable import DurableLanes, Identity  # takes half a second to import

            lanes = DurableLanes(Identity(self._url, self._executor))
            lanes.start(work, timers)
        except Exception as error:  # whatever DBOS cannot do, the jobs are done
            _log.error("the job engine cannot be started, and jobs are done without it", reason=repr(error))
            _only.release()
            return False
        self._lanes, self._is_durable = lanes, True
        return True
