"""Following a folder: what is there, and what comes, is imported once it is no longer written to.

The folder is looked through again and again: the kernel's notices do not come from network shares, which such folders
mostly are. Of a folder in which everything is dealt with, only its own time is looked at, which changes with what comes
and goes; now and then, the less often the longer it takes, every file is looked at, for one may be written to in its
place. A file is settled when its size and time were the same for a while, and, where the
kernel can tell, when nobody has it open for writing. What was dealt with is remembered by numbers (`services.seen`).
"""

import fcntl
import io
import os
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final, cast

from archimage.services import seen
from archimage.services.importing import Imported, ImportService
from archimage.services.seen import Identity, Marks
from archimage.services.sources import Source, sources

_UNFINISHED: Final = frozenset({".part", ".partial", ".filepart", ".crdownload", ".tmp"})
_MEDIA: Final = "DICOMDIR"
_MOST_TOLD: Final = 1_000
_WHOLE_SHARE: Final = 50
"""Between two looks at every file so many times as long as one takes."""
_LITTLE_S: Final = 0.05
"""What takes no longer than this is done at every look."""
_SURE_NS: Final = 2_000_000_000
"""What comes right after a look may leave a folder's time as it was: only one that is older than this is relied on."""

Report = Callable[[str, str], None]
"""Told of what cannot be looked at: its name, and why."""


@dataclass(slots=True)
class Candidate:
    """A settled file, and what became of what it holds; reason is that of the first failure."""

    path: Path
    identity: Identity
    fates: Counter[str] = field(default_factory=Counter)
    reason: str = ""
    changed: bool = False
    passing: bool = False
    _waiting: int = 0
    _read: bool = False

    @property
    def is_done(self) -> bool:
        """Whether all that it holds has its outcome."""
        return self._read and not self._waiting

    @property
    def is_stored(self) -> bool:
        """Whether it holds objects, and all of them are in the archive and acknowledged."""
        return not self.is_due_again and not self.fates["failed"] and self.fates.total() > self.fates["skipped"]

    @property
    def is_whole(self) -> bool:
        """Whether, besides, there is nothing else in it that would be lost with it."""
        return self.is_stored and not self.fates["skipped"]

    @property
    def is_due_again(self) -> bool:
        """Whether it is to be tried again: it was written to meanwhile, or the archive could not store just now."""
        return self.changed or self.passing

    def sources(self) -> Iterator[Source]:
        """Yield what it holds: itself, or the members of a zip archive."""
        for source in self._contents():
            self._waiting += 1
            yield source
        self._read = True

    def add(self, outcome: Imported) -> None:
        """Note what became of one of them."""
        self._waiting -= 1
        self.fates[outcome.fate] += 1
        self.reason = self.reason or outcome.reason
        self.passing |= outcome.passing

    def open(self) -> BinaryIO:
        """Open it, if it is still what it was and nobody writes to it; raises OSError."""
        try:
            file = _Steady(self)
        except FileNotFoundError:
            self.changed = True
            raise
        try:
            file.check()
        except OSError:
            file.close()
            raise
        return cast("BinaryIO", file)

    def _contents(self) -> Iterator[Source]:
        if self.path.suffix.lower() == ".zip":
            try:
                self.open().close()
            except OSError:
                pass  # opened once more, it tells why
            else:
                yield from sources([self.path])
                return
        yield Source(str(self.path), self.identity[1], self.open)


