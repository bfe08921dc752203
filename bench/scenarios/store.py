"""C-STORE: images a second into each server."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from bench import clients, peers, replay
from bench.data import BIG_1G, CT_512K, SMALL_8K, Objects
from bench.figures import Sample, Target
from bench.harness import Bench, Measure
from bench.process import Running

Start = Callable[[], AbstractContextManager[Running]]
Client = Callable[[str, Objects, int, Start], Sequence[Sample]]
RELAXED = {"ARCHIMAGE__STORAGE__DURABILITY": "os"}
DCMQRSCP_NOTE = (
    "dcmqrscp is left out over 8 associations: its children give their files the same names and refuse each other's."
)


def store_ct(bench: Bench) -> None:
    """Store 512 KB CT over 1 and 8 associations, from storescu and from the lean client."""
    objects = bench.objects(CT_512K)
    for associations, orthanc_ratio, storescp_ratio in ((1, 2.5, 0.75), (8, 3.0, 1.0)):
        for client in ("storescu", "lean client"):
            case = f"512 KB CT, {associations} assoc., {client}"
            bench.expect((Target(case, orthanc_ratio, "Orthanc"), Target(case, storescp_ratio, "storescp")))
            subjects = _subjects(bench.work, dcmqrscp=associations == 1)
            if client == "storescu":
                bench.alternate(case, {name: partial(_by_storescu, case, objects, associations, start)
                                       for name, start in subjects.items()})  # fmt: skip
            else:
                bench.expect((Target(case, 0.6, "floor"),))
                bench.alternate(case, _lean_measures(bench, case, objects, associations, subjects))
            if associations > 1:
                bench.note(case, DCMQRSCP_NOTE)


def store_relaxed(bench: Bench) -> None:
    """Store 512 KB CT with durability left to the operating system, beside storescp, which leaves it there too."""
    objects = bench.objects(CT_512K)
    subjects: dict[str, Start] = {
        "archimage": partial(peers.archimage, bench.work, settings=RELAXED),
        "storescp": partial(peers.storescp, bench.work),
    }
    floor: dict[str, Start] = {"floor": partial(peers.floor, bench.work, sync=False)}
    senders: dict[str, tuple[Client, dict[str, Start]]] = {
        "storescu": (_by_storescu, subjects),
        "lean client": (_by_replay, subjects | floor),
    }
    for associations in (1, 8):
        for client, (measure, servers) in senders.items():
            case = f'512 KB CT, durability = "os", {associations} assoc., {client}'
            bench.expect((Target(case, 1.0, "storescp"),))
            bench.alternate(case, {name: partial(measure, case, objects, associations, start)
                                   for name, start in servers.items()})  # fmt: skip


def store_small(bench: Bench) -> None:
    """Store 5,000 objects of 8 KB."""
    objects = bench.objects(SMALL_8K)
    for associations, orthanc_ratio in ((1, 3.0), (8, 5.0)):
        case = f"8 KB objects, {associations} assoc., lean client"
        bench.expect((Target(case, orthanc_ratio, "Orthanc"),))
        subjects = {
            name: start for name, start in _subjects(bench.work, dcmqrscp=False).items() if name != "pynetdicom"
        }
        bench.alternate(case, _lean_measures(bench, case, objects, associations, subjects))


def store_big(bench: Bench) -> None:
    """Store a multi-frame of 1 GB: speed, and the peak of memory above the idle server's."""
    objects = bench.objects(BIG_1G)
    case = "1 GB multi-frame"
    bench.expect((Target(case, 0.5, "floor"), Target(f"{case}, memory above idle", 64, at_most=True)))

    def measure(start: Start) -> Iterator[Sample]:
        with start() as server:
            idle = server.rss_bytes()
            server.reset_peak()
            sent = _send(objects, 1, server)
            peak = server.peak_bytes()
        yield Sample(case, server.name, objects.total_bytes / 1e6 / sent.seconds, "MB/s")
        if server.name == "archimage":
            yield Sample(f"{case}, memory above idle", server.name, (peak - idle) / 2**20, "MB")

    subjects: dict[str, Start] = {
        "archimage": partial(peers.archimage, bench.work),
        "floor": partial(peers.floor, bench.work),
        "storescp": partial(peers.storescp, bench.work),
    }
    bench.alternate(case, {name: partial(measure, start) for name, start in subjects.items()})


def _subjects(work: Path, *, dcmqrscp: bool) -> dict[str, Start]:
    starts: dict[str, Start] = {
        "archimage": partial(peers.archimage, work),
        "Orthanc": partial(peers.orthanc, work),
        "storescp": partial(peers.storescp, work),
        "pynetdicom": partial(peers.pynetdicom_scp, work),
    }
    if dcmqrscp:
        starts["storescp -B"] = partial(peers.storescp, work, "-B")
        starts["dcmqrscp"] = partial(peers.dcmqrscp, work)
    return starts


def _lean_measures(
    bench: Bench, case: str, objects: Objects, associations: int, subjects: dict[str, Start]
) -> dict[str, Measure]:
    """Return the measures by the lean client, the floor among them."""
    starts: dict[str, Start] = {**subjects, "floor": partial(peers.floor, bench.work)}
    return {name: partial(_by_replay, case, objects, associations, start) for name, start in starts.items()}


def _by_replay(case: str, objects: Objects, associations: int, start: Start) -> Sequence[Sample]:
    with start() as server:
        sent = _send(objects, associations, server)
    cpu_ms = None if sent.cpu_s is None else 1000 * sent.cpu_s / sent.count
    return (Sample(case, server.name, sent.count / sent.seconds, "objects/s", cpu_ms),)


def _send(objects: Objects, associations: int, server: Running) -> replay.Sent:
    objects.warm()
    if server.name == "floor":
        return replay.send_bare(objects, associations, server.port, server.cpu_s)
    return replay.send_objects(objects, associations, server.port, server.ae_title, server.cpu_s)


def _by_storescu(case: str, objects: Objects, associations: int, start: Start) -> Sequence[Sample]:
    with start() as server:
        objects.warm()
        seconds = clients.storescu(server, objects.groups, associations)
    return (Sample(case, server.name, objects.count / seconds, "objects/s"),)
