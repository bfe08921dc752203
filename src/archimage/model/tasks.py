"""Work that goes on in the background, as those who ask about it see it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class TaskState(StrEnum):
    """Where a task stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self not in {TaskState.QUEUED, TaskState.RUNNING}


@dataclass(frozen=True, slots=True)
class Task:
    """One task; done of total units, 0 where the total is not known. Times are seconds since 1970, UTC.

    owner is who began it, as access control names him, empty while that is not known.
    error says what went wrong and next what to do about it, both empty otherwise; result is a JSON value.
    """

    id: str
    kind: str
    title: str
    state: TaskState
    started: float
    done: int = 0
    total: int = 0
    message: str = ""
    error: str = ""
    next: str = ""
    ended: float | None = None
    result: Any = None
    owner: str = ""
