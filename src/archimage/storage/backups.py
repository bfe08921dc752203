"""Directories of backups.

    archimage-backups.json          {"format": 1}: what this directory is
    in-use.lock                     held by the one process that makes a backup
    contents/{2 digits}/{SHA-256}   bytes of objects and files, each once, whichever backups hold them
    backups/{id}/                   a backup, by the time at which it began, UTC
        index.gz                    dump of the index (`model.dumps`)
        objects.gz, files.gz        what it holds (`model.backups`)
        backup.json                 what it is, with the digests of those three; written last
    incoming/                       contents that are not yet flushed

A backup without `backup.json` was interrupted: it is none, and goes with the next one that is made, which need not copy
again what was flushed. Contents come into their place by rename once they are flushed, and are never changed. Lists are
gzip files of many members, one for each time they were flushed, so that what was written of them can be read.
"""

import gzip
import hashlib
import json
import os
import secrets
import shutil
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple, Self

from archimage.errors import ConfigError, ConflictError, IntegrityError, NotFoundError, StorageError
from archimage.model.backups import (
    FORMAT,
    KeptFile,
    KeptObject,
    ListFile,
    Summary,
    decode_file,
    decode_object,
)
from archimage.storage.files import storage_errors, sync_directory, sync_file_system, write_all
from archimage.storage.lanes import Turn

MARK: Final = "archimage-backups.json"
INDEX, OBJECTS, FILES = "index.gz", "objects.gz", "files.gz"
_SUMMARY: Final = "backup.json"
_PIECE_BYTES: Final = 1 << 20
_MEMBER_BYTES: Final = 4 << 20
_MODE, _DIRECTORY_MODE = 0o600, 0o700
_DIGITS: Final = frozenset("0123456789abcdef")


class Pruned(NamedTuple):
    """What was removed: so many backups, and so many files of bytes that no other one needs, with their size."""

    backups: int
    contents: int
    size_bytes: int


class BackupDirectory:
    """A directory of backups, there already."""

    def __init__(self, directory: Path) -> None:
        """Open it; ConfigError where it is none, or one of a newer archimage."""
        self.directory = directory
        try:
            told = json.loads((directory / MARK).read_bytes())
        except FileNotFoundError:
            raise ConfigError(f"{directory} holds no backups of archimage") from None
        except (OSError, ValueError) as error:
            raise ConfigError(f"{directory} cannot be read as a directory of backups: {error}") from error
        if told.get("format") != FORMAT:
            raise ConfigError(f"the backups in {directory} were made by a newer archimage")

    @classmethod
    def make(cls, directory: Path) -> Self:
        """Open a directory of backups, made of a new or an empty one; ConfigError where there is something else."""
        with storage_errors(f"make the directory of backups {directory}"):
            directory.mkdir(_DIRECTORY_MODE, parents=True, exist_ok=True)
            if not (directory / MARK).exists():
                if any(directory.iterdir()):
                    raise ConfigError(f"{directory} holds something else than backups: choose a new directory")
                _write(directory / MARK, json.dumps({"format": FORMAT}).encode() + b"\n")
        return cls(directory)

    def ids(self) -> Sequence[str]:
        """Return the backups that are whole, the newest first."""
        return sorted((path.parent.name for path in self.directory.glob(f"backups/*/{_SUMMARY}")), reverse=True)

    def open(self, wanted: str = "") -> "StoredBackup":
        """Open a backup, or else the newest; NotFoundError where there is none, IntegrityError where it is damaged."""
        ids = self.ids()
        if not ids or (wanted and wanted not in ids):
            raise NotFoundError(f"there is no backup {wanted or 'at all'} in {self.directory}")
        return StoredBackup(self, wanted or ids[0])

    def all(self) -> Sequence["StoredBackup"]:
        """Return all, the newest first."""
        return [StoredBackup(self, one) for one in self.ids()]

    def begin(self) -> "Draft":
        """Begin a backup; ConflictError where another one is being made."""
        turn = self._take_turn()
        try:
            with storage_errors(f"begin a backup in {self.directory}"):
                return Draft(self, turn)
        except BaseException:
            turn.close()
            raise

    def _take_turn(self) -> Turn:
        turn = Turn.take(self.directory / "in-use.lock")
        if turn is None:
            raise ConflictError(f"another backup is being made in {self.directory}: wait for its end")
        return turn

    def content(self, sha256: str) -> Path:
        """Return where bytes are kept."""
        if len(sha256) != 64 or not _DIGITS.issuperset(sha256):
            raise IntegrityError("the backup is damaged: it names bytes by what is no digest")
        return self.directory / "contents" / sha256[:2] / sha256

    def prune(self, keep: int) -> "Pruned":
        """Remove all but the newest backups, and the bytes that none of these needs.

        Raises:
            ConflictError: a backup is being made.
            IntegrityError: what the others need cannot be told, because one is damaged; then nothing is removed.
        """
        with closing(self._take_turn()):
            backups = self.all()
            needed = {bytes.fromhex(digest) for backup in backups[:keep] for digest in backup.needed()}
            for backup in backups[keep:]:
                backup.remove()
            unneeded = [path for path in self.directory.glob("contents/*/*") if bytes.fromhex(path.name) not in needed]
            size = sum(path.stat().st_size for path in unneeded)
            with storage_errors("remove bytes that no backup needs"):
                for path in unneeded:
                    path.unlink()
        return Pruned(len(backups[keep:]), len(unneeded), size)

    def read(self, sha256: str) -> Iterator[bytes]:
        """Yield bytes that are kept; IntegrityError where they are missing or, at the end, damaged."""
        digest = hashlib.sha256()
        try:
            with self.content(sha256).open("rb", 0) as file:
                while piece := file.read(_PIECE_BYTES):
                    digest.update(piece)
                    yield piece
        except FileNotFoundError:
            raise IntegrityError(f"the backup lacks the bytes {sha256}") from None
        except OSError as error:
            raise IntegrityError(f"the bytes {sha256} of the backup cannot be read: {error.strerror}") from error
        if digest.hexdigest() != sha256:
            raise IntegrityError(f"the bytes {sha256} of the backup are damaged")


