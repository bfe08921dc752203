"""How fast an archive forwards what it has, beside `archimage store` of the same files to the same kind of receiver.

Run `python -m bench.bench_forwarding [OBJECTS [ROUNDS [BYTES]]]`. The receiver is an archive of its own each time,
which keeps everything durably; what is measured is the time between the first and the last object that it kept, by its
own clock. Store and forwarding take turns. Last comes the live case: objects come in and go on at the same time.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Final

from archimage.dicom.part10 import FileMeta, encode_file_meta
from archimage.index.sqlite import SqliteIndex
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN
from tests.attacks.datasets import dataset
from tests.attacks.server import Server, running, wait_until
from tests.attacks.wire import CT

_ROOT: Final = "1.2.826.0.1.3680043.8.496.1"
_WITHIN_S: Final = 300.0
_QUIET_S: Final = 2


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


def evict(folder: Path) -> None:
    """Have files read from the disk: the archive's lie there too, which wrote them around the page cache."""
    os.sync()
    for path in folder.iterdir():
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def rate(server: Server, count: int) -> float:
    """Wait until a receiver has all objects; return how many came a second."""
    if not wait_until(lambda: len(arrivals(server)) >= count, _WITHIN_S):
        raise TimeoutError(f"only {len(arrivals(server))} of {count} objects came")
    found = arrivals(server)
    return (count - 1) / (found[-1] - found[0])


def stored(work: Path, folder: Path, count: int) -> float:
    """Measure `archimage store`."""
    evict(folder)
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


def forwarded(work: Path, folder: Path, count: int) -> float:
    """Measure the forwarding of a study that has come before."""
    with ExitStack() as held:
        receiver = held.enter_context(running(work / "data" / "b", settings={"dicom__any_called_ae_title": "true"}))
        sender = held.enter_context(forwarding(work, receiver, "study"))
        archimage("import", folder, "--data", sender.directory)
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


def main(arguments: Sequence[str]) -> None:
    """Measure, and print."""
    count, rounds, size_bytes = (*map(int, arguments), *(600, 3, 512 << 10)[len(arguments) :])
    found: dict[str, list[float]] = {"store": [], "forward": []}
    with tempfile.TemporaryDirectory(prefix="forwarding-") as directory:
        folder = files(Path(directory) / "files", count, size_bytes)
        for number in range(rounds):
            for name, measure in (("store", stored), ("forward", forwarded)):
                work = Path(directory) / f"{name}{number}"
                work.mkdir()
                found[name].append(measure(work, folder, count))
                print(f"round {number + 1}: {name} {found[name][-1]:.0f} objects/s", file=sys.stderr, flush=True)
                subprocess.run(["rm", "-rf", str(work)], check=True)
                time.sleep(1)
        work = Path(directory) / "live"
        work.mkdir()
        came, went = live(work, folder, count)
    store, forward = (statistics.median(found[name]) for name in ("store", "forward"))
    print(f"archimage store      {store:6.0f} objects/s of {size_bytes} bytes")
    print(f"forwarding           {forward:6.0f} objects/s, {forward / store:.2f} of it")
    print(f"live: came           {came:6.0f} objects/s and went on at {went:.0f}, {went / came:.2f} of it")


if __name__ == "__main__":
    main(sys.argv[1:])
