"""What an archive keeps in files beside its objects and its index: everything in its directory but what is named here.

The heads of the audit trail come first: a journal must hold what its last head tells, so it must not be older.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from archimage.errors import BlobNotFoundError
from archimage.model.dumps import check_path
from archimage.storage.files import storage_errors, write_all
from archimage.storage.lanes import RESTORING

_ELSEWHERE: Final = frozenset({"objects", "uploading", "removed"})
"""Places of objects."""
_PASSING: Final = frozenset({"incoming", "journal", "cache", "watched", "viewer", "exports"})
"""What is of this moment, can be made again or, as the viewer, installed again."""
_DATABASES: Final = (".db", ".db-wal", ".db-shm", ".db-journal")
_LOCK: Final = ".lock"
_FIRST: Final = ("audit-heads",)
_PIECE_BYTES: Final = 1 << 20


class FilesystemBelongings:
    """Implements `ports.backup.Belongings` for the directory of an archive."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def files(self) -> Iterator[tuple[str, int]]:
        """Yield path and permissions of each, those first that others must not be older than."""
        found = [path for path in self._walk(self._directory) if _is_kept(path)]
        found.sort(key=lambda path: (path.relative_to(self._directory).parts[0] not in _FIRST, path))
        for path in found:
            try:
                mode = stat.S_IMODE(path.stat().st_mode)
            except FileNotFoundError:
                continue
            yield path.relative_to(self._directory).as_posix(), mode

    def read(self, path: str) -> Iterator[bytes]:
        """Yield the bytes of one, as long as it was when that began; BlobNotFoundError where it has gone."""
        with storage_errors(f"read {path}"):
            try:
                file = (self._directory / path).open("rb", 0)
            except FileNotFoundError:
                raise BlobNotFoundError(f"{path} has gone") from None
            with file:
                rest = os.fstat(file.fileno()).st_size
                while rest and (piece := file.read(min(rest, _PIECE_BYTES))):
                    yield piece
                    rest -= len(piece)

    def write(self, path: str, pieces: Iterable[bytes], mode: int) -> None:
        """Write one; IntegrityError where its path leads out of the archive."""
        place = self._directory / check_path(path)
        with storage_errors(f"write {path}"):
            for folder in reversed(place.relative_to(self._directory).parents):
                (self._directory / folder).mkdir(0o700, exist_ok=True)
            fd = os.open(place, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600)
            try:
                for piece in pieces:
                    write_all(fd, [piece])
                os.fchmod(fd, mode & 0o777)
            finally:
                os.close(fd)

    def _walk(self, directory: Path) -> Iterator[Path]:
        """Yield every file that nobody is about to rename, and no link."""
        top = directory == self._directory
        for entry in os.scandir(directory):
            if entry.is_dir(follow_symlinks=False):
                if not (top and entry.name in _ELSEWHERE | _PASSING):
                    yield from self._walk(Path(entry.path))
            elif entry.is_file(follow_symlinks=False):
                yield Path(entry.path)


def _is_kept(path: Path) -> bool:
    return not path.name.endswith((*_DATABASES, _LOCK)) and path.name not in {"lock", RESTORING}
