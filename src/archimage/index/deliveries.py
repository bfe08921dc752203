"""What others are to be told, in the table `delivery`."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    select,
    update,
)

from archimage.index.compiled import Compiled
from archimage.index.ingest import Cursor
from archimage.index.nodes import Database
from archimage.index.schema_deliveries import delivery
from archimage.model.deliveries import Delivery, DeliveryState

_FIELDS: Final = (
    "kind", "destination", "about", "payload", "lane", "created_at", "due_at", "state", "attempts", "ended_at", "error",
)  # fmt: skip
_ROWS: Final = select(*(delivery.c[name] for name in _FIELDS), delivery.c.pk, delivery.c.rank)
_THIS: Final = update(delivery).where(delivery.c.pk == bindparam("this"))
_TRIED: Final[Mapping[str, Any]] = {"attempts": delivery.c.attempts + 1, "taken_until": 0}
_WAITING: Final = delivery.c.state == DeliveryState.WAITING.value


class DeliveryTable:
    """Implements `ports.department.Deliveries`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        of_kinds = database.dialect.among(delivery.c.kind, "kinds")
        firsts = select(func.min(delivery.c.pk)).where(_WAITING).group_by(delivery.c.lane).scalar_subquery()
        first = and_(_WAITING, of_kinds, delivery.c.pk.in_(firsts), _unless_behind_a_paused_one())
        self._insert = Compiled(insert(delivery).values(_named(*_FIELDS, "taken_until", "rank")), database)
        due = and_(first, delivery.c.due_at <= bindparam("now"), delivery.c.taken_until <= bindparam("now"))
        self._due = Compiled(_urgent(due), database)
        self._taken = Compiled(_THIS.values(_named("taken_until")), database)
        of_these = database.dialect.among(delivery.c.pk, "these")
        taken = and_(_WAITING, delivery.c.taken_until > 0)
        self._renewed = Compiled(update(delivery).where(of_these, taken).values(_named("taken_until")), database)
        self._released = Compiled(update(delivery).where(taken).values(taken_until=0), database)
        later = case((delivery.c.due_at > delivery.c.taken_until, delivery.c.due_at), else_=delivery.c.taken_until)
        self._next = Compiled(select(func.min(later)).where(first), database)
        self._end = Compiled(_THIS.values({**_named("state", "ended_at", "error"), **_TRIED}), database)
        self._postpone = Compiled(_THIS.values({**_named("due_at", "error"), **_TRIED}), database)
        again = {"state": DeliveryState.WAITING.value, "ended_at": None, "attempts": 0, "taken_until": 0}
        of_it = and_(_WAITING, delivery.c.kind == bindparam("of_kind"), _unless_given(delivery.c.about, "of_what"))
        free = of_it & (delivery.c.taken_until <= bindparam("due_at"))
        self._hasten = Compiled(update(delivery).where(free).values(_named("due_at")), database)
        failed = delivery.c.state == DeliveryState.FAILED.value
        self._retry = Compiled(_THIS.where(failed).values({**_named("due_at", "created_at"), **again}), database)
        waiting, paused = DeliveryState.WAITING.value, DeliveryState.PAUSED.value
        stopped = _THIS.where(delivery.c.state == waiting).values(state=paused, taken_until=0)
        self._pause = Compiled(stopped, database)
        resumed = _THIS.where(delivery.c.state == paused).values({**_named("due_at"), "state": waiting})
        self._resume = Compiled(resumed, database)
        wanted = (
            _unless_given(delivery.c.kind, "kind"),
            _unless_given(delivery.c.state, "state"),
            delivery.c.pk < bindparam("before"),
        )
        newest = _ROWS.where(*wanted).order_by(delivery.c.pk.desc())
        self._find = Compiled(newest.limit(bindparam("most")), database)
        self._one = Compiled(_ROWS.where(delivery.c.pk == bindparam("this")), database)
        self._remove = Compiled(delete(delivery).where(delivery.c.pk == bindparam("this")), database)
        kinds = (delivery.c.kind, delivery.c.state)
        self._counts = Compiled(select(*kinds, func.count()).group_by(*kinds), database)
        done = and_(delivery.c.state == DeliveryState.DONE.value, delivery.c.ended_at < bindparam("before"))
        self._forget = Compiled(delete(delivery).where(done), database)

    def add(self, deliveries: Sequence[Delivery]) -> None:
        """Keep deliveries; their ids are given here."""
        with self._database.transaction() as cursor:
            self.add_within(cursor, deliveries)
        self._database.sync()

    def add_within(self, cursor: Cursor, deliveries: Sequence[Delivery]) -> None:
        """Keep deliveries in the transaction of what they tell of."""
        for added in deliveries:
            self._insert.run(cursor, **_row(added))

    def take(self, kinds: Sequence[str], now: float, until: float, limit: int, *, at_once: int) -> Sequence[Delivery]:
        """Take the first of each lane that is due, the most urgent ones, for one process alone until that time.

        at_once: how many of one destination may be taken at a time, by all processes.
        """
        with self._database.transaction() as cursor:
            rows = self._due.rows_of(cursor, kinds=self._pack(kinds), now=now, most=limit, at_once=at_once)
            found = [_delivery(row) for row in rows]
            for one in found:
                self._taken.run(cursor, this=one.id, taken_until=until)
        return found

    def renew(self, delivery_ids: Sequence[int], until: float) -> None:
        """Keep what is taken until another time; what was let go of meanwhile stays so."""
        self._renewed.change(these=str(self._database.dialect.pack(delivery_ids)), taken_until=until)

    def release(self) -> None:
        """Let go of all that was taken: whoever took it is no more."""
        self._released.change()

    def next_due(self, kinds: Sequence[str]) -> float | None:
        """Return when the next one is due, None where nothing waits."""
        rows = self._next.rows(kinds=self._pack(kinds))
        return None if rows[0][0] is None else float(rows[0][0])

    def settle(self, delivery_id: int, ended_at: float) -> None:
        """Note that it was delivered."""
        self._end.change(this=delivery_id, state=DeliveryState.DONE.value, ended_at=ended_at, error="")

    def postpone(self, delivery_id: int, due_at: float, error: str) -> None:
        """Note that a try failed, and when the next one is due."""
        self._postpone.change(this=delivery_id, due_at=due_at, error=error)

    def hasten(self, kind: str, about: str, now: float) -> bool:
        """Have what waits of a kind, about something where that is given, be due now; False where nothing does.

        What is being tried is left alone.
        """
        return self._hasten.change(of_kind=kind, of_what=about, due_at=now) > 0

    def give_up(self, delivery_id: int, ended_at: float, error: str) -> None:
        """Note that it is not tried again; the next of its lane is due."""
        self._end.change(this=delivery_id, state=DeliveryState.FAILED.value, ended_at=ended_at, error=error)

    def retry(self, delivery_id: int, now: float) -> bool:
        """Have one that failed tried again, as if it were new; False where it is not there or did not fail."""
        return self._retry.change(this=delivery_id, due_at=now, created_at=now) == 1

    def pause(self, delivery_id: int) -> bool:
        """Pause one that waits, and what comes after it in its lane; False where it is not there or does not wait."""
        return self._pause.change(this=delivery_id) == 1

    def resume(self, delivery_id: int, now: float) -> bool:
        """Have one that is paused wait again, due now; False where it is not there or not paused."""
        return self._resume.change(this=delivery_id, due_at=now) == 1

    def find(
        self, *, kind: str = "", state: DeliveryState | None = None, before: int | None = None, limit: int
    ) -> Sequence[Delivery]:
        """Return the newest, of one kind, in one state, and before an id, where these are given."""
        rows = self._find.rows(kind=kind, state=state or "", before=1 << 62 if before is None else before, most=limit)
        return [_delivery(row) for row in rows]

    def get(self, delivery_id: int) -> Delivery | None:
        """Return one, or None."""
        rows = self._one.rows(this=delivery_id)
        return _delivery(rows[0]) if rows else None

    def remove(self, delivery_id: int) -> bool:
        """Forget one; False where it is not there."""
        return self._remove.change(this=delivery_id) == 1

    def counts(self) -> Sequence[tuple[str, DeliveryState, int]]:
        """Count them by kind and state."""
        rows = self._counts.rows()
        return [(kind, DeliveryState(state), int(count)) for kind, state, count in rows]

    def forget(self, ended_before: float) -> int:
        """Forget what was delivered before a time; return how many these were."""
        return self._forget.change(before=ended_before)

    def _pack(self, kinds: Sequence[str]) -> str:
        return str(self._database.dialect.pack(kinds))


