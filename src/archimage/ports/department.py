"""What the services of the department need from the index, as protocols."""

from collections.abc import Sequence
from typing import Protocol

from archimage.model.deliveries import Delivery, DeliveryState
from archimage.model.worklist import StepState, WorklistItem, WorklistQuery, WorklistRow


class Deliveries(Protocol):
    """Keeps what others are to be told, for every process; what returns is durable."""

    def add(self, deliveries: Sequence[Delivery]) -> None:
        """Keep deliveries; their ids are given here."""

    def take(self, kinds: Sequence[str], now: float, until: float, limit: int, *, at_once: int) -> Sequence[Delivery]:
        """Take the first of each lane that is due, for one process alone until that time.

        Where more are due than limit, those of the highest priority are taken, and of these what was due first.
        at_once: how many of one destination may be taken at a time, by all processes and of all kinds.
        """

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

    def pause(self, delivery_id: int) -> bool:
        """Pause one that waits, and what comes after it in its lane; False where it is not there or does not wait."""

    def resume(self, delivery_id: int, now: float) -> bool:
        """Have one that is paused wait again, due now; False where it is not there or not paused."""

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


Start = tuple[str, str, int]
"""Where an item stands in the order of starts: date, time, number."""


class Worklist(Protocol):
    """Keeps scheduled procedure steps, for every process; what returns is durable."""

    def put(self, *rows: WorklistRow) -> None:
        """Keep items, all or none, each in the place of the one of its key."""

    def get(self, key: str) -> WorklistItem | None:
        """Return one, or None."""

    def remove(self, key: str) -> bool:
        """Forget one; False where it is not there."""

    def keys(self, source: str) -> Sequence[str]:
        """Return the keys of all that came from somewhere."""

    def set_state(self, key: str, state: StepState, changed_at: float) -> bool:
        """Note where an item stands; False where it is not there."""

    def find(
        self, query: WorklistQuery, *, alive_at: float, after: Start | None = None, limit: int
    ) -> Sequence[tuple[Start, WorklistItem]]:
        """Return items in the order of their start, after one, that expire later than alive_at."""

    def newest(self, query: WorklistQuery, *, offset: int, limit: int) -> Sequence[WorklistItem]:
        """Return items of whatever age, the last to start first."""

    def count(self, query: WorklistQuery) -> int:
        """Count the items of whatever age."""

    def forget(self, expired_before: float) -> int:
        """Forget what expired before a time; return how many these were."""
