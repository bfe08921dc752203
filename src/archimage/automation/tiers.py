"""Tiers that studies are moved to, wired; and what deletes there what was removed while nobody could wait for it."""

import threading
from pathlib import Path
from typing import Final

from archimage.config import Config
from archimage.config_object_store import HOT
from archimage.errors import ConfigError, UnavailableError
from archimage.index.relational import RelationalIndex
from archimage.index.tiers import TierTable
from archimage.logger import logger
from archimage.metering import Metering
from archimage.ports.tiers import TierRecords
from archimage.services.health import Figures, HealthService
from archimage.services.removal import RemovalService
from archimage.services.scrub import Pace
from archimage.services.tiering import Mover, OldFiles, Told
from archimage.storage.tier_directory import DirectoryTier
from archimage.storage.tier_remote import RemoteTier
from archimage.storage.tiers import REMOVED, HotStore, Tier, TieredBlobStore

_LOOK_EVERY_S: Final = 30.0
_log = logger("storage")


def tiered(config: Config, directory: Path, hot: HotStore) -> TieredBlobStore:
    """Return the store of all tiers of the settings; hot is what keeps what comes in."""
    tiers: list[Tier] = []
    for name, one in config.tiers.items():
        if one.directory:
            tiers.append(DirectoryTier(name, Path(one.directory), config.storage.reserve_bytes))
        else:
            tiers.append(RemoteTier(name, one, directory))
    return TieredBlobStore(directory, hot, tiers)


def begin(blobs: TieredBlobStore, records: TierRecords) -> None:
    """Make the tiers ready that are new; one that is away is so, and told by health, until the next start."""
    known = {use.tier for use in records.uses()}
    for name in blobs.tiers:
        if name not in known:
            try:
                blobs.begin(name)
            except UnavailableError as error:
                _log.error("a new tier cannot be used yet", tier=name, reason=str(error))
            else:
                records.begin(name)


class TiersPart:
    """What moves studies between tiers, where there are any; from `start` to `close`.

    Raises:
        ConfigError: something lies in a tier that the settings do not name any more.
    """

    def __init__(self, config: Config, blobs: object, index: RelationalIndex) -> None:
        self.records: TierRecords = TierTable(index)
        self.mover: Mover | None = None
        self._config = config
        self._index = index
        self._blobs = blobs if isinstance(blobs, TieredBlobStore) else None
        self._old: OldFiles | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tiers")
        self._check_names(config.storage.directory)
        if self._blobs is not None:
            begin(self._blobs, self.records)

    def move_with(self, removal: RemovalService, told: Told) -> None:
        """Make what moves; removal deletes old files, told hears of what was moved."""
        if self._blobs is not None:
            pace = Pace(self._config.retention.move_bytes_per_s, self._ended.wait)
            self.mover = Mover(self._index, self._blobs, self.records, pace)
            self.mover.told = told
            self._old = OldFiles(removal)

    def watch(self, health: HealthService, metering: Metering) -> None:
        """Have it told where a tier is away, and what lies in each; objects are received all the same."""
        if self._blobs is not None:
            health.add("tiers", self.check, needed=False)
            metering.watch_tiers(self.records, (HOT, *self._blobs.tiers))

    def check(self) -> Figures:
        """Tell how many tiers there are; UnavailableError where one is away."""
        assert self._blobs is not None  # noqa: S101 - else nobody asks
        for error in self._blobs.away().values():
            raise error
        return {"tiers": len(self._blobs.tiers)}

    def start(self) -> None:
        """Begin to delete what was removed."""
        if self._blobs is not None:
            self._thread.start()

    def close(self) -> None:
        """Stop; the next start goes on."""
        self._ended.set()
        if self._blobs is not None:
            self._blobs.due.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        assert self._blobs is not None  # noqa: S101 - else it is not started
        left = 0
        while not self._ended.is_set():
            before, left = left, 0
            try:
                if self._old is not None:
                    self._old.look()
                left = self._blobs.delete_due()
            except Exception as error:  # a fault of ours must not end the only thread that deletes
                _log.error("what was removed of tiers is not deleted yet", reason=str(error) or repr(error))
            if left and not before:
                _log.warning("a tier is away, of which something is to be deleted", objects=left)
            self._blobs.due.wait(_LOOK_EVERY_S)

    def _check_names(self, directory: Path) -> None:
        """Forget tiers that are empty and not in the settings; raise ConfigError for one that is not empty."""
        for use in self.records.uses():
            if use.tier == HOT or use.tier in self._config.tiers:
                continue
            if not self.records.is_empty(use.tier) or any((directory / REMOVED).glob(f"{use.tier}~*")):
                raise ConfigError(
                    f"tiers.{use.tier} is not in the settings, and {use.instances} objects lie there as last counted: "
                    "name it again, and have a rule move them before it goes"
                )
            self.records.forget(use.tier)
