"""QIDO-RS: the study list over 100,000 studies, and how many such requests an archive of 8 studies answers.

The request is the one that OHIF sends for its study list: 101 studies, six attributes more, fuzzy matching; a name that
is typed into its filter is looked for anywhere in names. No two requests of a percentile are the same, for an archive
may remember its answers.
"""

import json
import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import partial

from bench import archives, filled, peers, process, web, wire
from bench.archives import ARCHIVES
from bench.data import STUDIES_8
from bench.figures import OURS, Sample, Target
from bench.filled import FilledIndex, Study
from bench.harness import Bench

PAGE = 101
RETURNED = "includefield=00081030,00080060,00080090,00100030,00080061,00201208"
KINDS: Mapping[str, Callable[[Study], str]] = {
    "first page": lambda _: "",
    "by Patient ID": lambda study: f"&PatientID={study.patient_id}",
    "by Accession Number": lambda study: f"&AccessionNumber={study.accession_number}",
    "by Study Instance UID": lambda study: f"&StudyInstanceUID={study.study_instance_uid}",
    "by name prefix": lambda study: f"&PatientName={study.name_prefix}",
    "by date range": lambda study: f"&StudyDate={study.date_range}",
    "by part of a name": lambda study: f"&PatientName=*{study.name_prefix[1:]}",
    "by modality": lambda _: "&ModalitiesInStudy=CT",
    "newest first": lambda _: "&orderby=-StudyDate",
}
STUDIES = 100_000
MEASURED_S = 3.0
LAST_PAGE = 50  # times as many as requests: how far into the list the farthest page is


def web_query(bench: Bench) -> None:
    """Ask for pages of a long study list."""
    studies = STUDIES // 10 if bench.quick else STUDIES
    index = filled.prepare(bench.out / "data", studies, 1)
    chosen = index.pick(20 if bench.quick else 200)
    case = f"QIDO-RS study list over {studies:,} studies"
    bench.expect(targets(case))
    bench.alternate(case, {OURS: partial(_list, bench, case, index, chosen)}, rounds=1)


def targets(case: str) -> list[Target]:
    """Return what is wanted of the pages of a long study list."""
    return [Target(f"{case}, {kind}, p95", 20, at_most=True) for kind in (*KINDS, "any page")]


def web_rate(bench: Bench) -> None:
    """Ask an archive of 8 studies for its study list, one request after another."""
    objects = bench.objects(STUDIES_8)
    case = "QIDO-RS study list over 8 studies"
    cases: Mapping[str, Callable[[int], str]] = {
        f"{case}, each search another": lambda number: _path(_until(number)),
        f"{case}, each page of another length": lambda number: _path("", limit=PAGE + number),
        f"{case}, the same again": lambda _: _path(""),
    }
    bench.expect([Target(kind, 20, "Orthanc") for kind in cases])
    fill = archives.by_dimse(objects)

    def measure(name: str) -> Iterator[Sample]:
        with archives.holding(name, bench.work, fill) as server, web.Connection(server) as connection:
            found = json.loads(connection.get(_path(""), web.JSON, keep=True).require().body)
            if len(found) != 8:
                raise wire.WireError(f"{len(found)} of 8 studies came")
            for kind, path in cases.items():
                count, before, start = 0, server.cpu_s(), time.perf_counter()
                while (seconds := time.perf_counter() - start) < MEASURED_S:
                    connection.get(path(count), web.JSON).require()
                    count += 1
                yield Sample(kind, name, count / seconds, "requests/s", 1000 * (server.cpu_s() - before) / count)

    bench.alternate(case, {name: partial(measure, name) for name in ARCHIVES})


def _until(number: int) -> str:
    """Ask for a range of dates that holds every study, and ends on a day of its own."""
    return f"&StudyDate=20240101-{date(2024, 2, 1) + timedelta(number):%Y%m%d}"


def _list(bench: Bench, case: str, index: FilledIndex, chosen: Sequence[Study]) -> Iterator[Sample]:
    with process.fresh_directory(bench.work, "archimage") as directory:
        index.install(directory)
        with peers.archimage_on(directory) as server, web.Connection(server) as connection:
            yield from ask(connection, case, chosen)


def ask(connection: web.Connection, case: str, chosen: Sequence[Study], subject: str = OURS) -> Iterator[Sample]:
    """Ask for each kind of page for each of some studies."""
    for kind, filtered in KINDS.items():
        distinct = filtered(chosen[0]) != filtered(chosen[1])
        paths = [_path(filtered(study), 0 if distinct else start) for start, study in enumerate(chosen)]
        yield from _percentiles(connection, f"{case}, {kind}", paths, subject)
    dice = random.Random(1)  # noqa: S311  # the same pages in every run
    pages = [_path("", dice.randrange(LAST_PAGE * len(chosen))) for _ in chosen]
    yield from _percentiles(connection, f"{case}, any page", pages, subject)


def _percentiles(connection: web.Connection, case: str, paths: Sequence[str], subject: str) -> Iterator[Sample]:
    """Measure one kind of request; the first is left out, as it warms the statement."""
    answers = [connection.get(path, web.JSON).require(100) for path in (paths[0], *paths)][1:]
    times = sorted(1000 * answer.seconds for answer in answers)
    yield Sample(f"{case}, p50", subject, statistics.median(times), "ms")
    yield Sample(f"{case}, p95", subject, times[int(0.95 * (len(times) - 1))], "ms")


def _path(filtered: str, offset: int = 0, limit: int = PAGE) -> str:
    return f"studies?limit={limit}&offset={offset}&fuzzymatching=true&{RETURNED}{filtered}"
