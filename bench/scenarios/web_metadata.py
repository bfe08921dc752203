"""WADO-RS metadata of a series of 600 CT, first after a restart, then again and again."""

import gzip
import json
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bench import archives, machine, web, wire
from bench.archives import ARCHIVES
from bench.data import SERIES_600, Objects
from bench.figures import Sample, Target
from bench.harness import Bench

CACHE = "cache"  # archimage's directory of what can be derived anew


def web_metadata(bench: Bench) -> None:
    """Ask for all of a series; the server was started anew on an archive that it has derived nothing of."""
    objects = bench.objects(SERIES_600)
    case = f"metadata of a series of {objects.count}"
    cold, warm = f"{case}, first after a restart", f"{case}, again"
    bench.expect((Target(cold, 400, at_most=True), Target(warm, 20, at_most=True)))
    bench.alternate(case, {name: partial(_measure, bench, name, (cold, warm), objects) for name in ARCHIVES})


def _measure(bench: Bench, name: str, cases: tuple[str, str], objects: Objects) -> Iterator[Sample]:
    with archives.filled(name, bench.work, archives.by_dimse(objects)) as directory:
        shutil.rmtree(directory / CACHE, ignore_errors=True)
        with ARCHIVES[name](directory) as server, web.Connection(server) as connection:
            bench.note(cases[0], _how(directory))
            path = f"{objects.series(0)}/metadata"
            cold = connection.get(path, web.JSON, keep=True)
            _require(cold, objects)
            yield Sample(cases[0], name, 1000 * cold.seconds, "ms")
            for _ in range(5 if name == "Orthanc" else 20):
                yield Sample(cases[1], name, 1000 * connection.get(path, web.JSON).require().seconds, "ms")


def _how(directory: Path) -> str:
    how = machine.forget_files(directory)
    return f"the server started anew, its derived files removed, then {how}; it is the server's first request."


def _require(answer: web.Answer, objects: Objects) -> None:
    """Look that the answer is about every object and has what its header has."""
    body = answer.require().body
    found = json.loads(gzip.decompress(body) if answer.headers.get("content-encoding") == "gzip" else body)
    if len(found) != objects.count or min(len(one) for one in found) < 100:
        raise wire.WireError(f"metadata of {len(found)} of {objects.count} objects came, or not all of it")
