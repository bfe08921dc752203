"""Where objects are kept, by the settings: as files, or in an object store with the local disk before it."""

from functools import partial
from pathlib import Path

from archimage.automation.tiers import tiered
from archimage.config import Config
from archimage.index.relational import RelationalIndex
from archimage.metering import Metering
from archimage.services.health import HealthService
from archimage.services.spooling import Pace, SpoolService
from archimage.storage.filesystem import FilesystemBlobStore
from archimage.storage.lanes import Turn
from archimage.storage.remote.store import RemoteObjects
from archimage.storage.spooled import SpooledBlobStore
from archimage.storage.tiers import TieredBlobStore
from archimage.threads import Pool

_THROUGH_S = 30.0
"""So long an object that is acknowledged once the object store has it stays with whoever has received it."""


Blobs = FilesystemBlobStore | SpooledBlobStore | TieredBlobStore


def open_blobs(config: Config, directory: Path, lane: str) -> Blobs:
    """Open what keeps objects, as the process of this lane."""
    hot = _open_hot(config, directory, lane)
    try:
        return tiered(config, directory, hot) if config.tiers else hot
    except BaseException:
        hot.close()
        raise


def _open_hot(config: Config, directory: Path, lane: str) -> FilesystemBlobStore | SpooledBlobStore:
    """Open what keeps what comes in."""
    through = bool(config.object_store.url) and config.object_store.mode == "write-through"
    files = FilesystemBlobStore(directory, lane, direct=config.storage.direct_io and not through)
    if not config.object_store.url:
        return files
    try:
        return SpooledBlobStore(directory, files, RemoteObjects(config.object_store))
    except BaseException:
        files.close()
        raise


class ObjectStorePart:
    """What takes objects to the object store, where there is one; from `start` to `close`."""

    def __init__(self, config: Config, blobs: Blobs, index: RelationalIndex) -> None:
        hot = blobs.hot if isinstance(blobs, TieredBlobStore) else blobs
        self.service: SpoolService | None = None
        self.pools: dict[str, Pool] = {}
        self._needed = config.object_store.mode == "write-through"
        if isinstance(hot, SpooledBlobStore):
            pace = Pace(config.object_store.upload_timeout_s, _THROUGH_S if self._needed else 0.0)
            turn = partial(Turn.take, config.storage.directory / "uploading.lock")
            self.service = SpoolService(hot, index, turn, hot.uploading, pace)
            self.pools = {"object-store-put": hot.uploading, "object-store-read": hot.reading}

    def watch(self, health: HealthService, metering: Metering) -> None:
        """Have it looked at."""
        if self.service is not None:
            health.add("object store", self.service.check, needed=self._needed)
            metering.watch_spool(self.service)

    def start(self) -> None:
        """Begin."""
        if self.service is not None:
            self.service.start()

    def close(self) -> None:
        """End; the next start goes on."""
        if self.service is not None:
            self.service.close()
