"""Archives with DICOMweb, filled and started anew: what the web scenarios measure."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from bench import peers, process, replay, web
from bench.data import Objects
from bench.figures import OURS
from bench.process import Running

StartOn = Callable[[Path], AbstractContextManager[Running]]
Fill = Callable[[Running], None]
ARCHIVES: Mapping[str, StartOn] = {OURS: peers.archimage_on, "Orthanc": peers.orthanc_web}


def by_dimse(objects: Objects) -> Fill:
    """Return what fills an archive by C-STORE over one association."""

    def fill(server: Running) -> None:
        replay.send_objects(objects, 1, server.port, server.ae_title)

    return fill


def by_web(*files: Path) -> Fill:
    """Return what fills an archive by STOW-RS, in one request."""

    def fill(server: Running) -> None:
        with web.Connection(server) as connection:
            connection.store(files).require()

    return fill


@contextmanager
def empty(name: str, work: Path) -> Iterator[Running]:
    """Start an archive that has nothing."""
    with process.fresh_directory(work, name.lower()) as directory, ARCHIVES[name](directory) as server:
        yield server


@contextmanager
def filled(name: str, work: Path, fill: Fill) -> Iterator[Path]:
    """Fill an archive and stop it; yields its directory."""
    with process.fresh_directory(work, name.lower()) as directory:
        with ARCHIVES[name](directory) as server:
            fill(server)
        yield directory


@contextmanager
def holding(name: str, work: Path, fill: Fill) -> Iterator[Running]:
    """Start an archive that was filled before it started."""
    with filled(name, work, fill) as directory, ARCHIVES[name](directory) as server:
        yield server
