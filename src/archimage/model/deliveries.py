"""What others are to be told, kept until they have heard it."""

from dataclasses import dataclass
from enum import StrEnum

from archimage.model.jobs import Priority


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    WAITING = "waiting"
    PAUSED = "paused"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Delivery:
    """Something for one receiver, in the order of their ids within a lane.

    kind says what it is, and so who knows how to deliver it; destination is whom to, an AE title or an address; about
    is what it tells of, a UID or an identifier; payload is text. Times are seconds since 1970, UTC; due_at is when it
    is tried next. error is what the last try failed with, empty before. Of several lanes the one whose first has the
    highest priority goes first; within a lane nothing overtakes, whatever its priority.
    """

    kind: str
    destination: str
    about: str
    payload: str
    lane: str
    created_at: float
    due_at: float
    state: DeliveryState = DeliveryState.WAITING
    attempts: int = 0
    ended_at: float | None = None
    error: str = ""
    id: int = 0
    priority: int = Priority.NORMAL
