"""A tier that is a directory of another file system.

archimage-tier      tells that this is the tier of that name, so that an empty mount point is not taken for it
{tier}/{path}       objects; while one is written `.new` stands behind its name
"""

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from archimage import spans
from archimage.errors import OutOfResourcesError, StorageError, UnavailableError
from archimage.storage.files import storage_errors, sync_directory, write_all
from archimage.storage.filesystem import FileReader

_MARKER: Final = "archimage-tier"
_NEW: Final = ".new"
_MODE: Final = 0o640


class DirectoryTier:
    """Implements `storage.tiers.Tier`; reserve_bytes are kept free."""

    def __init__(self, name: str, directory: Path, reserve_bytes: int) -> None:
        self.name = name
        self._directory = directory
        self._reserve_bytes = reserve_bytes
        self._marker = directory / _MARKER

    def begin(self) -> None:
        """Make the directory the tier's, as it is used for the first time; UnavailableError where that cannot be."""
        try:
            with storage_errors(f"use {self._directory}"):
                if not self._marker.exists():
                    self._directory.mkdir(parents=True, exist_ok=True)
                    self._marker.write_text(f"{self.name}\n", "utf-8")
                    sync_directory(self._directory)
        except (StorageError, OutOfResourcesError) as error:
            raise UnavailableError(f"tier {self.name}: {error}") from error
        self.check()

    def check(self) -> None:
        """Raise UnavailableError where the directory is not there, or another one is."""
        try:
            told = self._marker.read_text("utf-8").strip()
        except OSError as error:
            raise UnavailableError(
                f"tier {self.name} is away: {self._marker} cannot be read ({error.strerror})",
                next_step="Mount its file system.",
            ) from error
        if told != self.name:
            raise UnavailableError(f"{self._directory} is tier {told}, and not {self.name}")

    def room_for(self, size_bytes: int) -> None:
        """Raise OutOfResourcesError where so much does not fit."""
        self.check()
        with storage_errors(f"look at {self._directory}"):
            free = shutil.disk_usage(self._directory).free
        if free - size_bytes < self._reserve_bytes:
            raise OutOfResourcesError(f"tier {self.name} is full: {free} bytes are free of which some are to stay so")

    def put(self, path: str, pieces: Iterable[bytes], size_bytes: int) -> None:
        """Write an object, flushed, and make it visible; `settle` makes its name durable."""
        self.room_for(size_bytes)
        target = self._directory / path
        fresh = target.with_name(target.name + _NEW)
        with storage_errors(f"write {path}"):
            target.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(fresh, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, _MODE)
            try:
                for piece in pieces:
                    write_all(fd, [piece])
                os.fsync(fd)
            except BaseException:
                with suppress(OSError):
                    fresh.unlink()
                raise
            finally:
                os.close(fd)
            fresh.replace(target)

    def settle(self, paths: Sequence[str]) -> None:
        """Make the names of objects survive a crash of the machine, and those of their directories."""
        above = {above for path in paths for above in (self._directory / path).parents}
        inside = [one for one in above if one == self._directory or self._directory in one.parents]
        with storage_errors("sync directories"):
            for one in sorted(inside, key=lambda path: -len(path.parts)):
                sync_directory(one)

    def open(self, path: str, size_bytes: int | None = None) -> FileReader:  # noqa: ARG002 - the port's
        """Open an object; UnavailableError where it may be there, and the directory is not."""
        try:
            with spans.leaf("open object"), storage_errors(f"open {path}"):
                return FileReader(self._directory / path)
        except StorageError:
            self.check()
            raise

    def delete(self, paths: Sequence[str]) -> None:
        """Delete objects, and directories that this empties; absent is fine."""
        self.check()
        for path in paths:
            target = self._directory / path
            with spans.leaf("delete object"), storage_errors(f"delete {path}"):
                target.unlink(missing_ok=True)
                target.with_name(target.name + _NEW).unlink(missing_ok=True)
            for above in target.parents:
                if above == self._directory:
                    break
                try:
                    above.rmdir()
                except OSError:
                    break

    def paths(self) -> Iterator[str]:
        """Walk all objects of this archive; UnavailableError where the directory is not there, or goes meanwhile."""
        self.check()
        for directory, _, files in os.walk(self._directory / self.name):
            for file in files:
                if not file.endswith(_NEW):
                    yield str((Path(directory) / file).relative_to(self._directory))
        self.check()  # what goes away while it is walked looks as if there were nothing more

    def close(self) -> None:
        """Do nothing: no file stays open."""
