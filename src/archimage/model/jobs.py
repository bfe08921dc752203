"""Durable work: kept in the index until it is done, whichever process does it, and however often one dies meanwhile."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final, TypeAlias

from archimage.model.access import UNLIMITED, Grant
from archimage.model.callers import Caller
from archimage.model.tasks import Task, TaskState

JsonValue: TypeAlias = "bool | int | float | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"


class JobState(StrEnum):
    """Where a job stands."""

    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self in ENDED


ENDED: Final = frozenset({JobState.DONE, JobState.FAILED, JobState.CANCELLED})


class Priority(IntEnum):
    """What is done first where several jobs wait for one destination."""

    LOW = 0
    NORMAL = 5
    HIGH = 10


@dataclass(frozen=True, slots=True)
class NewJob:
    """Something to be done.

    kind says who knows how; payload is what he needs, a JSON value that is never changed. destination is whom it works
    for or with, an AE title or a name; how many jobs of a kind are at work at once is limited for each. key makes the
    job one: while a job of its kind and key has not ended, no second one is kept. after_s is how long it waits first.
    """

    kind: str
    title: str
    payload: JsonValue = None
    destination: str = ""
    priority: int = Priority.NORMAL
    key: str = ""
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Origin:
    """Who asked for a job, None where the archive did by itself, and as far as what he was granted it.

    traceparent is the trace that it belongs to (W3C Trace Context), empty without one.
    """

    caller: Caller | None = None
    grant: Grant = UNLIMITED
    traceparent: str = ""

    @property
    def owner(self) -> str:
        """Who asked, as access control names him."""
        return "" if self.caller is None else self.caller.principal.name


@dataclass(frozen=True, slots=True)
class Steps:
    """How far something is: done of total units, 0 where the total is not known."""

    done: int = 0
    total: int = 0
    message: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """One job; done of total units, 0 where the total is not known. Times are seconds since 1970, UTC.

    reached is what the work has kept of how far it is, so that whoever goes on with it leaves out what is done; due_at
    is when it is tried next, attempts how often it was begun. error says what went wrong last and next what to do
    about it, both empty otherwise; result is what came of it.
    """

    id: int
    kind: str
    title: str
    payload: JsonValue
    destination: str
    priority: int
    key: str
    state: JobState
    created_at: float
    due_at: float
    attempts: int = 0
    done: int = 0
    total: int = 0
    message: str = ""
    reached: JsonValue = None
    error: str = ""
    next: str = ""
    started_at: float | None = None
    ended_at: float | None = None
    result: JsonValue = None
    origin: Origin = Origin()

    @property
    def task_id(self) -> str:
        """Its name among the tasks, whose names are 32 hexadecimal digits."""
        return f"{self.id:032x}"

    def as_task(self) -> Task:
        """Return it as those see it who follow tasks."""
        return Task(
            self.task_id,
            self.kind,
            self.title,
            _AS_TASK[self.state],
            self.created_at,
            self.done,
            self.total,
            self.message or self.error,
            self.error if self.state is JobState.FAILED else "",
            self.next if self.state is JobState.FAILED else "",
            self.ended_at,
            self.result,
            self.origin.owner,
        )


_AS_TASK: Final = {
    JobState.WAITING: TaskState.QUEUED,
    JobState.PAUSED: TaskState.QUEUED,
    JobState.RUNNING: TaskState.RUNNING,
    JobState.DONE: TaskState.DONE,
    JobState.FAILED: TaskState.FAILED,
    JobState.CANCELLED: TaskState.CANCELLED,
}
