"""What idle associations cost, and an echo beside them."""

import resource
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

from bench import peers, wire
from bench.figures import Sample, Target
from bench.harness import Bench

SETTINGS = {
    "ARCHIMAGE__DICOM__MAX_ASSOCIATIONS": "5000",
    "ARCHIMAGE__DICOM__IDLE_TIMEOUT_S": "600",
}
CONTEXT = (wire.Context(wire.VERIFICATION, wire.IMPLICIT_LE),)


def idle(bench: Bench) -> None:
    """Open associations and leave them, then echo on a new one."""
    count = 200 if bench.quick else 2000
    memory, echo = (
        f"{count:,} idle associations, memory each",
        f"echo beside {count:,} idle associations, slowest of 100",
    )
    bench.expect((Target(memory, 50, at_most=True), Target(echo, 50, at_most=True)))
    bench.alternate(f"{count:,} idle associations", {"archimage": partial(_measure, bench, count, (memory, echo))})


def _measure(bench: Bench, count: int, cases: tuple[str, str]) -> Iterator[Sample]:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with peers.archimage(bench.work, settings=SETTINGS) as server, ExitStack() as held:
        _open(server.port, server.ae_title).release()
        before = server.rss_bytes()
        channels = [_open(server.port, server.ae_title) for _ in range(count)]
        for channel in channels:
            held.callback(channel.close)
        after = server.rss_bytes()
        yield Sample(cases[0], server.name, (after - before) / 1024 / count, "KB")
        yield Sample(cases[1], server.name, max(_echo(server.port, server.ae_title) for _ in range(100)), "ms")


def _open(port: int, called: str) -> wire.Channel:
    """Associate with a reading buffer small enough to hold thousands."""
    return wire.Channel.open(port, called, CONTEXT, buffer_bytes=4096)


def _echo(port: int, called: str) -> float:
    """Return the time from connecting to the echo's answer, milliseconds."""
    start = time.perf_counter()
    channel = _open(port, called)
    channel.echo()
    milliseconds = 1000 * (time.perf_counter() - start)
    channel.release()
    return milliseconds
