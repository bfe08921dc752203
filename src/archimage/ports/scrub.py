"""What scrubbing needs of the index; the adapter lives there. All of it blocks."""

from collections.abc import Sequence
from typing import Protocol

from archimage.model.records import StoredInstance
from archimage.model.scrub import Damage, Round


class Scrubs(Protocol):
    """Keeps how far scrubbing is, and what is known to be damaged."""

    def page(self, after: int, limit: int) -> Sequence[tuple[int, StoredInstance]]:
        """Return the next instances after a row, with the numbers of their rows."""

    def round(self) -> Round | None:
        """Return how far the round is, None before the first."""

    def keep(self, now: Round) -> None:
        """Note how far it is."""

    def note(self, found: Damage) -> bool:
        """Note a damage; tell whether it was not known."""

    def settle(self, sop_instance_uid: str) -> bool:
        """Note that an instance is well; tell whether it was not."""

    def damaged(self, limit: int) -> Sequence[Damage]:
        """Return what is damaged and still there, at most limit, in the order in which it was found."""

    def count(self) -> int:
        """Count it."""
