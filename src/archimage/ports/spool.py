"""What waits on the local disk to be taken to an object store; the adapter is `storage.spooled`."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol


class Waiting(NamedTuple):
    """An object that the object store does not have yet; age_s is how long ago it was placed, seconds."""

    path: str
    age_s: float
    size_bytes: int


class Spool(Protocol):
    """Objects on their way to an object store; all of it blocks.

    What is asked of the store raises UnavailableError where it does not answer, OutOfResourcesError where it is full.
    """

    def waiting(self, limit: int) -> Sequence[Waiting]:
        """Return up to so many objects that are placed and not claimed, the oldest of those that were found first."""

    def claimed(self) -> Sequence[str]:
        """Return the paths of what was claimed, and neither settled nor withdrawn: a crash has left it."""

    def claim(self, path: str) -> bool:
        """Take an object for uploading, durably; false where it is gone."""

    def upload(self, path: str, timeout_s: float) -> None:
        """Have the object store keep what was claimed; a single request may take timeout_s."""

    def settle(self, path: str) -> None:
        """Let what was uploaded be a copy, which may go when there is no room."""

    def withdraw(self, path: str) -> None:
        """Drop what was claimed, and have it removed in the object store."""

    def removed(self, limit: int) -> Sequence[str]:
        """Return up to so many paths of what is yet to be deleted in the object store, unless it is stored there."""

    def remove(self, paths: Sequence[str]) -> None:
        """Delete objects in the object store; the index has their deletion, noted before."""

    def keep(self, paths: Sequence[str]) -> None:
        """Forget that objects were deleted: they were stored anew."""

    def check(self) -> None:
        """Ask the object store whether it is there."""

    def counted(self) -> Iterator[int]:
        """Yield the sizes of all that waits, bytes."""
