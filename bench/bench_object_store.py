"""What an object store costs, as ratios of one run: spool to files, putting through to bare puts, frames to ranges.

Run `python -m bench.bench_object_store [IMAGES [ROUNDS]]`. A real SeaweedFS runs on this machine meanwhile, beside all
that is measured; subjects take turns, round after round, and the medians are compared. Bare puts fill all processors by
themselves, most of it the store's work; so putting through is measured as well with a store that has processors of its
own, as it has elsewhere.
"""

# mypy: disallow-untyped-calls=False

import os
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

import obstore
import psutil
from obstore.store import S3Store

from bench import data, peers, replay, web
from bench.data import CT_512K, Objects, Shape
from bench.process import Running
from tests.servers.seaweedfs import SeaweedFS, seaweedfs

ASSOCIATIONS: Final = 8
_FRAME_ROUNDS: Final = 100
_CINE: Final = Shape("cine", count=1, edge=512, frames=64, studies=1)
_OCTETS: Final = web.multipart("application/octet-stream")


def _settings(store: SeaweedFS, prefix: str, mode: str) -> Mapping[str, str]:
    found = {**store.settings(prefix), "mode": mode, "cache_bytes": 0}
    return {f"ARCHIMAGE__OBJECT_STORE__{name.upper()}": str(value) for name, value in found.items()}


@contextmanager
def _serving(work: Path, settings: Mapping[str, str] | None) -> Iterator[Running]:
    directory = work / secrets.token_hex(4)
    directory.mkdir()
    with peers.archimage_on(directory, settings=settings) as running:
        yield running


def _ingest(work: Path, objects: Objects, settings: Mapping[str, str] | None) -> float:
    """Return the images a second that are acknowledged; an upload goes on beside that, and after."""
    with _serving(work, settings) as running, _told_how_busy():
        sent = replay.send_objects(objects, ASSOCIATIONS, running.port, running.ae_title)
        return sent.count / sent.seconds


@contextmanager
def _told_how_busy() -> Iterator[None]:
    """Tell how busy the processors are: where bare puts fill them, nothing that does more can be as fast."""
    psutil.cpu_percent()
    yield
    print(f"{psutil.cpu_percent():.0f} % of all processors in use: ", end="")


def _bare_puts(store: S3Store, objects: Objects) -> float:
    """Return the objects a second that obstore alone puts, as many at once as there are associations."""
    body, prefix = secrets.token_bytes(objects.shape.pixel_bytes), secrets.token_hex(8)
    started = time.perf_counter()
    with _told_how_busy(), ThreadPoolExecutor(ASSOCIATIONS) as threads:
        list(threads.map(lambda n: obstore.put(store, f"{prefix}/{n}", body), range(objects.shape.count)))
    return objects.shape.count / (time.perf_counter() - started)


def _frames(work: Path, store: SeaweedFS, objects: Objects) -> tuple[float, float]:
    """Return the median seconds of a frame by DICOMweb and of the same range by obstore, taken by turns."""
    prefix = secrets.token_hex(8)
    with _serving(work, _settings(store, prefix, "write-through")) as running:
        replay.send_objects(objects, 1, running.port, running.ae_title)
        (key,) = store.keys(prefix)
        study, series, name = key.split("/")
        frame = f"studies/{study}/series/{series}/instances/{name.removesuffix('.dcm')}/frames/"
        size, client = objects.shape.edge**2 * 2, store.store(prefix)
        ours, bare = [], []
        with web.Connection(running) as connection:
            for number in range(_FRAME_ROUNDS):
                index = number * 7 % objects.shape.frames
                ours.append(connection.get(f"{frame}{index + 1}", _OCTETS).require(size).seconds)
                started = time.perf_counter()
                obstore.get_range(client, key, start=index * size + 1_000, length=size).to_bytes()
                bare.append(time.perf_counter() - started)
    return statistics.median(ours), statistics.median(bare)


@contextmanager
def _apart(folder: Path) -> Iterator[SeaweedFS]:
    """Run a store that has half of the processors for itself; whoever uses it has the others meanwhile."""
    all_of_them = sorted(os.sched_getaffinity(0))
    half = len(all_of_them) // 2
    try:
        _run_on(all_of_them[:half] or all_of_them)
        with seaweedfs(folder) as store:
            _run_on(all_of_them[half:])
            yield store
    finally:
        _run_on(all_of_them)


def _run_on(processors: Sequence[int]) -> None:
    """Have all threads of this process, and whatever it begins after this, run on these processors alone."""
    for thread in psutil.Process().threads():
        with suppress(ProcessLookupError):
            os.sched_setaffinity(thread.id, processors)


class _Rates:
    """Images a second of several subjects, in turns."""

    def __init__(self, rounds: int) -> None:
        self._rounds = rounds

    def medians(self, subjects: Mapping[str, Callable[[], float]]) -> Mapping[str, float]:
        """Measure all of them round after round, and print each rate."""
        found: dict[str, list[float]] = {name: [] for name in subjects}
        for number in range(self._rounds):
            for name, measure in subjects.items():
                found[name].append(measure())
                print(f"round {number + 1}: {name}: {found[name][-1]:.0f} images/s", flush=True)
        return {name: statistics.median(rates) for name, rates in found.items()}


def _through(work: Path, store: SeaweedFS, objects: Objects) -> Mapping[str, Callable[[], float]]:
    """Return what compares putting through with bare puts."""
    return {
        "obstore alone": lambda: _bare_puts(store.store(), objects),
        "write-through": lambda: _ingest(work, objects, _settings(store, secrets.token_hex(8), "write-through")),
    }


def main(images: int = 300, rounds: int = 3) -> None:
    """Measure, and print a table."""
    rates = _Rates(rounds)
    with tempfile.TemporaryDirectory(prefix="archimage-bench-") as folder:
        work = Path(folder)
        objects = data.prepare(work / "data", replace(CT_512K, name="ct", count=images))
        with seaweedfs(work / "s3") as store:
            together = rates.medians(
                {
                    "files": lambda: _ingest(work, objects, None),
                    "write-back": lambda: _ingest(work, objects, _settings(store, secrets.token_hex(8), "write-back")),
                    **_through(work, store, objects),
                }
            )
            ours, bare = _frames(work, store, data.prepare(work / "data", _CINE))
        with _apart(work / "s3-apart") as store:
            print("the store has half of the processors for itself:")
            apart = rates.medians(_through(work, store, objects))
    print(f"write-back / files: {together['write-back'] / together['files']:.2f} (wanted: 0.9)")
    for told, found in (("the store apart", apart), ("all on the same processors", together)):
        ratio = found["write-through"] / found["obstore alone"]
        print(f"write-through / obstore alone, {told}: {ratio:.2f} (wanted: 0.8)")
    print(f"a frame / a bare range: {ours * 1000:.1f} / {bare * 1000:.1f} ms = {ours / bare:.2f} (wanted: 1.5 at most)")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
