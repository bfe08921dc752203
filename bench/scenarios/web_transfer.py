"""WADO-RS of whole studies and STOW-RS, beside a bare sender and receiver; the memory that 1 GB takes in and out."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from bench import archives, peers, web
from bench.archives import ARCHIVES
from bench.data import BIG_1G, CT_512K, STUDY_1G, Objects
from bench.figures import OURS, Sample, Target
from bench.harness import Bench
from bench.process import Running

OBJECTS = web.multipart("application/dicom")
EXPLICIT = 'multipart/related; type="application/dicom"'
PIXEL_WORKER = "archimage.imaging.worker"  # what a process of ours is called that touches pixels only
ONE_BY_ONE = 200


def web_wado(bench: Bench) -> None:
    """Fetch each study of 512 KB CT, first as filling and a restart left the page cache, then again."""
    objects = bench.objects(CT_512K)
    case = "WADO-RS study of 512 KB CT"
    asked = {
        f"{case}, as stored, first": OBJECTS,
        f"{case}, as stored, again": OBJECTS,
        f"{case}, no transfer syntax named, again": EXPLICIT,
    }
    bench.expect([Target(kind, 5, "Orthanc") for kind in asked])
    studies = list(dict.fromkeys(objects.study(number) for number in range(objects.count)))

    def measure(name: str) -> Iterator[Sample]:
        with (
            archives.holding(name, bench.work, archives.by_dimse(objects)) as server,
            web.Connection(server) as connection,
        ):
            for kind, accept in asked.items():
                before = server.cpu_s()
                answers = [connection.get(study, accept) for study in studies]
                got = sum(answer.require(objects.shape.pixel_bytes).length for answer in answers)
                cpu_ms = 1000 * (server.cpu_s() - before) / objects.count
                yield Sample(kind, name, got / 1e6 / sum(answer.seconds for answer in answers), "MB/s", cpu_ms)

    def floor() -> Iterator[Sample]:
        with peers.web_floor(bench.work, objects.folder) as server, web.Connection(server) as connection:
            objects.warm()
            before = server.cpu_s()
            answers = [connection.get(folder.name, OBJECTS).require() for folder in objects.groups]
            got = sum(answer.length for answer in answers)
            cpu_ms = 1000 * (server.cpu_s() - before) / objects.count
            speed = got / 1e6 / sum(answer.seconds for answer in answers)
            yield from (Sample(kind, server.name, speed, "MB/s", cpu_ms) for kind in list(asked)[1:])

    bench.alternate(case, {**{name: partial(measure, name) for name in ARCHIVES}, "floor": floor})


def web_stow(bench: Bench) -> None:
    """Store 512 KB CT, a study a request and an object a request."""
    objects = bench.objects(CT_512K)
    by_study = [sorted(folder.iterdir()) for folder in objects.groups]
    requests = {
        "STOW-RS of 512 KB CT, a study a request": by_study,
        "STOW-RS of 512 KB CT, an object a request": [[file] for file in objects.files[:ONE_BY_ONE]],
    }
    for case, bodies in requests.items():
        bench.expect((Target(case, 5, "Orthanc"),))
        starts = {name: partial(archives.empty, name, bench.work) for name in ARCHIVES}
        starts["floor"] = partial(peers.web_floor, bench.work, objects.folder)
        bench.alternate(case, {name: partial(_store, case, start, objects, bodies) for name, start in starts.items()})


def _store(
    case: str,
    start: Callable[[], AbstractContextManager[Running]],
    objects: Objects,
    bodies: Sequence[Sequence[Path]],
) -> Sequence[Sample]:
    with start() as server, web.Connection(server) as connection:
        objects.warm()
        before = server.cpu_s()
        seconds = sum(connection.store(files).require().seconds for files in bodies)
        cpu_s = server.cpu_s() - before
    count = sum(len(files) for files in bodies)
    return (Sample(case, server.name, count / seconds, "objects/s", 1000 * cpu_s / count),)


def web_memory(bench: Bench) -> None:
    """Let 1 GB in and out, as one object and as many; Orthanc once, for what it takes."""
    for shape, kind in ((BIG_1G, "a 1 GB object"), (STUDY_1G, "a 1 GB study of CT")):
        objects = bench.objects(shape)
        going = {"out": partial(_out, bench, objects), "in": partial(_in, bench, objects)}
        for direction, measure in going.items():
            case = f"memory above idle, {kind} {direction}"
            bench.expect((Target(case, 64, at_most=True),))
            bench.alternate(case, {OURS: partial(measure, OURS, case)})
            bench.alternate(case, {"Orthanc": partial(measure, "Orthanc", case)}, rounds=1)


def _out(bench: Bench, objects: Objects, name: str, case: str) -> Iterator[Sample]:
    fill = archives.by_dimse(objects)
    with archives.holding(name, bench.work, fill) as server, web.Connection(server) as connection:
        idle = _begin(server)
        answer = connection.get(objects.study(0), OBJECTS).require(objects.count * objects.shape.pixel_bytes)
        yield from _grown(server, idle, case, answer.length / 1e6 / answer.seconds)


def _in(bench: Bench, objects: Objects, name: str, case: str) -> Iterator[Sample]:
    with archives.empty(name, bench.work) as server, web.Connection(server) as connection:
        objects.warm()
        idle = _begin(server)
        answer = connection.store(objects.files).require()
        yield from _grown(server, idle, case, objects.count * objects.shape.pixel_bytes / 1e6 / answer.seconds)


def _begin(server: Running) -> int:
    """Forget the peak so far; return what it takes now, bytes."""
    server.reset_peak()
    return server.rss_bytes(PIXEL_WORKER)


def _grown(server: Running, idle: int, case: str, speed: float) -> Iterator[Sample]:
    peak = server.peak_bytes(PIXEL_WORKER)
    yield Sample(case, server.name, (peak - idle) / 2**20, "MB")
    yield Sample(case.replace("memory above idle, ", "speed of "), server.name, speed, "MB/s")
