"""Second copies of objects, to mend damaged ones of: in backups, and in the directory of another archive."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from archimage.errors import BlobNotFoundError, ConfigError
from archimage.model.records import StoredInstance
from archimage.model.tiers import earlier_paths
from archimage.storage.backups import MARK, BackupDirectory
from archimage.storage.files import storage_errors
from archimage.storage.filesystem import FileReader


class BackupCopies:
    """Implements `ports.backup.Copies` for a directory of backups; the newest is looked into first."""

    def __init__(self, target: BackupDirectory) -> None:
        self._target = target

    def find(self, wanted: Sequence[StoredInstance]) -> Iterator[tuple[StoredInstance, FileReader]]:
        """Yield what backups have of these, whose bytes were never known to be damaged; IntegrityError as they do."""
        sought = {stored.sop_instance_uid: stored for stored in wanted}
        for backup in self._target.all():
            for kept in backup.objects():
                stored = sought.get(kept.row.stored.sop_instance_uid)
                if stored is None or kept.state or kept.row.stored.digest != stored.digest:
                    continue
                try:
                    reader = FileReader(self._target.content(kept.sha256))
                except BlobNotFoundError:
                    continue
                yield stored, reader


class ArchiveCopies:
    """Implements `ports.backup.Copies` for the directory of another archive of the same layout."""

    def __init__(self, directory: Path) -> None:
        self._objects = directory / "objects"

    def find(self, wanted: Sequence[StoredInstance]) -> Iterator[tuple[StoredInstance, FileReader]]:
        """Yield what stands there under the same paths, or those from which rules have moved them here."""
        for stored in wanted:
            for path in earlier_paths(stored.path):
                try:
                    with storage_errors(f"open the copy of {path}"):
                        reader = FileReader(self._objects / path)
                except BlobNotFoundError:
                    continue
                yield stored, reader


def copies_in(directory: Path) -> BackupCopies | ArchiveCopies:
    """Open whatever copies a directory holds; ConfigError where it holds none."""
    if (directory / MARK).exists():
        return BackupCopies(BackupDirectory(directory))
    if (directory / "objects").is_dir():
        return ArchiveCopies(directory)
    raise ConfigError(f"{directory} holds neither backups nor an archive")
