"""Where files are kept that were made for somebody to take away, as protocols; the adapter is `storage.exports`."""

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol


class ExportFile(Protocol):
    """An archive that is being written; `close` it, at its end or not."""

    def add(self, name: str, size_bytes: int, pieces: Iterable[bytes | memoryview]) -> None:
        """Add a file of a length; nothing of it is there where pieces raises, or is not as long."""

    def sync(self) -> int:
        """Make durable what was added; return how long the archive is so far, bytes."""

    def end(self) -> int:
        """End the archive and put it into its place, durably; return how long it is, bytes."""

    def close(self) -> None:
        """Let go of it."""


class Exports(Protocol):
    """Keeps exports, by the numbers of the jobs that make them, for a while. All of it blocks."""

    def begin(self, number: int, size_bytes: int) -> ExportFile | None:
        """Go on with an archive of which so many bytes are durable, 0 for a new one; None where these are not here."""

    def size(self, number: int) -> int | None:
        """Return how long an archive is that was made, bytes; None where it is not here."""

    def path(self, number: int) -> Path:
        """Return where an archive is that was made; NotFoundError where it is not here, or not any more."""

    def remove(self, number: int) -> None:
        """Remove an archive, whether it was ended or not; there may be none."""

    def tidy(self) -> int:
        """Remove what was kept for long enough; return how many archives that were."""
