"""Backups of an archive, wired: making one of what is open, and making an archive of one."""

from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

from archimage.config import Config
from archimage.errors import ConfigError
from archimage.index.dumping import IndexDumps
from archimage.index.opening import open_index_of
from archimage.index.relational import RelationalIndex
from archimage.index.tiers import TierTable
from archimage.ports.backup import Backup
from archimage.ports.storage import BlobStore
from archimage.services.backup import BackupService
from archimage.services.restoring import Restored, restore
from archimage.storage.belongings import FilesystemBelongings
from archimage.storage.files import storage_errors, sync_directory
from archimage.storage.filesystem import FilesystemBlobStore
from archimage.storage.lanes import RESTORING, Occupancy

_REMOVED_AT_ONCE: Final = 500
_LANE: Final = "restoring"


def backup_service(index: RelationalIndex, blobs: BlobStore, directory: Path) -> BackupService:
    """Return what makes backups of an open archive."""
    return BackupService(IndexDumps(index), index, blobs, FilesystemBelongings(directory))


def restore_archive(backup: Backup, config: Config) -> Iterator[Restored]:
    """Make the archive that config describes of a backup; yield the same Restored as it grows.

    Objects are put into its directory, from where they are uploaded if there is an object store, once it runs, and from
    where rules move them to other tiers: those of the archive that was backed up are not touched. What a
    restoration that was interrupted has left is made anew; until one has ended nothing else opens the archive.

    Raises:
        ConfigError: the directory holds something else, or is in use; or the backup was made by a newer archimage.
        IntegrityError: the backup is damaged so that no archive can be made of it.
    """
    directory = config.storage.directory
    with storage_errors(f"restore into {directory}"):
        directory.mkdir(parents=True, exist_ok=True)
        with closing(Occupancy(directory, alone=True, restoring=True)):
            _claim(directory)
            blobs = FilesystemBlobStore(directory, _LANE)
            try:
                yield from restore(backup, blobs, FilesystemBelongings(directory), partial(_fill, config))
                blobs.sync()
            finally:
                blobs.close()
            with suppress(OSError):
                (directory / "incoming" / _LANE).rmdir()
            (directory / RESTORING).unlink()
            sync_directory(directory)


def _claim(directory: Path) -> None:
    """Note that the directory is about to be an archive; ConfigError where it holds something already."""
    if (directory / RESTORING).exists():
        for left in directory.glob("index.db*"):
            left.unlink()
        for path in directory.glob(f"incoming/{_LANE}/*"):
            path.unlink()
    elif {path.name for path in directory.iterdir()} - {"in-use.lock", "lost+found"}:
        raise ConfigError(f"{directory} is not empty: choose a new directory to restore into")
    (directory / RESTORING).touch()
    sync_directory(directory)


def _fill(config: Config, lines: Iterator[bytes], removed: Iterable[str]) -> None:
    """Make the index that the settings name, without the instances of these UIDs."""
    with closing(open_index_of(lines, config)) as index:
        rest = iter(removed)
        while uids := list(islice(rest, _REMOVED_AT_ONCE)):
            index.remove(uids)
        TierTable(index).bring_home()
        index.sync()
