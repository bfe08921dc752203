"""What the service of work items needs from the index, as protocols."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from archimage.model.deliveries import Delivery
from archimage.model.ups import KeptEvent, StepState, Subscription, UpsEvent, Workitem


class WorkitemWriter(Protocol):
    """Changes work items within one transaction."""

    def get(self, uid: str) -> Workitem | None:
        """Return a work item, or None."""

    def add(self, item: Workitem) -> Workitem | None:
        """Keep a new work item and return it with its number; None where its UID is taken."""

    def is_full(self, most: int) -> bool:
        """Tell whether so many work items are kept, or more."""

    def claim(self, uid: str, transaction_uid: str) -> bool:
        """Give a scheduled work item to who has this Transaction UID; False where it is not scheduled any more."""

    def replace(self, item: Workitem) -> bool:
        """Put a changed work item in the place of the version before it; False where that is not there."""

    def subscriptions(self, uid: str) -> Sequence[Subscription]:
        """Return those to one work item, and those to no single one."""

    def subscriptions_of(self, ae_title: str) -> Sequence[Subscription]:
        """Return all of one subscriber that are to no single work item."""

    def subscribers(self) -> Sequence[Subscription]:
        """Return one subscription of each subscriber by each door."""

    def subscription_count(self) -> tuple[int, int]:
        """Count the subscriptions, all of them and those to no single work item."""

    def subscribe(self, subscription: Subscription) -> None:
        """Keep a subscription, in the place of that to the same."""

    def unsubscribe(self, ae_title: str, uid: str | None = None) -> int:
        """Forget the subscription to one work item, or every one of a subscriber; return how many."""

    def unsubscribe_widely(self, ae_title: str) -> None:
        """Forget what a subscriber has but its subscriptions to single work items: what these leave out, too."""

    def last_number(self) -> int:
        """Return the number of the newest work item."""

    def tell(self, deliveries: Sequence[Delivery], ae_titles: Sequence[str], event: UpsEvent, now: float) -> None:
        """Keep what nodes are to be told, and an event for those who open WebSockets."""

    def announce(self, since: float, now: float) -> bool:
        """Note a start; False where one was noted since a time."""


class Workitems(Protocol):
    """Keeps work items, for every process."""

    def changing(self) -> AbstractContextManager[WorkitemWriter]:
        """Lend what changes, in a transaction that any exception undoes."""

    def sync(self) -> None:
        """Make what was changed durable."""

    def get(self, uid: str) -> Workitem | None:
        """Return a work item, or None."""

    def pages(
        self, *, states: Sequence[StepState] = (), uids: Sequence[str] = (), patient_id: str = "", label: str = ""
    ) -> Iterator[Sequence[Workitem]]:
        """Yield work items in the order of their numbers, those that have what is given."""

    def newest(self, *, states: Sequence[StepState] = (), before: int | None = None) -> Iterator[Sequence[Workitem]]:
        """Yield work items with the newest first, those of these states, if any, and of numbers below one."""

    def counts(self) -> Sequence[tuple[StepState, int]]:
        """Count them by state."""

    def events(self, ae_title: str, after: int, limit: int) -> Sequence[KeptEvent]:
        """Return what a subscriber is to hear after an event, the oldest first."""

    def heard(self, ae_title: str, number: int) -> None:
        """Forget the events of a subscriber up to one."""

    def forget(self, ended_before: float, events_before: float, most_events: int) -> tuple[int, int]:
        """Delete what is final since a time and not locked, and events that are old or too many; return how many."""
