"""What there is only so much of in a process: pools, queues, limits and caches, and how much of each is in use."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

BoundKind = Literal["threads", "processes", "queue", "limit", "cache"]
BoundUnit = Literal["", "bytes", "seconds"]
BoundState = Literal["free", "nearly full", "full"]


@dataclass(frozen=True, slots=True)
class Use:
    """How much of something is in use, and how many wait for it; None where that is not told."""

    used: int | None = None
    waiting: int | None = None


@dataclass(frozen=True, slots=True)
class Bound:
    """One of them, as it is now.

    size: how much there is, in unit; null where it has no bound of its own.
    setting: the setting that changes it, empty where none does.
    used, waiting: how much is in use, and how many wait for it; null where that is not told.
    state: whether it is full, of a pool that somebody waits for it; null where that is not told, or means nothing.
    when_full: what a peer, a client or a person sees then.
    shared: one thing for all processes of the archive; else each process has its own.
    """

    name: str
    kind: BoundKind
    purpose: str
    size: int | float | None
    unit: BoundUnit
    setting: str
    used: int | None
    waiting: int | None
    state: BoundState | None
    when_full: str
    shared: bool


@dataclass(frozen=True, slots=True)
class ConcurrencyReport:
    """All of them, in the process that answers: pid names it, processes says how many equal ones there are."""

    pid: int
    processes: int
    bounds: Sequence[Bound]
