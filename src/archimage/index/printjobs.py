"""Print jobs, in the table `print_job`."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import bindparam, delete, func, insert, select, update

from archimage.index.compiled import Compiled
from archimage.index.nodes import Database
from archimage.index.schema_printing import print_job
from archimage.model.printing import JobState, PrintJob

_FIELDS: Final = (
    "uid", "printer", "originator", "label", "priority", "copies", "films", "dpi", "created_at", "state", "ended_at",
    "error",
)  # fmt: skip
_WAITING: Final = (JobState.PENDING.value, JobState.PRINTING.value)
_NEVER: Final = 1e18


class PrintJobTable:
    """Implements `ports.print.PrintJobs`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        rows = select(*(print_job.c[name] for name in _FIELDS))
        this = print_job.c.uid == bindparam("this")
        self._insert = Compiled(insert(print_job).values({name: bindparam(name) for name in _FIELDS}), database)
        among = database.dialect.among(print_job.c.state, "states")
        self._count = Compiled(select(func.count()).select_from(print_job).where(among), database)
        self._one = Compiled(rows.where(this), database)
        wanted = (
            (bindparam("state") == "") | (print_job.c.state == bindparam("state")),
            print_job.c.created_at < bindparam("before"),
        )
        newest = rows.where(*wanted).order_by(print_job.c.created_at.desc())
        self._find = Compiled(newest.limit(bindparam("most")), database)
        self._remove = Compiled(delete(print_job).where(this), database)
        old = select(print_job.c.uid).where(print_job.c.ended_at < bindparam("before"))
        self._ended = Compiled(old.order_by(print_job.c.ended_at).limit(bindparam("most")), database)
        values: dict[str, Any] = {name: bindparam(name) for name in ("state", "ended_at", "error")}
        self._move = Compiled(update(print_job).where(this, among).values(values), database)

    def add(self, job: PrintJob, most_waiting: int) -> bool:
        """Keep a job; False, and nothing is kept, where so many wait already."""
        with self._database.transaction() as cursor:
            if self._count.rows_of(cursor, states=self._pack(_WAITING))[0][0] >= most_waiting:
                return False
            self._insert.run(cursor, **{name: getattr(job, name) for name in _FIELDS} | {"state": job.state.value})
        self._database.sync()
        return True

    def find(self, *, state: JobState | None = None, before: float | None = None, limit: int) -> Sequence[PrintJob]:
        """Return the newest, in one state, and made before a time, where these are given."""
        rows = self._find.rows(state=state or "", before=_NEVER if before is None else before, most=limit)
        return [_job(row) for row in rows]

    def get(self, uid: str) -> PrintJob | None:
        """Return one, or None."""
        rows = self._one.rows(this=uid)
        return _job(rows[0]) if rows else None

    def move(self, uid: str, states: Sequence[JobState], to: JobState, ended_at: float | None, error: str) -> bool:
        """Give a job that is in one of these states another; False where it is not."""
        packed = self._pack([state.value for state in states])
        return self._move.change(this=uid, states=packed, state=to.value, ended_at=ended_at, error=error) == 1

    def remove(self, uid: str) -> bool:
        """Forget one; False where it is not there."""
        return self._remove.change(this=uid) == 1

    def ended(self, before: float, limit: int) -> Sequence[str]:
        """Return jobs that ended before a time, the oldest first."""
        return [row[0] for row in self._ended.rows(before=before, most=limit)]

    def _pack(self, states: Sequence[str]) -> str:
        return str(self._database.dialect.pack(states))


def _job(row: Sequence[Any]) -> PrintJob:
    values = dict(zip(_FIELDS, row, strict=True))
    return PrintJob(**values | {"state": JobState(values["state"])})
