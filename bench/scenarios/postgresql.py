"""The index on PostgreSQL beside one on SQLite with the same rows: how it is filled, started on, and searched.

Both archives take turns on one machine, each kind of search in both before the next, and the database runs there too.
What is wanted of SQLite is wanted of PostgreSQL. Through the doors (C-FIND, QIDO-RS) an answer has the costs of
protocol and network in it, which are alike; the queries by themselves are made in the bench's own process.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from archimage.index.postgresql import PostgresqlIndex
from archimage.index.relational import RelationalIndex
from archimage.index.sqlite import SqliteIndex
from archimage.model.query import Query
from bench import bench_index, filled, filled_postgresql, peers, process, queries, web, wire
from bench.figures import OURS, Sample, Target
from bench.filled import INDEX_NAME, FilledIndex
from bench.filled_postgresql import CopiedIndex
from bench.harness import Bench
from bench.scenarios import find, start, web_query

STUDIES = 100_000
INSTANCES_PER_STUDY = 10
SQLITE = "archimage, SQLite"
STARTS = 3  # a round
MOST = 100_001
"""One more than the matches of a query that are given, by default."""
_NONE: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Beside:
    """What is measured: an archive on either database, and what is asked for."""

    index: FilledIndex
    settings: Mapping[str, Mapping[str, str]]
    directories: Mapping[str, Path]
    size: str
    studies: int
    repeat: int


def postgresql_index(bench: Bench) -> None:
    """Fill a database, then start on it, and search it."""
    studies = STUDIES // 10 if bench.quick else STUDIES
    index = filled.prepare(bench.out / "data", studies, INSTANCES_PER_STUDY)
    size = f"{studies * INSTANCES_PER_STUDY:,} instances"
    bench.note("archimage", f"with its index on PostgreSQL, shared_buffers = {filled_postgresql.SHARED_BUFFERS}")
    with ExitStack() as held:
        server = held.enter_context(filled_postgresql.running())
        copied = filled_postgresql.copy(index, server, bench.work)
        bench.results.samples.extend(_told(copied, size, studies))
        settings = {OURS: copied.settings, SQLITE: _NONE}
        directories = {name: held.enter_context(process.fresh_directory(bench.work, "node")) for name in settings}
        index.install(directories[SQLITE])
        os.sync()
        beside = Beside(index, settings, directories, size, studies, 20 if bench.quick else 200)
        for measured in (_starts, _searches, _queries):
            measured(bench, beside)


def _told(copied: CopiedIndex, size: str, studies: int) -> Iterator[Sample]:
    case = f"`archimage index copy` of {size}, whole command"
    yield Sample(case, OURS, studies * INSTANCES_PER_STUDY / copied.seconds, "instances/s")
    yield Sample(f"{case}, all rows", OURS, copied.rows / copied.seconds, "rows/s")


def _starts(bench: Bench, beside: Beside) -> None:
    """Start on either again and again."""
    case = f"start to the line `ready`, beside {beside.size}"
    bench.expect((Target(case, start.WITHIN_MS, at_most=True),))

    def measure(name: str) -> Iterator[Sample]:
        start.start_once(beside.directories[name], beside.settings[name])  # makes what is missing
        for _ in range(STARTS):
            said_ms, _ = start.start_once(beside.directories[name], beside.settings[name])
            yield Sample(case, name, said_ms, "ms")

    bench.alternate(case, {name: partial(measure, name) for name in beside.settings})


def _searches(bench: Bench, beside: Beside) -> None:
    """Search through the doors; each round begins with new processes, which remember nothing."""
    listed, thousand = f"QIDO-RS study list over {beside.size}", f"C-FIND listing 1,000 of {beside.size}"
    chosen, key = beside.index.pick(beside.repeat), beside.index.thousand()
    bench.expect([*find.targets(beside.size, 2), Target(thousand, 10_000, at_most=False), *web_query.targets(listed)])

    def measure(name: str) -> Iterator[Sample]:
        with (
            peers.archimage_on(beside.directories[name], settings=beside.settings[name]) as server,
            wire.Channel.open(server.port, server.ae_title, (queries.find_context(),)) as channel,
            web.Connection(server) as connection,
        ):
            yield from find.ask(channel, beside.size, chosen, name)
            yield from find.list_thousand(channel, thousand, key, name)
            yield from web_query.ask(connection, listed, chosen, name)

    bench.alternate("searches", {name: partial(measure, name) for name in beside.settings})


def _as_asked(make: bench_index.Make) -> bench_index.Make:
    """Limit what has no limit, as the archive does with what a peer asks for."""

    def made(number: int) -> Query:
        query = make(number)
        return query if query.limit is not None else replace(query, limit=MOST)

    return made


def _queries(bench: Bench, beside: Beside) -> None:
    """Ask the index by itself, in this process."""
    opened: Mapping[str, Callable[[], RelationalIndex]] = {
        OURS: lambda: PostgresqlIndex(beside.settings[OURS]["ARCHIMAGE__INDEX__URL"]),
        SQLITE: lambda: SqliteIndex(beside.directories[SQLITE] / INDEX_NAME),
    }
    with ExitStack() as held:
        indexes = {name: held.enter_context(closing(open_it())) for name, open_it in opened.items()}

        def measure(name: str, kind: str, make: bench_index.Make) -> Iterator[Sample]:
            median, high, _, _ = bench_index.measure(indexes[name], _as_asked(make), beside.studies, beside.repeat)
            yield Sample(f"the index alone, {kind}, p50", name, median, "ms")
            yield Sample(f"the index alone, {kind}, p95", name, high, "ms")

        for kind, make in bench_index.QUERIES.items():
            bench.alternate(kind, {name: partial(measure, name, kind, make) for name in indexes})
