"""What counting and telling cost: C-STORE with metrics and logs, and without, from the lean client.

The difference is far smaller than what one run differs from the next, so both servers stand side by side and take
turns, a burst of the same objects each; what is told is how the two of a pair compare. Nothing is flushed: a disk
varies by more than what is looked for, and beside a flush a count would weigh less.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial

from bench import peers, replay
from bench.data import CT_512K, SMALL_8K, Objects
from bench.figures import OURS, Sample, Target
from bench.harness import Bench
from bench.process import Running

_RELAXED = {"ARCHIMAGE__STORAGE__DURABILITY": "os"}
_SILENT = {**_RELAXED, "ARCHIMAGE__HTTP__METRICS": "false", "ARCHIMAGE__LOG__LEVEL": "error"}
_ASSOCIATIONS = 8
Start = Callable[[], AbstractContextManager[Running]]


def metrics_cost(bench: Bench) -> None:
    """Store objects of 8 KB and of 512 KB: the smaller they are, the more a count weighs."""
    starts = [partial(peers.archimage, bench.work / name, settings=settings)
              for name, settings in (("told", _RELAXED), ("silent", _SILENT))]  # fmt: skip
    for shape, size, bursts in ((SMALL_8K, "8 KB objects", 10), (CT_512K, "512 KB CT", 10)):
        objects = bench.objects(shape)
        cases = tuple(f"{size}, metrics and logs against none, {what}" for what in ("speed", "processor time"))
        bench.expect((Target(cases[0], 0.97), Target(cases[1], 1.03, at_most=True)))
        bench.alternate(f"{size}, metrics and logs", {OURS: partial(_measure, cases, objects, bursts, starts)})


def _measure(cases: tuple[str, ...], objects: Objects, bursts: int, starts: list[Start]) -> Iterator[Sample]:
    used = [0.0, 0.0]
    with starts[0]() as told, starts[1]() as silent:
        servers = (told, silent)
        objects.warm()
        for number, burst in enumerate(_bursts(objects, bursts)):
            seconds = [0.0, 0.0]
            for place in (0, 1) if number % 2 else (1, 0):
                server = servers[place]
                sent = replay.send_objects(burst, _ASSOCIATIONS, server.port, server.ae_title, server.cpu_s)
                seconds[place] = sent.seconds
                used[place] += sent.cpu_s or 0.0
            yield Sample(cases[0], OURS, seconds[1] / seconds[0], "x")
    yield Sample(cases[1], OURS, used[0] / used[1], "x")


def _bursts(objects: Objects, count: int) -> Iterator[Objects]:
    """Deal the objects of every association out to bursts."""
    for number in range(count):
        yield replace(objects, spans=tuple(group[number::count] for group in objects.spans))
