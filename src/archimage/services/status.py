"""The state of the archive as a whole: what runs, since when, how much it holds, how much room there is."""

import platform
import shutil
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from archimage import __version__
from archimage.config import Config
from archimage.model.records import Arrived, Counts
from archimage.ports.index import Arrivals, Index
from archimage.services.refreshed import Refreshed
from archimage.services.remembered import Remembered
from archimage.settings import Setting, listed

_HOLD_S: Final = 60.0
"""Growth and size look at every row of a month, or of all."""
_DAY_S: Final = 86_400
_LIBRARIES: Final = ("fastapi", "imagecodecs", "numpy", "pillow", "pydicom", "sqlalchemy", "starlette", "uvicorn")


@dataclass(frozen=True, slots=True)
class Room:
    """What the archive's file system holds, bytes; used by whatever is on it."""

    total_bytes: int
    used_bytes: int
    free_bytes: int


@dataclass(frozen=True, slots=True)
class SystemStatus:
    """What `StatusService.get` tells; started is seconds since 1970, UTC."""

    name: str
    version: str
    python: str
    libraries: Mapping[str, str]
    ae_title: str
    dicom_address: str
    dicom_port: int
    dicom_tls_port: int
    http_address: str
    http_port: int
    workers: int
    started: float
    uptime_s: float
    directory: str
    storage: Room
    index_kind: str
    index_size_bytes: int
    counts: Counts


@dataclass(frozen=True, slots=True)
class Growth:
    """What came in the last day, the last 7 and the last 30 days, and is kept."""

    day: Arrived
    week: Arrived
    month: Arrived


@dataclass(frozen=True, slots=True)
class Ports:
    """The TCP ports that are listened on, 0 before that, and for one that is not."""

    dicom: int
    dicom_tls: int
    http: int
    hl7: int = 0


class StatusService:
    """Tells how the archive is. `close` it."""

    def __init__(self, config: Config, index: Index, arrivals: Arrivals) -> None:
        self._config = config
        self._index = index
        self._arrivals = arrivals
        self._counting = ThreadPoolExecutor(1, "figures")
        self._growth = Refreshed(self._grown, self._counting, holds_s=_HOLD_S)
        self._size = Refreshed(lambda: arrivals.since(0).size_bytes, self._counting, holds_s=_HOLD_S)
        self._ports = Ports(config.dicom.port, 0, config.http.port)
        self._started = time.time()
        self._started_at = time.monotonic()
        self._counts = Remembered[Counts](index.generation, 1)
        self._libraries = dict(_versions())

    def listening(self, ports: Ports) -> None:
        """Note the ports that were taken where the settings ask for any."""
        self._ports = ports

    def configure(self, config: Config) -> None:
        """Tell these settings instead of those before."""
        self._config = config

    def counts(self) -> Counts:
        """Count what is kept."""
        return self._counts.get("counts", self._index.counts)

    def settings(self) -> Sequence[Setting]:
        """List every setting, secrets masked, with where it came from."""
        return listed(self._config)

    def growth(self) -> Growth:
        """Tell how fast the archive grows, as it was at most a minute before somebody asked last."""
        return self._growth.get()

    def stored_bytes(self) -> int:
        """Sum up the sizes of the files, as it was at most a minute before somebody asked last."""
        return self._size.get()

    def close(self) -> None:
        """Stop counting."""
        self._counting.shutdown(cancel_futures=True)

    def _grown(self) -> Growth:
        now = int(time.time())
        return Growth(*(self._arrivals.since(now - days * _DAY_S) for days in (1, 7, 30)))

    def get(self) -> SystemStatus:
        """Return the state."""
        config, directory = self._config, self._config.storage.directory
        usage = shutil.disk_usage(directory)
        return SystemStatus(
            name="archimage",
            version=__version__,
            python=platform.python_version(),
            libraries=self._libraries,
            ae_title=config.dicom.ae_title,
            dicom_address=config.dicom.host,
            dicom_port=self._ports.dicom,
            dicom_tls_port=self._ports.dicom_tls,
            http_address=config.http.host,
            http_port=self._ports.http,
            workers=config.dicom.workers,
            started=self._started,
            uptime_s=round(time.monotonic() - self._started_at, 3),
            directory=str(directory.resolve()),
            storage=Room(usage.total, usage.used, usage.free),
            index_kind=self._index.kind,
            index_size_bytes=self._index.size_bytes(),
            counts=self.counts(),
        )


def _versions() -> list[tuple[str, str]]:
    found = []
    for name in _LIBRARIES:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return found
