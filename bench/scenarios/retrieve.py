"""C-GET and C-MOVE of 512 KB CT out of each archive."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from bench import clients, peers, process, queries, replay, wire
from bench.data import CT, CT_512K, PATIENT_ID, Objects
from bench.figures import Sample, Target
from bench.harness import Bench
from bench.process import Running

Start = Callable[[Path, int], AbstractContextManager[Running]]
CASES = {
    "getscu": "C-GET of 512 KB CT, getscu",
    "movescu": "C-MOVE of 512 KB CT, to storescp",
    "get": "C-GET of 512 KB CT, discarding client",
    "move": "C-MOVE of 512 KB CT, to a discarding SCP",
}
ARCHIVES: dict[str, Start] = {"archimage": peers.archimage, "Orthanc": peers.orthanc, "dcmqrscp": peers.dcmqrscp}


def get_move(bench: Bench) -> None:
    """Retrieve everything once by each client; a server is filled once a round and serves all four."""
    objects = bench.objects(CT_512K)
    for key, case in CASES.items():
        bench.expect((Target(case, 2.0 if "scu" in key else 3.0, "Orthanc"),))
        if "scu" in key:
            bench.expect((Target(case, 1.2, "dcmqrscp"),))
    bench.alternate(
        "C-GET and C-MOVE of 512 KB CT",
        {
            **{name: partial(_retrieve_all, bench.work, objects, start) for name, start in ARCHIVES.items()},
            "floor": partial(_floor, bench.work, objects),
        },
    )


def _floor(work: Path, objects: Objects) -> Iterator[Sample]:
    """Send ready objects with sendfile: to the C-GET clients as they ask, to the C-MOVE destinations unasked."""
    with peers.ready(work, objects.pdus) as server:
        with process.fresh_directory(work, "getscu") as directory:
            objects.warm()
            seconds = clients.getscu(server, PATIENT_ID, directory)
            _require(sum(1 for _ in directory.iterdir()), objects)
        yield _sample("getscu", server, objects, seconds)
        objects.warm()
        got = queries.get(server, PATIENT_ID, CT)
        _require(got.count, objects)
        yield _sample("get", server, objects, got.seconds)
        port = process.free_port()
        with peers.storescp(work, called=peers.MOVE_DESTINATION, port=port):
            objects.warm()
            sent = replay.send_objects(objects, 1, port, peers.MOVE_DESTINATION)
        yield _sample("movescu", server, objects, sent.seconds)
        with peers.sink(work, port=port):
            objects.warm()
            sent = replay.send_objects(objects, 1, port, peers.MOVE_DESTINATION)
        yield _sample("move", server, objects, sent.seconds)


def _retrieve_all(work: Path, objects: Objects, start: Start) -> Iterator[Sample]:
    """Retrieve four times from one server, the cache as the filling left it: cold where a server writes around it."""
    port = process.free_port()
    with start(work, port) as server:
        replay.send_objects(objects, 1, server.port, server.ae_title)
        with process.fresh_directory(work, "getscu") as directory:
            objects.warm()
            seconds = clients.getscu(server, PATIENT_ID, directory)
            _require(sum(1 for _ in directory.iterdir()), objects)
        yield _sample("getscu", server, objects, seconds)
        with peers.storescp(work, called=peers.MOVE_DESTINATION, port=port) as destination:
            objects.warm()
            seconds = clients.movescu(server, PATIENT_ID, peers.MOVE_DESTINATION)
            _require(sum(1 for _ in destination.directory.iterdir()), objects)
        yield _sample("movescu", server, objects, seconds)
        objects.warm()
        got = queries.get(server, PATIENT_ID, CT)
        _require(got.count, objects)
        yield _sample("get", server, objects, got.seconds)
        with peers.sink(work, port=port):
            objects.warm()
            moved = queries.move(server, PATIENT_ID, peers.MOVE_DESTINATION)
        _require(moved.count, objects)
        yield _sample("move", server, objects, moved.seconds)


def _sample(key: str, server: Running, objects: Objects, seconds: float) -> Sample:
    return Sample(CASES[key], server.name, objects.count / seconds, "objects/s")


def _require(count: int, objects: Objects) -> None:
    if count != objects.count:
        raise wire.WireError(f"{count} of {objects.count} objects came back")
