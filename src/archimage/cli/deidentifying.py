"""Files that are de-identified into a folder, several at a time."""

import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from threading import Lock

from archimage.cli.workbench import PIECE_BYTES, Workbench
from archimage.dicom.deidentify.objects import Profile
from archimage.dicom.deidentify.options import Option
from archimage.errors import ArchimageError, ConflictError, NotAcceptableError
from archimage.model.records import StoredInstance
from archimage.services.deidentification import DeidentificationService, Deidentified, reason_of
from archimage.services.faces import Faces
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
        self._held: dict[Source, StoredInstance] = {}
        self._faces: Faces | None = None

    def run(self, found: Iterable[Source], total: Sum) -> Iterator[None]:
        """Go through files, counting in total what becomes of each."""
        with ExitStack() as held, ThreadPoolExecutor(self._jobs) as threads:
            if Option.CLEAN_VISUAL_FEATURES in self._profile.options:
                found = self._gathered(found, held)
            waiting: deque[tuple[int, Source, Future[Deidentified | None]]] = deque()
            for number, source in enumerate(found, 1):
                if len(waiting) == 2 * self._jobs:
                    self._count(total, *waiting.popleft())
                    yield
                waiting.append((number, source, threads.submit(self._deidentify, source)))
            while waiting:
                self._count(total, *waiting.popleft())
                yield

    def _gathered(self, found: Iterable[Source], held: ExitStack) -> list[Source]:
        """Copy all files, for as long as held is open: faces are looked for in whole series."""
        gathered = list(found)
        for source in gathered:
            with suppress(ArchimageError, OSError):  # it is told when the turn of the file comes
                instance = self._copied(source, held)
                if instance is not None:
                    self._held[source] = instance
        self._faces = Faces(self._bench.frames, self._bench.pool, self._held.values())
        return gathered

    def _copied(self, source: Source, held: ExitStack) -> StoredInstance | None:
        """Copy a file for as long as held is open; None where it is no object."""
        with source.open() as file:
            identity = identify(next(read_pieces(file, HEAD_BYTES), b""))
        return None if identity is None else held.enter_context(self._bench.copied(source, identity))

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
        with ExitStack() as held:
            instance = self._held.get(source) or self._copied(source, held)
            if instance is None:
                return None
            shell = None if self._faces is None else self._faces.of(instance)
            made = self._service.deidentify(instance, replace(self._profile, shell=shell))
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