class StoredBackup:
    """Implements `ports.backup.Backup`."""

    def __init__(self, target: BackupDirectory, backup_id: str) -> None:
        self._target = target
        self._directory = target.directory / "backups" / backup_id
        with storage_errors(f"read the backup {backup_id}"):
            self.summary = Summary.decode((self._directory / _SUMMARY).read_bytes())

    def index(self) -> Iterator[bytes]:
        """Yield the lines of the dump of the index; IntegrityError where it is damaged."""
        return self._lines(self.summary.index)

    def objects(self) -> Iterator[KeptObject]:
        """Yield its objects, in the order of their rows; IntegrityError where the list is damaged."""
        return map(decode_object, self._lines(self.summary.objects))

    def files(self) -> Iterator[KeptFile]:
        """Yield its other files; IntegrityError where the list is damaged."""
        return map(decode_file, self._lines(self.summary.files))

    def read(self, sha256: str) -> Iterator[bytes]:
        """Yield bytes that it holds; IntegrityError where they are missing or, at the end, damaged."""
        return self._target.read(sha256)

    def _lines(self, part: ListFile) -> Iterator[bytes]:
        path = self._directory / part.name
        if _measured(path, part.name) != part:
            raise IntegrityError(f"{part.name} of the backup {self.summary.id} is damaged or missing")
        return _lines(path)

    def needed(self) -> Iterator[str]:
        """Yield the digests of all bytes that belong to it."""
        yield from (kept.sha256 for kept in self.objects() if kept.sha256)
        yield from (kept.sha256 for kept in self.files())

    def remove(self) -> None:
        """Remove the backup; bytes that no other one needs stay."""
        with storage_errors(f"remove the backup {self.summary.id}"):
            (self._directory / _SUMMARY).unlink()
            shutil.rmtree(self._directory)


class ListWriter:
    """Implements `ports.backup.ListWriter`."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, _MODE)
        self._kept: list[bytes] = []
        self._size = 0

    def add(self, line: bytes) -> None:
        """Append a line, which may be kept back."""
        self._kept.append(line)
        self._size += len(line)
        if self._size >= _MEMBER_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what was kept back."""
        if self._kept:
            with storage_errors("write a list of the backup"):
                write_all(self._fd, [gzip.compress(b"".join(self._kept), 6, mtime=0)])
            self._kept, self._size = [], 0

    def close(self) -> None:
        """Write all of it to the disk, and end."""
        try:
            self.flush()
            os.fsync(self._fd)
        finally:
            os.close(self._fd)


