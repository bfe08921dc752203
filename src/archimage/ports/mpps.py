"""What performed procedure steps, and telling that instances are here, need from the index, as protocols."""

from collections.abc import Sequence
from typing import Protocol

from archimage.model.availability import GrownStudy, KeptInstance
from archimage.model.deliveries import Delivery
from archimage.model.mpps import Arrival, PerformedStep, Reference, StepFilter, StepKeys, StepState


class PerformedSteps(Protocol):
    """Keeps performed procedure steps, for every process; what returns is durable.

    What others are to hear of a change is kept with it, in one transaction: either both are there or neither is.
    """

    def add(
        self, step: PerformedStep, keys: StepKeys, references: Sequence[Reference], deliveries: Sequence[Delivery]
    ) -> bool:
        """Keep a new step; False where one of its UID is there."""

    def replace(self, step: PerformedStep, references: Sequence[Reference], deliveries: Sequence[Delivery]) -> bool:
        """Keep another revision of a step; False where the one before is not what is there."""

    def get(self, sop_instance_uid: str) -> PerformedStep | None:
        """Return one, or None."""

    def find(self, wanted: StepFilter) -> Sequence[PerformedStep]:
        """Return the newest of those that are looked for."""

    def counts(self) -> Sequence[tuple[StepState, int]]:
        """Count them by state."""

    def arrivals(self, sop_instance_uid: str) -> Sequence[Arrival]:
        """Return what a step says it has made, in its order, and whether it is here."""

    def arrived(self, sop_instance_uids: Sequence[str]) -> Sequence[tuple[str, int, int]]:
        """Return of each of these steps how many instances it says it has made, and how many of them are here."""

    def whole(self, limit: int) -> Sequence[str]:
        """Return steps that are waited for and whose instances have all come."""

    def tell(self, sop_instance_uid: str, deliveries: Sequence[Delivery]) -> bool:
        """Keep that others are to hear of a step that was waited for; False where they were told already."""


class GrowingStudies(Protocol):
    """Knows which studies have grown, and of which of them others have heard."""

    def note(self, since: float) -> float:
        """Note the studies of which instances came since a time; return when the newest of all came."""

    def since(self) -> float | None:
        """Return up to when they were noted, None before the first time."""

    def quiet(self, before: float, limit: int) -> Sequence[GrownStudy]:
        """Return studies of which nothing came after a time, and of which others have not heard since they grew."""

    def tell(self, study: GrownStudy, deliveries: Sequence[Delivery]) -> bool:
        """Keep that others are to hear of a study; False where they were told already, or it has grown since."""

    def instances(self, study_instance_uid: str, limit: int) -> Sequence[KeptInstance]:
        """Return the instances of a study, by series."""

    def kept(self, sop_instance_uids: Sequence[str]) -> Sequence[KeptInstance]:
        """Return those of these instances that the archive has, by study and series."""
