"""Ingest into an archive whose index holds 1,000,000 instances, beside an empty one."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from bench import filled, peers, replay
from bench.data import CT_512K, SMALL_8K, Objects
from bench.figures import Sample, Target
from bench.harness import Bench

EMPTY = "archimage, empty"


def full_index(bench: Bench) -> None:
    """Store into both, alternating."""
    studies = 10_000 if bench.quick else 100_000
    index = filled.prepare(bench.out / "data", studies, 10)
    for shape, associations in ((CT_512K, 1), (CT_512K, 8), (SMALL_8K, 8)):
        objects = bench.objects(shape)
        case = f"ingest beside {studies * 10:,} instances, {shape.name}, {associations} assoc., lean client"
        bench.expect((Target(case, 0.9, EMPTY),))
        bench.alternate(
            case,
            {
                "archimage": partial(_measure, bench.work, case, objects, associations, index.install),
                EMPTY: partial(_measure, bench.work, case, objects, associations, None),
            },
        )


def _measure(
    work: Path, case: str, objects: Objects, associations: int, install: Callable[[Path], None] | None
) -> Sequence[Sample]:
    with peers.archimage(work, prepare=install) as server:
        objects.warm()
        sent = replay.send_objects(objects, associations, server.port, server.ae_title, server.cpu_s)
    subject = "archimage" if install else EMPTY
    cpu_ms = None if sent.cpu_s is None else 1000 * sent.cpu_s / sent.count
    return (Sample(case, subject, sent.count / sent.seconds, "objects/s", cpu_ms),)
