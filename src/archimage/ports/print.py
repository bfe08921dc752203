"""What printing needs from the index and the disk, as protocols."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from archimage.model.printing import JobState, PrintJob


class PrintJobs(Protocol):
    """Keeps print jobs, for every process; what returns is durable."""

    def add(self, job: PrintJob, most_waiting: int) -> bool:
        """Keep a job; False, and nothing is kept, where so many wait already."""

    def find(self, *, state: JobState | None = None, before: float | None = None, limit: int) -> Sequence[PrintJob]:
        """Return the newest, in one state, and made before a time, where these are given."""

    def get(self, uid: str) -> PrintJob | None:
        """Return one, or None."""

    def move(self, uid: str, states: Sequence[JobState], to: JobState, ended_at: float | None, error: str) -> bool:
        """Give a job that is in one of these states another; False where it is not."""

    def remove(self, uid: str) -> bool:
        """Forget one; False where it is not there."""

    def ended(self, before: float, limit: int) -> Sequence[str]:
        """Return jobs that ended before a time, the oldest first."""


class Spool(Protocol):
    """Bytes that are gone once it is closed, or the process ends."""

    def append(self, data: bytes | memoryview) -> int:
        """Keep bytes; return where they begin."""

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes that were kept."""

    def close(self) -> None:
        """Let go of all."""


class FilmFiles(Protocol):
    """Films of print jobs on disk: first what they are to show, then their pictures. Films count from 1."""

    def spool(self) -> Spool:
        """Return a new spool."""

    def add(self, job: str, number: int, film: Mapping[str, Any], pixels: Sequence[bytes]) -> None:
        """Keep durably what a film is to show, and the pixels of its images."""

    def film(self, job: str, number: int) -> Mapping[str, Any]:
        """Return what a film is to show; NotFoundError where it is not kept."""

    def pixels(self, job: str, number: int) -> bytes:
        """Return the pixels of its images, one after the other; NotFoundError once they have become a picture."""

    def put_picture(self, job: str, number: int, png: bytes) -> None:
        """Keep durably the picture that a film has become, in place of its pixels."""

    def picture(self, job: str, number: int) -> bytes:
        """Return it; NotFoundError where there is none."""

    def remove(self, job: str) -> None:
        """Forget a job's films; fine where there are none."""

    def jobs(self, older_than_s: float) -> Sequence[str]:
        """Return the jobs that have had films for so long."""
