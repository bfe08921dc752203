"""What Prometheus reads at `/metrics`: counts of this process or, of several equal ones, of all of them together.

Equal processes count in files of a directory that their parent made (`shared`): each of them tells the sum of all.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from archimage.ports import TaskOutcome

_DIRECTORY: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The library counts in files where this names a directory when it is imported."""


class Metrics:
    """Counts, and tells. Implements `ports.Meter`."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._tasks = Counter(
            "pacs_pixel_tasks_total",
            "Tasks of the worker processes for pixels, by how they ended.",
            ["task", "outcome"],
            registry=self._registry,
        )
        self._waiting = Gauge(
            "pacs_pixel_tasks_waiting",
            "Tasks for which no worker process is free.",
            registry=self._registry,
            multiprocess_mode="livesum",
        )
        self._compressions = Counter(
            "pacs_compressions_total",
            "Objects that a rule was to compress; reason is empty where they were.",
            ["outcome", "reason"],
            registry=self._registry,
        )
        self._bytes = Counter(
            "pacs_compression_bytes_total",
            "Bytes of the objects that were compressed, before and after.",
            ["form"],
            registry=self._registry,
        )

    def pixel_task(self, task: str, outcome: TaskOutcome) -> None:
        """Count a task that has ended."""
        self._tasks.labels(task, outcome).inc()

    def pixel_tasks_waiting(self, count: int) -> None:
        """Tell how many tasks wait for a worker process."""
        self._waiting.set(count)

    def compressed(self, before_bytes: int, after_bytes: int) -> None:
        """Count an object that was compressed."""
        self._compressions.labels("compressed", "").inc()
        self._bytes.labels("before").inc(before_bytes)
        self._bytes.labels("after").inc(after_bytes)

    def kept_uncompressed(self, reason: str) -> None:
        """Count an object that stays as it is; reason is the kind of error."""
        self._compressions.labels("kept", reason).inc()

    def exposition(self) -> bytes:
        """Return all of it, as text; blocks."""
        directory = os.environ.get(_DIRECTORY)
        if directory is None:
            return generate_latest(self._registry)
        together = CollectorRegistry()
        MultiProcessCollector(together, directory)  # type: ignore[no-untyped-call]
        return generate_latest(together)


@contextmanager
def shared() -> Iterator[None]:
    """Have this process and those that it starts count together; to be entered before anything is counted."""
    with tempfile.TemporaryDirectory(prefix="archimage-metrics-") as directory:
        os.environ[_DIRECTORY] = directory
        try:
            yield
        finally:
            del os.environ[_DIRECTORY]


def forget_process(pid: int) -> None:
    """Leave out what a process that has ended was just doing; what it had counted stays."""
    mark_process_dead(pid)  # type: ignore[no-untyped-call]
