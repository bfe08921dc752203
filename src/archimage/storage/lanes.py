"""Lanes: what each process that writes to an archive has for itself, a journal and a place for incoming files.

A lane belongs to whoever holds the lock on its file; the kernel lets go of it when the process ends, however it ends. A
lane nobody holds may have been left in a crash, and is recovered before anything else happens.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

from archimage.errors import ConfigError, StorageError
from archimage.storage.files import storage_errors

MAX_LANES: Final = 512
RESTORING: Final = "restoring"
"""A file in the directory of an archive that is not restored to its end."""


class Occupancy:
    """This process's use of an archive: beside others, or alone. The kernel ends it with the process."""

    def __init__(self, directory: Path, *, alone: bool, restoring: bool = False) -> None:
        """Begin; restoring tells that the archive is only now being made of a backup.

        Raises:
            ConfigError: others use the archive and this one must be alone, or another is alone in it; or it is not
                restored to its end.
            OSError: the directory cannot be written.
        """
        self._fd = os.open(directory / "in-use.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(self._fd, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._fd)
            why = "it is in use: stop the server and every import" if alone else "its index is being rebuilt: wait"
            raise ConfigError(f"the archive in {directory} cannot be opened, for {why}") from None
        if (directory / RESTORING).exists() and not restoring:
            os.close(self._fd)
            raise ConfigError(f"the archive in {directory} is not restored to its end: run `archimage restore` again")

    def close(self) -> None:
        """End."""
        os.close(self._fd)


class Lane:
    """One lane, held by this process."""

    def __init__(self, directory: Path, name: str, fd: int) -> None:
        self.name = name
        self.journal_directory = directory / "journal" / name
        self._fd = fd

    @classmethod
    def take(cls, directory: Path, name: str) -> Self | None:
        """Hold the lane of this name; None when another process does."""
        journal_directory = directory / "journal" / name
        with storage_errors(f"open lane {name}"):
            journal_directory.mkdir(parents=True, exist_ok=True)
            fd = os.open(journal_directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        return cls(directory, name, fd)

    def close(self) -> None:
        """Let go of the lane."""
        os.close(self._fd)


class Turn:
    """What one process of a machine does at a time; the kernel lets go of it when the process ends."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    @classmethod
    def take(cls, path: Path) -> Self | None:
        """Take the turn that the lock at path stands for; None while another process has it."""
        with storage_errors(f"open {path.name}"):
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        return cls(fd)

    def is_held(self) -> bool:
        """Tell whether it is still ours: always, until it is closed."""
        return True

    def close(self) -> None:
        """Let others have it."""
        os.close(self._fd)


def take_free_lane(directory: Path) -> Lane:
    """Hold the first lane that nobody holds."""
    for number in range(MAX_LANES):
        lane = Lane.take(directory, str(number))
        if lane is not None:
            return lane
    raise StorageError(f"{MAX_LANES} processes already write to {directory}")


@contextmanager
def recovery_turn(directory: Path) -> Iterator[None]:
    """Wait until nobody else recovers lanes: whoever starts finds all of them recovered, not some half way."""
    journal = directory / "journal"
    journal.mkdir(parents=True, exist_ok=True)
    fd = os.open(journal, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def take_abandoned_lanes(directory: Path) -> Iterator[Lane]:
    """Hold, one after the other, every lane that was used and that nobody holds; the caller closes each."""
    for path in sorted((directory / "journal").iterdir()):
        lane = Lane.take(directory, path.name)
        if lane is not None:
            yield lane
