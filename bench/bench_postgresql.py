"""What an index on PostgreSQL costs beside one on SQLite, as ratios of one run: with one node, and with several.

Run `python -m bench.bench_postgresql [IMAGES [ROUNDS]]`. A real PostgreSQL that flushes its commits runs on this
machine meanwhile; subjects take turns, round after round, and the medians are compared.
"""

import secrets
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import psutil

from bench import data, peers, replay
from bench.data import CT_512K, Objects
from bench.process import Running
from tests.servers.postgresql import PostgresqlServer, running

ASSOCIATIONS: Final = (1, 8)
NODES: Final = 2


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


def _ingest(work: Path, objects: Objects, associations: int, settings: Mapping[str, str] | None) -> float:
    """Return the images a second that one node acknowledges."""
    with _serving(work, settings) as node:
        sent = replay.send_objects(objects, associations, node.port, node.ae_title)
        return sent.count / sent.seconds


def _together(work: Path, each: list[Objects], settings: Mapping[str, str]) -> float:
    """Return the images a second that several nodes, each with objects of its own, acknowledge together.

    It tells how busy the processors are meanwhile: where they are so wholly, more nodes can do no more.
    """
    with ExitStack() as opened, ThreadPoolExecutor(len(each)) as threads:
        nodes = [opened.enter_context(_serving(work, settings)) for _ in each]
        psutil.cpu_percent()
        sent = list(
            threads.map(
                lambda one: replay.send_objects(one[1], ASSOCIATIONS[-1], one[0].port, one[0].ae_title),
                zip(nodes, each, strict=True),
            )
        )
        print(f"{len(each)} nodes: {psutil.cpu_percent():.0f} % of all processors in use", flush=True)
        return sum(one.count for one in sent) / max(one.seconds for one in sent)


def main(images: int = 300, rounds: int = 3) -> None:
    """Measure, and print a table."""
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="archimage-bench-") as folder, running(durable=True) as server:
        work = Path(folder)
        each = [
            data.prepare(work / f"data{number}", replace(CT_512K, name=f"ct{number}", count=images))
            for number in range(NODES)
        ]
        for number in range(rounds):
            for associations in ASSOCIATIONS:
                for name, settings in {"SQLite": None, "PostgreSQL": _emptied(server)}.items():
                    told = f"{name}, {associations} associations"
                    found.setdefault(told, []).append(_ingest(work, each[0], associations, settings))
            found.setdefault(f"PostgreSQL, {NODES} nodes", []).append(_together(work, each, _emptied(server)))
            for name, rates in found.items():
                print(f"round {number + 1}: {name}: {rates[-1]:.0f} images/s", flush=True)
    rates = {name: statistics.median(all_of) for name, all_of in found.items()}
    for associations in ASSOCIATIONS:
        ours, theirs = (rates[f"{name}, {associations} associations"] for name in ("PostgreSQL", "SQLite"))
        print(f"PostgreSQL / SQLite, {associations} associations: {ours / theirs:.2f} (wanted: 0.8)")
    several, one = rates[f"PostgreSQL, {NODES} nodes"], rates[f"SQLite, {ASSOCIATIONS[-1]} associations"]
    print(f"PostgreSQL with {NODES} nodes / SQLite: {several / one:.2f} (wanted: 1.5 where cores allow)")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
