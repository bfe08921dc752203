"""Lanes in plain threads, for a process in which DBOS serves another archive already, or cannot be started.

No job is lost by that: they stand in the index. But a process that dies is noticed by the time until which it held its
jobs alone, and where several processes do without DBOS, each of them rings the timers.
"""

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from archimage.logger import logger
from archimage.ports.jobs import Lane, LaneWork, Timer

_log = logger("task")


class PlainLanes:
    """Implements `ports.jobs.Lanes`."""

    def __init__(self, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, "job")
        self._closing = threading.Event()
        self._ringing: list[threading.Thread] = []
        self._work: LaneWork | None = None

    def start(self, work: LaneWork, timers: Mapping[str, tuple[str, Timer]]) -> None:
        """Begin."""
        self._work = work
        for name, (cron, timer) in timers.items():
            ringing = threading.Thread(target=self._ring, args=(name, cron, timer), name=f"timer {name}", daemon=True)
            self._ringing.append(ringing)
            ringing.start()

    def begin(self, lane: Lane) -> None:
        """Have a lane worked through, soon."""
        assert self._work is not None  # noqa: S101 - it was started
        self._threads.submit(self._work.work, lane)

    def close(self) -> None:
        """Wait until what was begun has ended."""
        self._closing.set()
        for ringing in self._ringing:
            ringing.join()
        self._threads.shutdown()

    def _ring(self, name: str, cron: str, timer: Timer) -> None:
        from croniter import croniter  # comes with DBOS

        times: Iterator[float] = croniter(cron, datetime.now(UTC), ret_type=float)
        while not self._closing.wait(max(0.0, next(times) - datetime.now(UTC).timestamp())):
            ring(name, timer)


def ring(name: str, timer: Timer) -> None:
    """Do what a timer is for; whatever goes wrong is told, and done again when it rings the next time."""
    try:
        timer()
    except Exception as error:  # a timer that fails once goes on
        _log.warning("a timer failed", timer=name, reason=repr(error))
