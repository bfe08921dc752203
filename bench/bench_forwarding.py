"""How fast an archive forwards what it has, beside `archimage store` of the same files to the same kind of receiver.

Run `python -m bench.bench_forwarding [OBJECTS [ROUNDS [BYTES]]]`. The receiver is an archive of its own each time, and
keeps everything durably; what is measured is the time between the first and the last object that it kept, by its own
clock. Store and forwarding take turns, and both are measured twice: of what lies in memory, and of what is on the disk.
Last comes the live case: objects come in and go on at the same time.

`store` looks into each file before it sends the first, and the kernel reads half of 512 KB with that. So the archive's
files are looked into as well before forwarding begins: both have the same to read while they are measured.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Final

from archimage.dicom.part10 import FileMeta, encode_file_meta
from archimage.index.sqlite import SqliteIndex
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN
from archimage.services.sources import HEAD_BYTES
from tests.attacks.datasets import dataset
from tests.attacks.server import Server, running, wait_until
from tests.attacks.wire import CT

_ROOT: Final = "1.2.826.0.1.3680043.8.496.1"
_WITHIN_S: Final = 300.0
_QUIET_S: Final = 4

Prepare = Callable[[Path], None]
"""Brings the files of a folder to where they are to be read from."""


def files(folder: Path, count: int, size_bytes: int) -> Path:
    """Write the objects of one study."""
    folder.mkdir()
    for number in range(count):
        uid = f"{_ROOT}.{number}"
        data = dataset(uid, pixels=os.urandom(size_bytes))
        meta = encode_file_meta(FileMeta(CT, uid, EXPLICIT_VR_LITTLE_ENDIAN))
        (folder / f"{number}.dcm").write_bytes(meta + data)
    return folder


def archimage(*arguments: object) -> None:
    """Run a command."""
    subprocess.run([sys.executable, "-m", "archimage", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def arrivals(server: Server) -> Sequence[float]:
    """Return when objects came, by the clock of the receiver."""
    with closing(SqliteIndex(server.directory / "index.db")) as index:
        return [at for (at,) in index.fetch("SELECT received_at FROM instance ORDER BY received_at", {})]


def objects(folder: Path) -> Iterator[Path]:
    """Walk the files of objects."""
    return folder.rglob("*.dcm")


def read(folder: Path) -> None:
    """Have files lie in memory."""
    for path in objects(folder):
        path.read_bytes()


def look(folder: Path) -> None:
    """Have no more of files in memory than is there once somebody has looked at their heads."""
    os.sync()
    for path in objects(folder):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            file.read(HEAD_BYTES)


def rate(server: Server, count: int) -> float:
    """Wait until a receiver has all objects; return how many came a second."""
    if not wait_until(lambda: len(arrivals(server)) >= count, _WITHIN_S):
        raise TimeoutError(f"only {len(arrivals(server))} of {count} objects came")
    found = arrivals(server)
    return (count - 1) / (found[-1] - found[0])


def stored(work: Path, folder: Path, count: int, prepare: Prepare) -> float:
    """Measure `archimage store`."""
    prepare(folder)
    with running(work / "data" / "b") as receiver:
        archimage("store", "127.0.0.1", receiver.port, folder)
        return rate(receiver, count)


@contextmanager
def forwarding(work: Path, receiver: Server, on: str) -> Iterator[Server]:
    """Run an archive that forwards all that comes."""
    config = work / "a.toml"
    rule = f'[[routing.rule]]\nname = "on"\non = "{on}"\nactions = "send:RECEIVER"\n'
    config.write_text(f"[routing]\nquiet_s = {_QUIET_S}\n{rule}", encoding="utf-8")
    node = f"RECEIVER=127.0.0.1:{receiver.port}"
    options = ["--config", str(config), "--node", node]
    with running(work / "data" / "a", options, {"dicom__any_called_ae_title": "true"}) as server:
        yield server


def forwarded(work: Path, folder: Path, count: int, prepare: Prepare) -> float:
    """Measure the forwarding of a study that has come before."""
    with ExitStack() as held:
        receiver = held.enter_context(running(work / "data" / "b", settings={"dicom__any_called_ae_title": "true"}))
        sender = held.enter_context(forwarding(work, receiver, "study"))
        archimage("import", folder, "--data", sender.directory)
        prepare(sender.directory / "objects")
        return rate(receiver, count)


def live(work: Path, folder: Path, count: int) -> tuple[float, float]:
    """Measure what comes and goes on at once: objects a second into the forwarding archive, and out of it."""
    with ExitStack() as held:
        receiver = held.enter_context(running(work / "data" / "b", settings={"dicom__any_called_ae_title": "true"}))
        sender = held.enter_context(forwarding(work, receiver, "instance"))
        archimage("store", "127.0.0.1", sender.port, folder)
        out = rate(receiver, count)
        came = arrivals(sender)
        return (count - 1) / (came[-1] - came[0]), out


def measured(work: Path, folder: Path, count: int) -> Iterator[tuple[str, str, float]]:
    """Measure one round: from where files are read, what is measured, and how many objects came a second."""
    for place, prepare in (("memory", read), ("disk", look)):
        for name, measure in (("store", stored), ("forwarding", forwarded)):
            own = work / f"{name}-{place}"
            own.mkdir(parents=True)
            yield place, name, measure(own, folder, count, prepare)
            subprocess.run(["rm", "-rf", str(own)], check=True)
            time.sleep(1)


def main(arguments: Sequence[str]) -> None:
    """Measure, and print."""
    count, rounds, size_bytes = (*map(int, arguments), *(600, 3, 512 << 10)[len(arguments) :])
    found: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="forwarding-") as directory:
        folder = files(Path(directory) / "files", count, size_bytes)
        for number in range(rounds):
            for place, name, rate_of in measured(Path(directory) / str(number), folder, count):
                found.setdefault((place, name), []).append(rate_of)
                print(f"round {number + 1}: {name} from {place}: {rate_of:.0f} objects/s", file=sys.stderr, flush=True)
        work = Path(directory) / "live"
        work.mkdir()
        came, went = live(work, folder, count)
    for place in ("memory", "disk"):
        store, forwarding_too = found[place, "store"], found[place, "forwarding"]
        ratios = [mine / other for mine, other in zip(forwarding_too, store, strict=True)]
        rates = f"{statistics.median(forwarding_too):.0f} to {statistics.median(store):.0f} objects/s"
        spread = f"{min(ratios):.2f}-{max(ratios):.2f}"
        print(f"forwarding to archimage store, from {place}: {statistics.median(ratios):.2f} ({spread}; {rates})")
    print(f"live: {came:.0f} objects/s came and went on at {went:.0f}, {went / came:.2f} of it")


if __name__ == "__main__":
    main(sys.argv[1:])
