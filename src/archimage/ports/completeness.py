"""Studies that grow, as those need them who wait until they are complete."""

from collections.abc import Sequence
from typing import Protocol

from archimage.model.availability import GrownStudy
from archimage.model.deliveries import Delivery


class CompletingStudies(Protocol):
    """Notes, for one audience, which studies grew, and of which of them it has heard."""

    def since(self) -> float | None:
        """Return up to when they were noted, None before the first time."""

    def begin(self, now: float) -> None:
        """Note nothing of what came before."""

    def note(self, mark: float, now: float) -> None:
        """Note the studies of which instances came since they were noted up to a mark, and how far that has come."""

    def quiet(self, before: float, limit: int) -> Sequence[GrownStudy]:
        """Return studies of which nothing came after a time, and of which it has not heard since they grew."""

    def tell(self, study: GrownStudy, deliveries: Sequence[Delivery]) -> bool:
        """Keep that it is to hear of a study; False where it was told already, or the study has grown since."""
