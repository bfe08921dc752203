"""What it costs to be seen: C-STORE with metrics and logs and without, with tracing and without, from the lean client.

The difference is far smaller than what one run differs from the next, so both servers stand side by side and take
turns, a short burst of the same objects each; what is told is how the two of a pair compare. Nothing is flushed: a disk
varies by more than what is looked for, and beside a flush a count would weigh less.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial

from bench import collector, peers, replay
from bench.data import CT_512K, SMALL_8K, Objects
from bench.figures import OURS, Sample, Target
from bench.harness import Bench
from bench.process import Running

_RELAXED = {"ARCHIMAGE__STORAGE__DURABILITY": "os"}
_SILENT = {"ARCHIMAGE__HTTP__METRICS": "false", "ARCHIMAGE__LOG__LEVEL": "error"}
_TRACED = {"ARCHIMAGE__TRACING__EXPORTER": "otlp", "ARCHIMAGE__TRACING__SAMPLE": "0.01"}
_ASSOCIATIONS = 8
_BURSTS = 40
_SHAPES = ((SMALL_8K, "8 KB objects"), (CT_512K, "512 KB CT"))
Start = Callable[[], AbstractContextManager[Running]]


def metrics_cost(bench: Bench) -> None:
    """Store with metrics and logs, and with neither."""
    _compare(bench, "metrics and logs", {}, _SILENT)


def tracing_cost(bench: Bench) -> None:
    """Store with tracing at 1 %, told to a collector, and without."""
    with collector.collecting() as address:
        _compare(bench, "tracing at 1 %", {**_TRACED, "ARCHIMAGE__TRACING__ENDPOINT": address}, {})


def _compare(bench: Bench, what: str, seen: Mapping[str, str], unseen: Mapping[str, str]) -> None:
    """Store objects of 8 KB and of 512 KB: the smaller they are, the more it weighs."""
    starts = [
        partial(peers.archimage, bench.work / name, settings={**_RELAXED, **settings})
        for name, settings in (("seen", seen), ("unseen", unseen))
    ]
    for shape, size in _SHAPES:
        objects = bench.objects(shape)
        cases = tuple(f"{size}, {what} against none, {figure}" for figure in ("speed", "processor time"))
        bench.expect((Target(cases[0], 0.97), Target(cases[1], 1.03, at_most=True)))
        bench.alternate(f"{size}, {what}", {OURS: partial(_measure, cases, objects, starts)})


def _measure(cases: tuple[str, ...], objects: Objects, starts: list[Start]) -> Iterator[Sample]:
    used = [0.0, 0.0]
    with starts[0]() as seen, starts[1]() as unseen:
        servers = (seen, unseen)
        objects.warm()
        for number, burst in enumerate(_bursts(objects)):
            seconds = [0.0, 0.0]
            for place in (0, 1) if number % 4 in {0, 3} else (1, 0):
                server = servers[place]
                sent = replay.send_objects(burst, _ASSOCIATIONS, server.port, server.ae_title, server.precise_cpu_s)
                seconds[place] = sent.seconds
                used[place] += sent.cpu_s or 0.0
            yield Sample(cases[0], OURS, seconds[1] / seconds[0], "x")
    yield Sample(cases[1], OURS, used[0] / used[1], "x")


def _bursts(objects: Objects) -> Iterator[Objects]:
    """Deal the objects of every association out to bursts."""
    for number in range(_BURSTS):
        yield replace(objects, spans=tuple(group[number::_BURSTS] for group in objects.spans))