class Draft:
    """Implements `ports.backup.Draft`."""

    def __init__(self, target: BackupDirectory, turn: Turn) -> None:
        self._target = target
        self._turn = turn
        backups, incoming = target.directory / "backups", target.directory / "incoming"
        for wanted in (backups, incoming):
            wanted.mkdir(_DIRECTORY_MODE, exist_ok=True)
        for left in incoming.iterdir():
            left.unlink()  # of a backup that was interrupted
        self._whole = target.ids()
        self._interrupted = [path for path in backups.iterdir() if path.name not in self._whole]
        self.began_at = time.time()
        self.id = _new_id(self.began_at, backups)
        self._directory = backups / self.id
        self._directory.mkdir(_DIRECTORY_MODE)
        self._incoming = incoming
        self._waiting: dict[str, Path] = {}
        self._fd = os.open(target.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    @contextmanager
    def begin_list(self, name: str) -> Iterator[ListWriter]:
        """Begin a list; what was of the same name is still to be read by `known`."""
        path = self._directory / name
        with storage_errors(f"write {name} of the backup"):
            if path.exists():
                path.rename(path.with_name(f"former-{time.monotonic_ns()}-{name}"))
        with storage_errors(f"write {name} of the backup"), closing(ListWriter(path)) as writer:
            yield writer

    def lines(self, name: str) -> Iterator[bytes]:
        """Read a list again."""
        return _lines(self._directory / name)

    def known(self) -> Sequence[Iterator[KeptObject]]:
        """Return what the target has already of objects; each list is in the order of rows, and may end early."""
        lists = [path for folder in (*self._interrupted, self._directory) for path in folder.glob(f"*{OBJECTS}")]
        newest = [self._target.directory / "backups" / one / OBJECTS for one in self._whole[:1]]
        return [_decoded(path) for path in (*newest, *lists) if path != self._directory / OBJECTS]

    def has(self, sha256: str, size_bytes: int) -> bool:
        """Tell whether the target holds these bytes."""
        if sha256 in self._waiting:
            return True
        try:
            return self._target.content(sha256).stat().st_size == size_bytes
        except OSError:
            return False

    def keep(self, pieces: Iterable[bytes]) -> tuple[str, int]:
        """Keep bytes; return their SHA-256 and their size."""
        path, digest, size = self._incoming / secrets.token_hex(16), hashlib.sha256(), 0
        with storage_errors("write into the backup"):
            fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, _MODE)
        try:
            for piece in pieces:
                digest.update(piece)
                with storage_errors("write into the backup"):
                    size += write_all(fd, [piece])
        except BaseException:
            path.unlink()
            raise
        finally:
            os.close(fd)
        sha256 = digest.hexdigest()
        if self.has(sha256, size):
            path.unlink()
        else:
            self._waiting[sha256] = path
        return sha256, size

    def settle(self) -> None:
        """Make all that was kept survive a crash, and visible."""
        if not self._waiting:
            return
        with storage_errors("flush the backup"):
            sync_file_system(self._fd)
            for sha256, path in self._waiting.items():
                place = self._target.content(sha256)
                place.parent.mkdir(_DIRECTORY_MODE, parents=True, exist_ok=True)
                path.rename(place)
        self._waiting.clear()

    def part(self, name: str) -> ListFile:
        """Measure a list that is written."""
        measured = _measured(self._directory / name, name)
        if measured is None:
            raise StorageError(f"{name} of the backup has gone")
        return measured

    def finish(self, summary: Summary) -> None:
        """Make it a backup, and remove what interrupted ones have left."""
        with storage_errors("end the backup"):
            for former in self._directory.glob("former-*"):
                former.unlink()
            sync_file_system(self._fd)
            _write(self._directory / _SUMMARY, summary.encode())
            sync_directory(self._directory.parent)
            for left in self._interrupted:
                shutil.rmtree(left)

    def close(self) -> None:
        """Let go of the target."""
        for path in self._waiting.values():
            with suppress(OSError):
                path.unlink()
        os.close(self._fd)
        self._turn.close()


def _new_id(now: float, backups: Path) -> str:
    """Return the time, and a number where that is taken."""
    told = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    number, chosen = 1, told
    while (backups / chosen).exists():
        number += 1
        chosen = f"{told}-{number}"
    return chosen


def _lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a list; IntegrityError where it is damaged."""
    try:
        with gzip.open(path) as file:
            yield from file
    except (OSError, EOFError, zlib.error) as error:
        raise IntegrityError(f"{path.name} of the backup cannot be read: {error}") from error


def _decoded(path: Path) -> Iterator[KeptObject]:
    """Yield what can be read of a list of objects."""
    with suppress(IntegrityError):
        yield from map(decode_object, _lines(path))


def _measured(path: Path, name: str) -> ListFile | None:
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("rb", 0) as file:
            while piece := file.read(_PIECE_BYTES):
                digest.update(piece)
                size += len(piece)
    except OSError:
        return None
    return ListFile(name, digest.hexdigest(), size)


def _write(path: Path, data: bytes) -> None:
    """Write a file at once, on the disk when this returns."""
    aside = path.with_name(f".{path.name}")
    fd = os.open(aside, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, _MODE)
    try:
        write_all(fd, [data])
        os.fsync(fd)
    finally:
        os.close(fd)
    aside.rename(path)
    sync_directory(path.parent)
