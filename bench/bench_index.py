"""How long the index takes to answer and to take in, in a small and in a large archive.

Run `python -m bench.bench_index [STUDIES INSTANCES_PER_STUDY [PATH]]`; a PATH that is there already is used as it is.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from archimage.index.relational import RelationalIndex
from archimage.index.sqlite import SqliteIndex
from archimage.model.attributes import BY_COLUMN, Level
from archimage.model.query import (
    Condition,
    DateTimeRange,
    Exact,
    Match,
    OrderBy,
    Query,
    Range,
    UIDList,
    Wildcard,
)
from bench import index_fill

ROUNDS: Final = 200
_TWELVE: Final = tuple(
    BY_COLUMN[column]
    for column in [
        "patient_name",
        "patient_id",
        "patient_birth_date",
        "patient_sex",
        "study_instance_uid",
        "study_date",
        "study_time",
        "accession_number",
        "study_description",
        "modalities_in_study",
        "number_of_study_related_series",
        "number_of_study_related_instances",
    ]
)
Make = Callable[[int], Query]


def _study(column: str, match: Match, *, level: Level = Level.STUDY, fuzzy: bool = False) -> Query:
    """Ask for the twelve usual columns."""
    return Query(level, (Condition(BY_COLUMN[column], match),), _TWELVE, fuzzy=fuzzy)


def _combined(study: int) -> Query:
    """Ask for half an hour of a day."""
    day = index_fill.study_day(study)
    span = Range(f"{day}100000", f"{day}103000")
    return Query(Level.STUDY, (DateTimeRange(BY_COLUMN["study_date"], BY_COLUMN["study_time"], span),), _TWELVE)


def _newest(_: int) -> Query:
    """Ask for the first page of a work list."""
    return Query(Level.STUDY, (), _TWELVE, (OrderBy(BY_COLUMN["study_date"], descending=True),), 100)


def _thousand(_: int) -> Query:
    """Ask for a thousand studies."""
    return Query(Level.STUDY, (Condition(BY_COLUMN["accession_number"], Wildcard("A00001*")),), _TWELVE)


def _name(study: int) -> str:
    return index_fill.patient_name(study // 2)


QUERIES: Final[dict[str, Make]] = {
    "patient ID": lambda n: _study("patient_id", Exact(f"PID{n // 2:07}")),
    "accession number": lambda n: _study("accession_number", Exact(f"A{n:08}")),
    "study UID": lambda n: _study("study_instance_uid", Exact(index_fill.study_uid(n))),
    "series UID, series level": lambda n: _study(
        "series_instance_uid", Exact(index_fill.series_uid(n, 1)), level=Level.SERIES
    ),
    "series UID, study level": lambda n: _study("series_instance_uid", Exact(index_fill.series_uid(n, 1))),
    "SOP UID, image level": lambda n: _study("sop_instance_uid", Exact(index_fill.sop_uid(n, 3)), level=Level.IMAGE),
    "SOP UID, study level": lambda n: _study("sop_instance_uid", Exact(index_fill.sop_uid(n, 3))),
    "20 study UIDs": lambda n: _study(
        "study_instance_uid", UIDList(tuple(map(index_fill.study_uid, range(n, n + 20))))
    ),
    "name, exact": lambda n: _study("patient_name", Exact(_name(n))),
    "name, prefix": lambda n: _study("patient_name", Wildcard(f"{_name(n).split('^', maxsplit=1)[0].lower()}*")),
    "name, infix": lambda n: _study("patient_name", Wildcard(f"*{_name(n)[2:8]}*")),
    "name, fuzzy": lambda n: _study("patient_name", Exact(_name(n).split("^", maxsplit=1)[0]), fuzzy=True),
    "one day": lambda n: _study("study_date", Exact(index_fill.study_day(n))),
    "range of 3 days": lambda n: _study("study_date", Range(*sorted(map(index_fill.study_day, (n, n + 871))))),
    "half an hour": _combined,
    "newest 100": _newest,
    "1000 matches, 12 columns": _thousand,
}


def percentiles(seconds: list[float]) -> tuple[float, float]:
    """Return median and 95th percentile in milliseconds."""
    cuts = statistics.quantiles(seconds, n=20, method="inclusive")
    return cuts[9] * 1000, cuts[18] * 1000


def measure(index: RelationalIndex, make: Make, studies: int, rounds: int = ROUNDS) -> tuple[float, float, float, int]:
    """Time a kind of query.

    Return median and 95th percentile, the latter of processor time too, which neighbours on the machine disturb less,
    in milliseconds; and how many matches the last had.
    """
    times, busy, matches = [], [], 0
    for number in range(rounds):
        query = make(number * 7919 % max(1, studies - 1000))
        started, used = time.perf_counter(), time.thread_time()
        matches = sum(len(page) for page in index.find(query))
        times.append(time.perf_counter() - started)
        busy.append(time.thread_time() - used)
    return *percentiles(times), percentiles(busy)[1], matches


def ingest(index: SqliteIndex, first_study: int, batch: int) -> float:
    """Return the microseconds that a record takes when the studies are there, several at a time."""
    records = [index_fill.record(first_study + number % 8, 1000 * batch + number) for number in range(4000)]
    index.add([index_fill.record(first_study + number, 10**6 + number % 2 + number) for number in range(8)])
    started = time.perf_counter()
    for start in range(0, len(records), batch):
        index.add(records[start : start + batch])
    seconds = time.perf_counter() - started
    index.sync()
    return seconds / len(records) * 1e6


def _ingest_lines(index: SqliteIndex, label: str) -> None:
    for batch in (1, 16, 64):
        print(f"  ingest, {label}, {batch:2} at once: {ingest(index, 10**7 + batch * 100, batch):7.1f} us/record")


def main(studies: int, instances_per_study: int, path: Path) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        empty = SqliteIndex(Path(folder) / "index.db")
        _ingest_lines(empty, "empty index")
        empty.close()
    if not path.exists():
        started = time.perf_counter()
        index_fill.fill(path, studies, instances_per_study)
        print(f"  filled in {time.perf_counter() - started:.0f} s, {path.stat().st_size >> 20} MiB")
    index = SqliteIndex(path)
    print(f"  {studies} studies, {studies * instances_per_study} instances")
    print(f"  {'query':28}{'p50 ms':>9}{'p95 ms':>9}{'p95 cpu':>9}{'matches':>9}")
    for name, make in QUERIES.items():
        median, high, busy, matches = measure(index, make, studies)
        print(f"  {name:28}{median:9.2f}{high:9.2f}{busy:9.2f}{matches:9}")
    _ingest_lines(index, "this index")
    index.close()


if __name__ == "__main__":
    arguments = sys.argv[1:] or ["100000", "10"]
    with tempfile.TemporaryDirectory() as folder:
        main(
            int(arguments[0]),
            int(arguments[1]),
            Path(arguments[2]) if len(arguments) > 2 else Path(folder) / "index.db",
        )
