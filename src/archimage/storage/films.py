"""Films on disk: `print/{job}/{number}.json` and `.pixels` until they are made, then `.json` and `.png`.

A file is written beside its place, flushed and renamed. What a film session holds are files without a name in `print/`:
they are gone when the session or the process ends, so that a crash leaves nothing of them.
"""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from archimage.errors import NotFoundError
from archimage.model.ids import check_uid

_PRIVATE: Final = 0o700


class SpoolFile:
    """Implements `ports.print.Spool`; used by one thread at a time."""

    def __init__(self, directory: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115 - closed by close()
        self._end = 0

    def append(self, data: bytes | memoryview) -> int:
        """Keep bytes; return where they begin."""
        begin = self._end
        self._file.seek(begin)
        self._file.write(data)
        self._end = begin + len(data)
        return begin

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes that were kept."""
        self._file.seek(offset)
        return self._file.read(length)

    def close(self) -> None:
        """Let go of all."""
        self._file.close()


class FilmDirectory:
    """Implements `ports.print.FilmFiles` in a directory."""

    def __init__(self, directory: Path, *, durable: bool = True) -> None:
        self._directory = directory
        self._durable = durable

    def spool(self) -> SpoolFile:
        """Return a new spool."""
        self._directory.mkdir(_PRIVATE, parents=True, exist_ok=True)
        return SpoolFile(self._directory)

    def add(self, job: str, number: int, film: Mapping[str, Any], pixels: Sequence[bytes]) -> None:
        """Keep durably what a film is to show, and the pixels of its images."""
        self._of(job).mkdir(_PRIVATE, parents=True, exist_ok=True)
        self._write(job, f"{number}.pixels", pixels)
        self._write(job, f"{number}.json", [json.dumps(film).encode()])
        self._flush(self._directory)

    def film(self, job: str, number: int) -> Mapping[str, Any]:
        """Return what a film is to show; NotFoundError where it is not kept."""
        found: Mapping[str, Any] = json.loads(self._read(job, f"{number}.json"))
        return found

    def pixels(self, job: str, number: int) -> bytes:
        """Return the pixels of its images, one after the other; NotFoundError once they have become a picture."""
        return self._read(job, f"{number}.pixels")

    def put_picture(self, job: str, number: int, png: bytes) -> None:
        """Keep durably the picture that a film has become, in place of its pixels."""
        self._write(job, f"{number}.png", [png])
        (self._of(job) / f"{number}.pixels").unlink(missing_ok=True)

    def picture(self, job: str, number: int) -> bytes:
        """Return it; NotFoundError where there is none."""
        return self._read(job, f"{number}.png")

    def remove(self, job: str) -> None:
        """Forget a job's films; fine where there are none."""
        shutil.rmtree(self._of(job), ignore_errors=True)

    def jobs(self, older_than_s: float) -> Sequence[str]:
        """Return the jobs that have had films for so long."""
        if not self._directory.is_dir():
            return []
        before = time.time() - older_than_s
        return [path.name for path in self._directory.iterdir() if path.is_dir() and path.stat().st_mtime < before]

    def _of(self, job: str) -> Path:
        return self._directory / check_uid(job)

    def _read(self, job: str, name: str) -> bytes:
        try:
            return (self._of(job) / name).read_bytes()
        except FileNotFoundError:
            raise NotFoundError(f"print job {job} has no file {name}") from None

    def _write(self, job: str, name: str, pieces: Iterable[bytes]) -> None:
        path = self._of(job) / name
        beside = path.with_name(f".{name}.{os.getpid()}")
        with beside.open("wb") as file:
            file.writelines(pieces)
            if self._durable:
                file.flush()
                os.fsync(file.fileno())
        beside.rename(path)
        self._flush(path.parent)

    def _flush(self, directory: Path) -> None:
        if self._durable:
            descriptor = os.open(directory, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
