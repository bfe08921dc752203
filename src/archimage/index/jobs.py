"""Durable work, in the tables `job` and `job_lane`.

A lane's row is changed by whoever takes a job of it, so that takers of one lane come one after the other in every
database, and no more jobs are at work for a destination than may be.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
from sqlalchemy import ColumnElement, and_, bindparam, delete, func, insert, or_, select, update

from archimage.index.compiled import Compiled
from archimage.index.ingest import Cursor
from archimage.index.nodes import Database
from archimage.index.origins import decode_origin, encode_origin
from archimage.index.schema_jobs import job, job_lane
from archimage.model.jobs import ENDED, Job, JobState, JsonValue, NewJob, Origin, Steps
from archimage.ports.jobs import End, Hold, Lane, Wanted

_READ: Final = (
    "pk", "kind", "title", "payload", "destination", "rank", "key", "state", "created_at", "due_at", "attempts", "done",
    "total", "message", "reached", "error", "next", "started_at", "ended_at", "result", "caller", "traceparent",
)  # fmt: skip
_PAGE: Final = 1_000
_ROWS: Final = select(*(job.c[name] for name in _READ))


def _in(state: JobState) -> ColumnElement[bool]:
    return job.c.state == state.value


_WAITING: Final = _in(JobState.WAITING)
_RUNNING: Final = _in(JobState.RUNNING)
_FREE: Final[Mapping[str, Any]] = {"worker": "", "held_until": 0.0}


class JobTable:
    """Implements `ports.jobs.JobRows`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._adding(database)
        self._taking(database)
        self._working(database)
        self._asking(database)

    def _adding(self, database: Database) -> None:
        given: dict[str, Any] = {
            column.name: bindparam(column.name) for column in job.columns if not column.primary_key
        }
        self._insert = Compiled(insert(job).values(given).returning(job.c.pk), database)
        self._live = Compiled(select(job.c.pk).where(job.c.live_key == bindparam("live")), database)
        self._lane = Compiled(database.dialect.insert_once(job_lane), database)

    def _taking(self, database: Database) -> None:
        here = and_(job.c.kind == job_lane.c.kind, job.c.destination == job_lane.c.destination)
        due = and_(_WAITING, job.c.due_at <= bindparam("now"))
        first = select(job.c.rank).where(here, due).order_by(job.c.rank, job.c.pk).limit(1).scalar_subquery()
        at_work = select(func.count()).where(here, _RUNNING).scalar_subquery()
        open_ = and_(job_lane.c.paused == 0, database.dialect.among(job_lane.c.kind, "kinds"))
        lanes = select(job_lane.c.kind, job_lane.c.destination, first, at_work).where(open_)
        self._lanes = Compiled(lanes.order_by(job_lane.c.kind, job_lane.c.destination), database)
        let_go = and_(_RUNNING, job.c.held_until <= bindparam("now"))
        self._lost = Compiled(select(job.c.pk).where(let_go).limit(1), database)
        free = {**_FREE, "state": JobState.WAITING.value}
        self._let_go = Compiled(update(job).where(let_go).values(free), database)
        theirs = and_(_RUNNING, job.c.worker == bindparam("gone"))
        self._release = Compiled(update(job).where(theirs).values(free), database)
        lane = and_(job_lane.c.kind == bindparam("of_kind"), job_lane.c.destination == bindparam("of_destination"))
        entered = update(job_lane).where(lane, job_lane.c.paused == 0).values(taken_at=bindparam("now"))
        self._enter = Compiled(entered, database)
        inside = and_(job.c.kind == bindparam("of_kind"), job.c.destination == bindparam("of_destination"))
        self._at_work = Compiled(select(func.count()).select_from(job).where(inside, _RUNNING), database)
        next_ = _ROWS.where(inside, due).order_by(job.c.rank, job.c.pk).limit(1)
        self._next = Compiled(next_, database)
        taken = {"state": JobState.RUNNING.value, "attempts": job.c.attempts + 1}
        held: dict[str, Any] = {name: bindparam(name) for name in ("worker", "held_until", "started_at")}
        self._take = Compiled(update(job).where(job.c.pk == bindparam("this")).values(**taken, **held), database)
        this = and_(job.c.pk == bindparam("this"), _WAITING)
        self._hold = Compiled(update(job).where(this).values(**taken, **held, due_at=bindparam("started_at")), database)
        self._release_all = Compiled(update(job).where(_RUNNING).values(free), database)
        paused = update(job_lane).where(lane, job_lane.c.paused != bindparam("paused_now"))
        self._pause = Compiled(paused.values(paused=bindparam("paused_now")), database)
        stopped = select(job_lane.c.kind, job_lane.c.destination).where(job_lane.c.paused == 1)
        self._paused = Compiled(stopped.order_by(*stopped.selected_columns), database)

    def _working(self, database: Database) -> None:
        this = job.c.pk == bindparam("this")
        mine = and_(_RUNNING, job.c.worker == bindparam("mine"))

        def changed(*columns: str, **fixed: object) -> Compiled:
            values: dict[str, Any] = {name: bindparam(name) for name in columns}
            return Compiled(update(job).where(this, mine).values(**values, **fixed), database)

        self._note = changed("done", "total", "message")
        self._reach = changed("reached")
        told = ("state", "attempts", "due_at", "ended_at", "result", "error", "next", "done", "total", "message")
        self._end = changed(*told, **_FREE, live_key=None)
        self._again = changed(*told, **_FREE)
        these = database.dialect.among(job.c.pk, "these")
        self._renew = Compiled(update(job).where(these, mine).values(held_until=bindparam("held_until")), database)
        self._held = Compiled(select(job.c.pk).where(mine), database)
        before = database.dialect.among(job.c.state, "before")
        freed: dict[str, Any] = {**_FREE, "state": bindparam("state"), "due_at": bindparam("now")}
        turned = update(job).where(this, before)
        self._turn_live = Compiled(turned.values(**freed), database)
        self._turn_off = Compiled(turned.values(**freed, live_key=None, ended_at=bindparam("now")), database)
        anew = {"attempts": 0, "error": "", "next": "", "result": "null", "ended_at": None}
        self._turn_anew = Compiled(turned.values(**freed, **anew, live_key=bindparam("live")), database)

    def _asking(self, database: Database) -> None:
        kinds = database.dialect.among(job.c.kind, "kinds")
        later = select(func.min(job.c.due_at)).where(_WAITING, job.c.due_at > bindparam("now"), kinds)
        until = select(func.min(job.c.held_until)).where(_RUNNING)
        self._due = Compiled(select(later.scalar_subquery(), until.scalar_subquery()), database)
        wanted = (
            _unless_given(job.c.kind, "kind"),
            _unless_given(job.c.state, "state"),
            _unless_given(job.c.destination, "destination"),
            job.c.pk < bindparam("before"),
        )
        newest = _ROWS.where(*wanted).order_by(job.c.pk.desc()).limit(bindparam("most"))
        self._find = Compiled(newest, database)
        self._find_own = Compiled(newest.where(job.c.owner == bindparam("owner")), database)
        unnamed = select(job.c.pk, job.c.caller).where(job.c.owner.is_(None)).limit(bindparam("most"))
        self._unnamed = Compiled(unnamed, database)
        named = update(job).where(job.c.pk == bindparam("this")).values(owner=bindparam("owner"))
        self._name = Compiled(named, database)
        self._one = Compiled(_ROWS.where(job.c.pk == bindparam("this")), database)
        by = (job.c.kind, job.c.state)
        counts = select(*by, func.count()).group_by(*by)
        self._counts = Compiled(counts, database)
        self._counts_own = Compiled(counts.where(job.c.owner == bindparam("owner")), database)
        over = or_(_in(JobState.DONE), _in(JobState.CANCELLED))
        self._forget = Compiled(delete(job).where(over, job.c.ended_at < bindparam("before")), database)

    def add(self, jobs: Sequence[NewJob], origin: Origin, now: float) -> Sequence[int]:
        """Keep jobs, or find those of their keys; return their numbers."""
        with self._database.transaction() as cursor:
            numbers = self.add_within(cursor, jobs, origin, now)
        self._database.sync()
        return numbers

    def add_within(self, cursor: Cursor, jobs: Sequence[NewJob], origin: Origin, now: float) -> Sequence[int]:
        """Do so in the transaction of what they are about."""
        for lane in {(added.kind, added.destination) for added in jobs}:
            self._lane.run(cursor, kind=lane[0], destination=lane[1], paused=0, taken_at=0.0)
        return [self._add(cursor, added, origin, now) for added in jobs]

    def _add(self, cursor: Cursor, added: NewJob, origin: Origin, now: float) -> int:
        if added.key:
            for (number,) in self._live.rows_of(cursor, live=_live_key(added.kind, added.key)):
                return int(number)
        ((number,),) = self._insert.rows_of(cursor, **_row(added, origin, now))
        return int(number)

    def lanes(self, at_once: Mapping[str, int], now: float) -> Sequence[Lane]:
        """Return where something is due that may be begun, the most urgent first; what nobody holds any more is due."""
        if self._lost.rows(now=now):
            with self._database.transaction() as cursor:
                self._let_go.run(cursor, now=now)
        rows = self._lanes.rows(kinds=self._pack(tuple(at_once)), now=now)
        due = [row for row in rows if row[2] is not None and row[3] < at_once[row[0]]]
        return [Lane(kind, destination) for kind, destination, *_ in sorted(due, key=lambda row: row[2])]

    def take(self, lane: Lane, at_once: int, hold: Hold, now: float) -> Job | None:
        """Take the first job of a lane that is due; None where there is none, or as many as may be are held already."""
        inside = {"of_kind": lane.kind, "of_destination": lane.destination}
        with self._database.transaction() as cursor:
            if not self._enter.run(cursor, **inside, now=now):
                return None
            if self._at_work.rows_of(cursor, **inside)[0][0] >= at_once:
                return None
            rows = self._next.rows_of(cursor, **inside, now=now)
            if not rows:
                return None
            taken = {"worker": hold.worker, "held_until": hold.until, "started_at": now}
            self._take.run(cursor, this=rows[0][0], **taken)
            (row,) = self._one.rows_of(cursor, this=rows[0][0])
        return _job(row)

    def hold(self, job_id: int, hold: Hold, now: float) -> Job | None:
        """Take one job that waits, due or not; None where it does not wait."""
        with self._database.transaction() as cursor:
            taken = {"worker": hold.worker, "held_until": hold.until, "started_at": now}
            if not self._hold.run(cursor, this=job_id, **taken):
                return None
            (row,) = self._one.rows_of(cursor, this=job_id)
        return _job(row)

    def renew(self, job_ids: Sequence[int], hold: Hold) -> None:
        """Hold jobs until another time, as far as they are still that worker's."""
        with self._database.transaction() as cursor:
            these = self._database.dialect.pack(job_ids)
            self._renew.run(cursor, these=these, mine=hold.worker, held_until=hold.until)

    def held(self, worker: str) -> Sequence[int]:
        """Return what a worker holds: all else he is not to go on with."""
        return [int(number) for (number,) in self._held.rows(mine=worker)]

    def release(self, worker: str) -> int:
        """Let go of all that a worker holds, who is no more; return how many jobs that are."""
        with self._database.transaction() as cursor:
            return self._release.run(cursor, gone=worker)

    def release_all(self) -> int:
        """Let go of all that anybody holds: nobody else is there; return how many jobs that are."""
        return self._release_all.change()

    def note(self, worker: str, steps: Mapping[int, Steps]) -> None:
        """Note how far jobs are, as far as they are still that worker's."""
        told = [
            {"this": number, "mine": worker, "done": one.done, "total": one.total, "message": one.message}
            for number, one in steps.items()
        ]
        with self._database.transaction() as cursor:
            self._note.run_all(cursor, told)

    def reach(self, job_id: int, worker: str, reached: JsonValue) -> bool:
        """Keep what a job has reached; False where its worker is not to go on."""
        with self._database.transaction() as cursor:
            return self._reach.run(cursor, this=job_id, mine=worker, reached=_text(reached)) == 1

    def end(self, job_id: int, worker: str, end: End) -> bool:
        """Note what became of a try; False where the job is not that worker's any more."""
        statement = self._end if end.state.ended else self._again
        values = {name: getattr(end, name) for name in ("attempts", "due_at", "ended_at", "error", "next")}
        values |= {"state": end.state.value, "result": _text(end.result)}
        values |= {"done": end.steps.done, "total": end.steps.total, "message": end.steps.message}
        with self._database.transaction() as cursor:
            return statement.run(cursor, this=job_id, mine=worker, **values) == 1

    def next_due(self, kinds: Sequence[str], now: float) -> float | None:
        """Return when the next job is due after now, or not held any more; None where none is."""
        (row,) = self._due.rows(kinds=self._pack(kinds), now=now)
        return min((float(when) for when in row if when is not None), default=None)

    def turn(self, job_id: int, before: Sequence[JobState], state: JobState, now: float) -> bool:
        """Put a job that is in one of some states into another; False where it is in none of them."""
        values = {"this": job_id, "before": self._pack([one.value for one in before]), "state": state.value, "now": now}
        with self._database.transaction() as cursor:
            if state.ended:
                turned = self._turn_off.run(cursor, **values)
            elif set(before) & ENDED:
                turned = self._begin_anew(cursor, values)
            else:
                turned = self._turn_live.run(cursor, **values)
        self._database.sync()
        return turned == 1

    def _begin_anew(self, cursor: Cursor, values: Mapping[str, object]) -> int:
        """Have a job that has ended wait again, unless another one of its key does."""
        rows = self._one.rows_of(cursor, this=values["this"])
        live = _live_key(rows[0][1], rows[0][6]) if rows else None
        if live is not None and self._live.rows_of(cursor, live=live):
            return 0
        return self._turn_anew.run(cursor, **values, live=live)

    def pause(self, lane: Lane) -> None:
        """Begin no job of a lane until it is resumed."""
        with self._database.transaction() as cursor:
            self._lane.run(cursor, kind=lane.kind, destination=lane.destination, paused=1, taken_at=0.0)
            self._pause.run(cursor, of_kind=lane.kind, of_destination=lane.destination, paused_now=1)
        self._database.sync()

    def resume(self, lane: Lane) -> bool:
        """Begin jobs of a lane again; False where it was not paused."""
        return self._pause.change(of_kind=lane.kind, of_destination=lane.destination, paused_now=0) == 1

    def paused(self) -> Sequence[Lane]:
        """Return the lanes that are paused."""
        return [Lane(kind, destination) for kind, destination in self._paused.rows()]

    def get(self, job_id: int) -> Job | None:
        """Return one, or None."""
        rows = self._one.rows(this=job_id)
        return _job(rows[0]) if rows else None

    def find(self, wanted: Wanted) -> Sequence[Job]:
        """Return the newest."""
        state = "" if wanted.state is None else wanted.state.value
        asked: dict[str, Any] = {"kind": wanted.kind, "state": state, "destination": wanted.destination}
        asked["most"] = wanted.limit
        asked["before"] = 1 << 62 if wanted.before is None else wanted.before
        if wanted.owner is None:
            return [_job(row) for row in self._find.rows(**asked)]
        return [_job(row) for row in self._find_own.rows(**asked, owner=wanted.owner)]

    def name_owners(self) -> int:
        """Note who asked for jobs that nodes of the release before have kept; return how many these were."""
        count = 0
        while rows := self._unnamed.rows(most=_PAGE):
            owners = [{"this": number, "owner": Origin(*decode_origin(caller)).owner} for number, caller in rows]
            with self._database.transaction() as cursor:
                self._name.run_all(cursor, owners)
            count += len(rows)
        return count

    def counts(self, owner: str | None = None) -> Sequence[tuple[str, JobState, int]]:
        """Count them by kind and state: those of an owner, or all."""
        rows = self._counts.rows() if owner is None else self._counts_own.rows(owner=owner)
        return [(kind, JobState(state), int(count)) for kind, state, count in rows]

    def forget(self, ended_before: float) -> int:
        """Forget what was done or cancelled before a time; return how many these were."""
        return self._forget.change(before=ended_before)

    def _pack(self, values: Sequence[str]) -> object:
        return self._database.dialect.pack(values)