def _named(*columns: str) -> dict[str, Any]:
    """Return parameters by the names of columns."""
    return {name: bindparam(name) for name in columns}


def _urgent(due: ColumnElement[bool]) -> Select[Any]:
    """Choose the most urgent of what is due, less what is more than a destination is told at once."""
    taken = (
        select(delivery.c.destination, func.count().label("number"))
        .where(_WAITING, delivery.c.taken_until > bindparam("now"))
        .group_by(delivery.c.destination)
        .subquery()
    )
    order = (delivery.c.rank, delivery.c.due_at, delivery.c.pk)
    place = func.row_number().over(partition_by=delivery.c.destination, order_by=order).label("place")
    lined_up = select(delivery.c.pk, delivery.c.destination, place).where(due).subquery()
    free = (
        select(lined_up.c.pk)
        .outerjoin(taken, taken.c.destination == lined_up.c.destination)
        .where(lined_up.c.place + func.coalesce(taken.c.number, 0) <= bindparam("at_once"))
    )
    return _ROWS.where(delivery.c.pk.in_(free)).order_by(*order).limit(bindparam("most"))


def _unless_behind_a_paused_one() -> ColumnElement[bool]:
    """Leave out what comes in its lane after one that is paused."""
    earlier = delivery.alias("earlier")
    paused = earlier.c.state == DeliveryState.PAUSED.value
    return ~exists().where(paused, earlier.c.lane == delivery.c.lane, earlier.c.pk < delivery.c.pk)


def _unless_given(column: ColumnElement[str], parameter: str) -> ColumnElement[bool]:
    """Compare a column with a parameter, unless that is empty."""
    return (bindparam(parameter) == "") | (column == bindparam(parameter))


def _row(added: Delivery) -> dict[str, object]:
    values = {name: getattr(added, name) for name in _FIELDS}
    return {**values, "state": added.state.value, "taken_until": 0.0, "rank": -int(added.priority)}


def _delivery(row: Sequence[Any]) -> Delivery:
    values = dict(zip((*_FIELDS, "id", "priority"), row, strict=True))
    return Delivery(**values | {"state": DeliveryState(values["state"]), "priority": -values["priority"]})
