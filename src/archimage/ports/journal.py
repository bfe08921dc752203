"""The ingest journal, as the services use it; the adapter is `storage.journal`."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

Replay = Iterator[tuple[bytes, bytes]]
"""Committed entries, oldest first: payload and data."""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One object as the ingest journal keeps it: what is known of it and, unless its own file is durable, its bytes."""

    payload: bytes
    data: bytes = b""


class JournalCommit(Protocol):
    """A group of objects that is durable."""

    def applied(self) -> None:
        """Tell that the group is placed and indexed, or was revoked; ends every commit."""

    def revoke(self) -> None:
        """Take the group back."""


class JournalCheckpoint(Protocol):
    """All commits up to some moment, applied."""

    @property
    def is_empty(self) -> bool:
        """Tell whether there are none."""

    def replay(self) -> Replay:
        """Read them back."""

    def recycle(self) -> None:
        """Give their room back: what they hold is durable elsewhere."""

    def give_up(self) -> None:
        """Tell that there will be no room for now, so that nobody waits for it."""


class Journal(Protocol):
    """Makes groups of objects durable with one flush; see `storage.journal`."""

    on_sealed: Callable[[], None]
    """Called, possibly with locks held, when a checkpoint is due."""

    @property
    def group_bytes(self) -> int:
        """How much data one commit may hold."""

    def commit(self, entries: Sequence[JournalEntry]) -> JournalCommit:
        """Make entries durable; OutOfResourcesError when the disk refuses."""

    def prepare(self) -> None:
        """Have room at hand before it is needed; may take a moment."""

    def seal(self) -> JournalCheckpoint:
        """Begin a checkpoint of all commits so far, once they are applied."""

    def close(self) -> None:
        """Let go of the files."""
