"""Files that are de-identified into a folder, several at a time."""

import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from threading import Lock

from archimage.cli.workbench import PIECE_BYTES, Workbench
from archimage.dicom.deidentify.objects import Profile
from archimage.errors import ArchimageError, ConflictError, NotAcceptableError
from archimage.services.deidentification import DeidentificationService, Deidentified, reason_of
from archimage.services.sources import HEAD_BYTES, Source, identify, read_pieces


@dataclass(frozen=True, slots=True)
class Problem:
    """A file that was not written; number is its place among all, from 1, and reason quotes nothing of it."""

    number: int
    name: str
    reason: str


@dataclass(slots=True)
class Sum:
    """What became of the files."""

    written: int = 0
    refused: int = 0
    failed: int = 0
    skipped: int = 0
    size_bytes: int = 0
    frames: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    @property
    def files(self) -> int:
        """How many there were."""
        return self.written + self.refused + self.failed + self.skipped

    @property
    def elapsed_s(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self.started


class FileDeidentifier:
    """Writes de-identified copies of files into a folder, as many at once as there are jobs."""

    def __init__(self, bench: Workbench, profile: Profile, output: Path, jobs: int) -> None:
        self._bench = bench
        self._service = DeidentificationService(bench.frames, bench.pool, bench.made)
        self._profile = profile
        self._output = output
        self._jobs = jobs
        self._names = count()
        self._lock = Lock()
        self._placed: set[Path] = set()

    def run(self, found: Iterable[Source], total: Sum) -> Iterator[None]:
        """Go through files, counting in total what becomes of each."""
        with ThreadPoolExecutor(self._jobs) as threads:
            waiting: deque[tuple[int, Source, Future[Deidentified | None]]] = deque()
            for number, source in enumerate(found, 1):
                if len(waiting) == 2 * self._jobs:
                    self._count(total, *waiting.popleft())
                    yield
                waiting.append((number, source, threads.submit(self._deidentify, source)))
            while waiting:
                self._count(total, *waiting.popleft())
                yield

    def _count(self, total: Sum, number: int, source: Source, future: Future[Deidentified | None]) -> None:
        total.size_bytes += source.size_bytes
        try:
            made = future.result()
        except NotAcceptableError as error:
            total.refused += 1
            total.problems.append(Problem(number, source.name, str(error)))
        except (ArchimageError, OSError) as error:
            total.failed += 1
            total.problems.append(Problem(number, source.name, reason_of(error)))
        else:
            total.skipped += made is None
            total.written += made is not None
            if made is not None:
                total.counts.update(made.counts)
                total.frames += made.frames

    def _deidentify(self, source: Source) -> Deidentified | None:
        """Write one; None for what is no object."""
        with source.open() as file:
            identity = identify(next(read_pieces(file, HEAD_BYTES), b""))
        if identity is None:
            return None
        with self._bench.copied(source, identity) as instance:
            made = self._service.deidentify(instance, self._profile)
        path = self._output / f"{made.sop_instance_uid}.dcm"
        unfinished = path.with_suffix(f".{next(self._names)}.part")
        try:
            with unfinished.open("wb") as written:
                for start in range(0, made.file.size_bytes, PIECE_BYTES):
                    written.write(made.file.read(start, PIECE_BYTES))
            self._place(unfinished, path)
        finally:
            made.file.close()
            unfinished.unlink(missing_ok=True)
        return made

    def _place(self, unfinished: Path, path: Path) -> None:
        """Give a file its name; what an earlier run has left there is replaced, another object of this run is not."""
        with self._lock:
            if path not in self._placed:
                self._placed.add(path)
                unfinished.replace(path)
            elif path.read_bytes() != unfinished.read_bytes():
                raise ConflictError
