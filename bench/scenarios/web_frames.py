"""WADO-RS frames: of native CT on one core, of a large encapsulated object, and rendered."""

import os
import random
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from functools import partial

from bench import archives, encapsulated, web, wire
from bench.archives import ARCHIVES
from bench.data import CT_512K, Objects
from bench.encapsulated import Encapsulated
from bench.figures import Sample, Target
from bench.harness import Bench
from bench.process import Running

AS_STORED = web.multipart("application/octet-stream")
DECODED = 'multipart/related; type="application/octet-stream"'
CONNECTIONS = 4
RENDERED = 50
ENOUGH_S = 10.0
LEAST_BYTES = 1000  # of anything that shows an image


def web_native(bench: Bench) -> None:
    """Fetch the frame of each CT over four connections, the server on one core and the client on another."""
    objects = bench.objects(CT_512K)
    case = "native frames of 512 KB, server on one core"
    bench.expect((Target(case, 800),))
    bench.note(
        case,
        f"{CONNECTIONS} connections; every thread of the server is put on the last core by sched_setaffinity, the "
        "client's threads on the others; each frame was read once before.",
    )
    paths = [f"{objects.instance(number)}/frames/1" for number in range(objects.count)]

    def measure(name: str) -> Iterator[Sample]:
        with archives.holding(name, bench.work, archives.by_dimse(objects)) as server:
            _fetch(server, paths, objects.shape.pixel_bytes)
            server.pin(_last_core())
            before = server.cpu_s()
            seconds = _fetch(server, paths * 2, objects.shape.pixel_bytes)
            cpu_ms = 1000 * (server.cpu_s() - before) / (2 * len(paths))
        yield Sample(case, name, 2 * len(paths) / seconds, "requests/s", cpu_ms)

    bench.alternate(case, {name: partial(measure, name) for name in ARCHIVES})


def _last_core() -> int:
    return max(os.sched_getaffinity(0))


def _fetch(server: Running, paths: Sequence[str], least_bytes: int) -> float:
    """Fetch paths over all connections together, from the other cores; return the time it took, seconds."""
    errors: list[Exception] = []

    def work(number: int) -> None:
        os.sched_setaffinity(0, os.sched_getaffinity(0) - {_last_core()} or {_last_core()})
        try:
            with web.Connection(server) as connection:
                for path in paths[number::CONNECTIONS]:
                    connection.get(path, AS_STORED).require(least_bytes)
        except (OSError, wire.WireError) as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(CONNECTIONS)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return time.perf_counter() - start


def web_encapsulated(bench: Bench) -> None:
    """Fetch the frames of a large JPEG-LS object in any order: as they are stored, and decoded."""
    large = encapsulated.prepare(bench.out / "data", 8 if bench.quick else 88)
    case = f"a frame of an encapsulated {large.megabytes:.0f} MB, {large.frames}-frame object"
    bench.expect((Target(f"{case}, p50", 10, at_most=True), Target(f"{case}, p95", 10, at_most=True)))
    for kind, accept in ((case, AS_STORED), (f"{case}, decoded", DECODED)):
        bench.alternate(kind, {name: partial(_any_frames, bench, name, kind, (large, accept)) for name in ARCHIVES})


def _any_frames(bench: Bench, name: str, case: str, asked: tuple[Encapsulated, str]) -> Iterator[Sample]:
    """Fetch frames in the same random order in every run; a few where each takes a second."""
    large, accept = asked
    order = list(range(1, large.frames + 1))
    random.Random(1).shuffle(order)  # noqa: S311  # nothing is secret here
    times: list[float] = []
    with (
        archives.holding(name, bench.work, archives.by_web(large.path)) as server,
        web.Connection(server) as connection,
    ):
        for number in order:
            answer = connection.get(f"{large.instance}/frames/{number}", accept)
            times.append(1000 * answer.require(large.frame_bytes).seconds)
            if sum(times) > 1000 * ENOUGH_S:
                break
    yield Sample(f"{case}, first", name, times[0], "ms")
    yield from _spread(case, name, times)


def web_rendered(bench: Bench) -> None:
    """Have CT rendered to JPEG, one after another, by a worker that has rendered before."""
    objects = bench.objects(CT_512K)
    case = "a rendered frame of 512x512, JPEG"
    bench.expect((Target(f"{case}, p50", 15, at_most=True),))
    bench.alternate(case, {name: partial(_rendered, bench, name, case, objects) for name in ARCHIVES})


def _rendered(bench: Bench, name: str, case: str, objects: Objects) -> Iterator[Sample]:
    count = min(RENDERED, objects.count // 2)
    paths = [f"{objects.instance(number)}/frames/1/rendered" for number in range(2 * count)]
    with (
        archives.holding(name, bench.work, archives.by_dimse(objects)) as server,
        web.Connection(server) as connection,
    ):
        answers = [connection.get(path, "image/jpeg").require(LEAST_BYTES) for path in paths]
    yield from _spread(case, name, [1000 * answer.seconds for answer in answers[count:]])


def _spread(case: str, name: str, times: Sequence[float]) -> Iterator[Sample]:
    yield Sample(f"{case}, p50", name, statistics.median(times), "ms")
    yield Sample(f"{case}, p95", name, sorted(times)[int(0.95 * (len(times) - 1))], "ms")
