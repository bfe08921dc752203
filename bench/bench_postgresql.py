"""What an index on PostgreSQL costs beside one on SQLite, as ratios of one run: with one node, and with several.

Run `python -m bench.bench_postgresql [IMAGES [ROUNDS]]`. A real PostgreSQL that flushes its commits runs on this
machine meanwhile; subjects take turns, round after round, and the medians are compared. How busy the processors are is
told of each, and so how much faster several nodes could be here if nothing but processors held them up.
"""

# mypy: disallow-untyped-calls=False

import secrets
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import psutil

from bench import data, peers, replay
from bench.data import CT_512K, Objects
from bench.process import Running
from tests.servers.postgresql import PostgresqlServer, running

ASSOCIATIONS: Final = (1, 8)
NODES: Final = 2


class _Measured(NamedTuple):
    """Images a second, and how much of all processors was in use meanwhile."""

    rate: float
    busy: float


@contextmanager
def _serving(work: Path, settings: Mapping[str, str] | None) -> Iterator[Running]:
    directory = work / secrets.token_hex(4)
    directory.mkdir()
    with peers.archimage_on(directory, settings=settings) as started:
        yield started


def _emptied(server: PostgresqlServer) -> Mapping[str, str]:
    """Return the settings of an archive whose database is new."""
    name = f"bench_{secrets.token_hex(4)}"
    server.execute(f"CREATE DATABASE {name}", database="postgres")
    return {"ARCHIMAGE__INDEX__URL": server.url_of(name)}


def _ingest(work: Path, each: list[Objects], associations: int, settings: Mapping[str, str] | None) -> _Measured:
    """Return what nodes, each with objects of its own, acknowledge together."""
    with ExitStack() as opened, ThreadPoolExecutor(len(each)) as threads:
        nodes = [opened.enter_context(_serving(work, settings)) for _ in each]
        psutil.cpu_percent()
        sent = list(
            threads.map(
                lambda one: replay.send_objects(one[1], associations, one[0].port, one[0].ae_title),
                zip(nodes, each, strict=True),
            )
        )
        busy = psutil.cpu_percent() / 100
        return _Measured(sum(one.count for one in sent) / max(one.seconds for one in sent), busy)


def _medians(rounds: int, subjects: Mapping[str, Callable[[], _Measured]]) -> Mapping[str, _Measured]:
    """Measure all of them round after round, and print each."""
    found: dict[str, list[_Measured]] = {name: [] for name in subjects}
    for number in range(rounds):
        for name, measure in subjects.items():
            found[name].append(measure())
            rate, busy = found[name][-1]
            print(f"round {number + 1}: {name}: {rate:.0f} images/s, {busy:.0%} of all processors in use", flush=True)
    return {name: _Measured(*map(statistics.median, zip(*all_of, strict=True))) for name, all_of in found.items()}


def main(images: int = 300, rounds: int = 3) -> None:
    """Measure, and print a table."""
    with tempfile.TemporaryDirectory(prefix="archimage-bench-") as folder, running(durable=True) as server:
        work = Path(folder)
        each = [
            data.prepare(work / f"data{number}", replace(CT_512K, name=f"ct{number}", count=images))
            for number in range(NODES)
        ]
        subjects: dict[str, Callable[[], _Measured]] = {}
        for count in ASSOCIATIONS:
            subjects[f"SQLite, {count} associations"] = partial(_ingest, work, each[:1], count, None)
            subjects[f"PostgreSQL, {count} associations"] = lambda count=count: _ingest(
                work, each[:1], count, _emptied(server)
            )
        subjects[f"PostgreSQL, {NODES} nodes"] = lambda: _ingest(work, each, ASSOCIATIONS[-1], _emptied(server))
        found = _medians(rounds, subjects)
    for count in ASSOCIATIONS:
        ours, theirs = (found[f"{name}, {count} associations"].rate for name in ("PostgreSQL", "SQLite"))
        print(f"PostgreSQL / SQLite, {count} associations: {ours / theirs:.2f} (wanted: 0.8)")
    several, one = found[f"PostgreSQL, {NODES} nodes"], found[f"SQLite, {ASSOCIATIONS[-1]} associations"]
    ratio = several.rate / one.rate
    print(f"PostgreSQL with {NODES} nodes / SQLite: {ratio:.2f} (wanted: 1.5 where cores allow)")
    print(f"with all processors in use that would be {ratio / several.busy:.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
