"""How long the archive takes to start beside an index of 1,000,000 instances, as left by a clean end."""

import os
import time
from collections.abc import Iterator, Mapping
from functools import partial
from http.client import HTTPConnection
from pathlib import Path

from bench import filled, peers, process, wire
from bench.figures import OURS, Sample, Target
from bench.harness import Bench

STARTS = 5  # a round
WITHIN_MS = 1000


def start(bench: Bench) -> None:
    """Start an archive again and again."""
    studies = 10_000 if bench.quick else 100_000
    index = filled.prepare(bench.out / "data", studies, 10)
    beside = f"beside {studies * 10:,} instances"
    line, probe = f"start to the line `ready`, {beside}", f"start to 200 from /ready, {beside}"
    bench.expect((Target(line, WITHIN_MS, at_most=True), Target(probe, WITHIN_MS, at_most=True)))
    bench.alternate("start", {OURS: partial(_measure, bench, index, (line, probe))})


def _measure(bench: Bench, index: filled.FilledIndex, cases: tuple[str, str]) -> Iterator[Sample]:
    with process.fresh_directory(bench.work, OURS) as directory:
        index.install(directory)
        os.sync()  # no start waits for the copy
        start_once(directory)  # makes everything but the index
        for _ in range(STARTS):
            for case, took_ms in zip(cases, start_once(directory), strict=True):
                yield Sample(case, OURS, took_ms, "ms")


def start_once(directory: Path, settings: Mapping[str, str] | None = None) -> tuple[float, float]:
    """Start and stop the archive; return when it said that it is ready and when it answered so, milliseconds."""
    started = time.perf_counter()
    with peers.archimage_starting(directory, settings=settings) as server:
        said_ms = 1000 * (time.perf_counter() - started)
        connection = HTTPConnection("127.0.0.1", server.http_port, timeout=wire.TIMEOUT_S)
        connection.request("GET", "/ready")
        status = connection.getresponse().status
        answered_ms = 1000 * (time.perf_counter() - started)
        connection.close()
    if status != 200:
        raise wire.WireError(f"/ready answered {status} after the line `ready`")
    return said_ms, answered_ms
