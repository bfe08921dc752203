"""What the services of the department need from the index, as protocols."""

from collections.abc import Sequence
from typing import Protocol

from archimage.model.deliveries import Delivery, DeliveryState


class Deliveries(Protocol):
    """Keeps what others are to be told, for every process; what returns is durable."""

    def add(self, deliveries: Sequence[Delivery]) -> None:
        """Keep deliveries; their ids are given here."""

    def take(self, kinds: Sequence[str], now: float, until: float, limit: int) -> Sequence[Delivery]:
        """Take the first of each lane that is due, for one process alone until that time."""

    def renew(self, delivery_ids: Sequence[int], until: float) -> None:
        """Keep what is taken until another time; what was let go of meanwhile stays so."""

    def release(self) -> None:
        """Let go of all that was taken: whoever took it is no more."""

    def next_due(self, kinds: Sequence[str]) -> float | None:
        """Return when the next one is due, None where nothing waits."""

    def settle(self, delivery_id: int, ended_at: float) -> None:
        """Note that it was delivered."""

    def postpone(self, delivery_id: int, due_at: float, error: str) -> None:
        """Note that a try failed, and when the next one is due."""

    def hasten(self, kind: str, about: str, now: float) -> bool:
        """Have what waits of a kind, about something where that is given, be due now; False where nothing does.

        What is being tried is left alone.
        """

    def give_up(self, delivery_id: int, ended_at: float, error: str) -> None:
        """Note that it is not tried again; the next of its lane is due."""

    def retry(self, delivery_id: int, now: float) -> bool:
        """Have one that failed tried again, as if it were new; False where it is not there or did not fail."""

    def find(
        self, *, kind: str = "", state: DeliveryState | None = None, before: int | None = None, limit: int
    ) -> Sequence[Delivery]:
        """Return the newest, of one kind, in one state, and before an id, where these are given."""

    def get(self, delivery_id: int) -> Delivery | None:
        """Return one, or None."""

    def remove(self, delivery_id: int) -> bool:
        """Forget one; False where it is not there."""

    def counts(self) -> Sequence[tuple[str, DeliveryState, int]]:
        """Count them by kind and state."""

    def forget(self, ended_before: float) -> int:
        """Forget what was delivered before a time; return how many these were."""