class _Steady(io.FileIO):
    """A file whose end cannot be read once it has changed: what was read of it until then is not stored."""

    def __init__(self, candidate: Candidate) -> None:
        super().__init__(os.open(candidate.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")
        self._candidate = candidate

    def read(self, size: int | None = -1, /) -> bytes:
        """Read; raises OSError at the end where the file is not what it was."""
        piece = super().read(-1 if size is None else size) or b""
        if not piece:
            self.check()
        return piece

    def check(self) -> None:
        """Raise OSError where the file is not what it was, or somebody writes to it."""
        if seen.identity(os.fstat(self.fileno())) != self._candidate.identity or _is_written(self.fileno()):
            self._candidate.changed = True
            raise OSError("it is being written to")


def _is_written(descriptor: int) -> bool:
    """Tell whether somebody has a file open for writing: the kernel then lends no lease (fcntl(2)), if it lends any."""
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return True
    except OSError:  # not our file, or a file system without leases
        return False
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


class FolderWatch:
    """Looks through a folder for files that have settled; links are not followed."""

    def __init__(self, folder: Path, dealt: Marks, *, settle_s: float, report: Report) -> None:
        """Begin with what an earlier run has dealt with."""
        self.dealt = dealt
        self._folder = folder
        self._settle_s = settle_s
        self._report = report
        self._unsettled: dict[int, tuple[int, float]] = {}
        """What a file was when it was first seen so, and when that was."""
        self._unreadable: set[int] = set()
        self._looked_everywhere = True
        self._is_quiet = False
        """Whether so far everything was dealt with in the folder that is looked through."""
        self._quiet: dict[Path, tuple[Identity, tuple[Path, ...]]] = {}
        """Folders in which everything was dealt with: what they were then, and the folders in them."""
        self._whole_at = 0.0
        """When every file is to be looked at again, seconds, monotonic."""

    @property
    def unsettled(self) -> int:
        """How many files were seen that are not dealt with."""
        return len(self._unsettled)

    def settled(self, service: ImportService, stopped: threading.Event) -> Iterator[Candidate]:
        """Look through the folder once, import what has settled, and yield each file once all of it has its outcome."""
        order: deque[Candidate] = deque()
        empty: list[Candidate] = []

        def found() -> Iterator[Source]:
            for candidate in self._look(stopped):
                for source in candidate.sources():
                    order.append(candidate)
                    yield source
                if candidate.is_done:  # nothing is in it
                    empty.append(candidate)

        for outcome in service.run(found()):
            candidate = order.popleft()
            candidate.add(outcome)
            if candidate.is_done:
                yield candidate
        yield from empty

    def deal(self, candidate: Candidate, *, gone: bool = False) -> None:
        """Remember that a file was dealt with, as it was; or forget it, where it is gone."""
        key = seen.path_key(str(candidate.path))
        self._unsettled.pop(key, None)
        if not gone:
            self.dealt[key] = seen.mark(candidate.identity)

    def _look(self, stopped: threading.Event) -> Iterator[Candidate]:
        """Yield the files that have settled and are not dealt with; forget those that are gone."""
        present: set[int] = set()
        started, found = time.monotonic(), 0
        self._looked_everywhere = whole = started >= self._whole_at
        if whole:
            self._quiet.clear()
        for path, status in self._walk():
            if stopped.is_set():
                return
            known = seen.identity(status)
            key, mark = seen.path_key(path), seen.mark(known)
            present.add(key)
            if self.dealt.get(key) == mark:
                continue
            self._is_quiet = False
            if self._has_settled(key, mark):
                found += 1
                yield Candidate(Path(path), known)
        ended = time.monotonic()
        if whole and not found and ended - started > _LITTLE_S:
            self._whole_at = ended + _WHOLE_SHARE * (ended - started)
        if self._looked_everywhere:
            for marks in (self.dealt, self._unsettled):
                for key in [key for key in marks if key not in present]:
                    del marks[key]

    def _has_settled(self, key: int, mark: int) -> bool:
        """Tell whether a file has been the same for long enough; notes what it is now."""
        now = time.monotonic()
        before, since = self._unsettled.get(key, (None, now))
        if before == mark:
            return now - since >= self._settle_s
        self._unsettled[key] = (mark, now)
        return False

    def _walk(self) -> Iterator[tuple[str, os.stat_result]]:
        """Yield every file that may be an object or an archive of some, but those of quiet folders."""
        folders = [self._folder]
        while folders:
            folder = folders.pop()
            try:
                status = folder.stat()
                before, inside = self._quiet.get(folder, (None, ()))
                if seen.identity(status) == before:
                    folders += inside
                else:
                    yield from self._files(folder, status, folders)
            except OSError as error:
                self._looked_everywhere = False
                if not isinstance(error, FileNotFoundError) or not folders:
                    self._tell_once(str(folder), error.strerror or str(error))

    def _files(self, folder: Path, status: os.stat_result, folders: list[Path]) -> Iterator[tuple[str, os.stat_result]]:
        """Yield the files of a folder, and add the folders in it to those that are still to be looked through."""
        before = len(folders)
        self._quiet.pop(folder, None)
        self._is_quiet = time.time_ns() - status.st_mtime_ns > _SURE_NS
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry.path))
                elif entry.is_file(follow_symlinks=False) and _is_finished(entry.name):
                    try:
                        yield entry.path, entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue
        if self._is_quiet:
            self._quiet[folder] = seen.identity(status), tuple(folders[before:])

    def _tell_once(self, folder: str, reason: str) -> None:
        key = seen.path_key(folder)
        if key not in self._unreadable and len(self._unreadable) < _MOST_TOLD:
            self._unreadable.add(key)
            self._report(folder, reason)


def _is_finished(name: str) -> bool:
    """Tell whether a name is that of a whole file; what a DICOMDIR names is found by itself."""
    _, dot, suffix = name.rpartition(".")
    return name.upper() != _MEDIA and f"{dot}{suffix.lower()}" not in _UNFINISHED