def _unless_given(column: ColumnElement[str], parameter: str) -> ColumnElement[bool]:
    """Compare a column with a parameter, unless that is empty."""
    return (bindparam(parameter) == "") | (column == bindparam(parameter))


def _live_key(kind: str, key: str) -> str | None:
    """Return what only one job that has not ended may have; None where there may be any number of them."""
    return f"{kind} {key}" if key else None


def _row(added: NewJob, origin: Origin, now: float) -> dict[str, object]:
    """Return a new job as its row."""
    return {
        "kind": added.kind,
        "title": added.title,
        "payload": _text(added.payload),
        "destination": added.destination,
        "rank": -int(added.priority),
        "key": added.key,
        "live_key": _live_key(added.kind, added.key),
        "state": JobState.WAITING.value,
        "created_at": now,
        "due_at": now + added.after_s,
        "attempts": 0,
        "done": 0,
        "total": 0,
        "message": "",
        "reached": "null",
        "error": "",
        "next": "",
        "started_at": None,
        "ended_at": None,
        "result": "null",
        "caller": encode_origin(origin.caller, origin.grant),
        "traceparent": origin.traceparent,
        "owner": origin.owner,
        **_FREE,
    }


def _job(row: Sequence[Any]) -> Job:
    values = dict(zip(_READ, row, strict=True))
    origin = Origin(*decode_origin(values.pop("caller")), values.pop("traceparent"))
    values |= {name: orjson.loads(values[name]) for name in ("payload", "reached", "result")}
    number, priority, state = values.pop("pk"), -values.pop("rank"), JobState(values.pop("state"))
    return Job(id=number, priority=priority, state=state, origin=origin, **values)


def _text(value: JsonValue) -> str:
    return orjson.dumps(value).decode()
