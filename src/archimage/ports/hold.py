"""What legal holds need of the index, as a protocol; the adapter is `index.holds`."""

from collections.abc import Sequence
from typing import Protocol

from archimage.model.holds import Hold


class Holds(Protocol):
    """Keeps which studies are on legal hold. What returns from writing is durable, with all that was written before."""

    def get(self, study_instance_uid: str) -> Hold | None:
        """Return the hold of a study, None where there is none."""

    def list(self, limit: int, offset: int) -> tuple[Sequence[Hold], int]:
        """Return some holds, the newest first, and how many there are."""

    def place(self, hold: Hold) -> Hold | None:
        """Place a hold; one that is there keeps its time and gets the rest. None where no such study is kept."""

    def release(self, study_instance_uid: str) -> Hold | None:
        """Take the hold away from a study; return it, None where there was none."""
