"""What durable work costs beside the work itself: jobs that do nothing, done to the last by lanes of the job engine.

Run `python -m bench.bench_jobs [JOBS [DESTINATIONS]]`; all jobs wait before the first is begun. The index is a file of
SQLite that is flushed as in a server, on the disk of the temporary directory.
"""

import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from archimage.index.jobs import JobTable
from archimage.index.sqlite import SqliteIndex
from archimage.jobs.engine import Engine
from archimage.model.jobs import Job, JsonValue, NewJob
from archimage.ports.jobs import Progress, Rules
from archimage.services.events import EventHub
from archimage.services.job_work import LANES
from archimage.services.jobs import JobService

_BATCH: Final = 1_000
_ALONE: Final = 50
_GIVEN_UP_S: Final = 600.0


class Counting:
    """Work that only counts how often it was done."""

    def __init__(self) -> None:
        self._left = 0
        self._changed = threading.Condition()

    def expect(self, count: int) -> None:
        """Wait for so many from here on."""
        self._left = count

    def work(self, _job: Job, _progress: Progress) -> JsonValue:
        """Do nothing."""
        with self._changed:
            self._left -= 1
            if self._left <= 0:
                self._changed.notify_all()
        return None

    def wait(self) -> None:
        """Wait until as much was done as was expected."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._left <= 0, _GIVEN_UP_S)


@contextmanager
def _jobs(directory: Path, counting: Counting) -> Iterator[JobService]:
    with closing(SqliteIndex(directory / "index.db")) as index:
        jobs = JobService(JobTable(index), EventHub(), lambda error: (str(error), ""))
        jobs.register("nothing", counting.work, Rules(at_once=1))
        with closing(jobs):
            yield jobs


def _fill(jobs: JobService, count: int, destinations: int) -> float:
    """Submit jobs; return what one of a batch took, seconds."""
    began = time.perf_counter()
    for start in range(0, count, _BATCH):
        numbers = range(start, min(start + _BATCH, count))
        jobs.submit_all([NewJob("nothing", "Nothing", number, f"AE{number % destinations}") for number in numbers])
    return (time.perf_counter() - began) / count


def _alone(jobs: JobService, counting: Counting) -> float:
    """Submit single jobs, each when the one before is done; return what one took until it was done, seconds."""
    began = time.perf_counter()
    for number in range(_ALONE):
        counting.expect(1)
        jobs.submit("nothing", "Nothing", number, destination="ALONE")
        counting.wait()
    return (time.perf_counter() - began) / _ALONE


def main(count: int = 10_000, destinations: int = 4) -> None:
    """Print the table."""
    counting = Counting()
    with tempfile.TemporaryDirectory(prefix="archimage-jobs-") as directory, _jobs(Path(directory), counting) as jobs:
        filled = _fill(jobs, count, destinations)
        counting.expect(count)
        wall, cpu = time.perf_counter(), time.process_time()
        jobs.start(lambda: Engine(f"sqlite:///{directory}/jobs.db", "bench", LANES))
        counting.wait()
        wall, cpu = (time.perf_counter() - wall) / count, (time.process_time() - cpu) / count
        alone = _alone(jobs, counting)
    print(f"submitted, a thousand at once | {filled * 1e3:.3f} ms each")
    print(f"done at depth {count}, {destinations} destinations | {wall * 1e3:.2f} ms each, {cpu * 1e3:.2f} ms of CPU")
    print(f"submitted alone and done | {alone * 1e3:.1f} ms each")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
