"""Work items, subscriptions and their events, in the tables `workitem`, `workitem_subscription`, `workitem_event`."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

import orjson
from sqlalchemy import and_, bindparam, case, delete, exists, func, insert, or_, select, update

from archimage.index.compiled import Compiled
from archimage.index.deliveries import DeliveryTable
from archimage.index.ingest import Cursor
from archimage.index.nodes import Database
from archimage.index.schema_ups import workitem, workitem_event, workitem_subscription
from archimage.model.deliveries import Delivery
from archimage.model.ups import Door, EventType, KeptEvent, Reach, StepState, Subscription, UpsEvent, Workitem
from archimage.services.datasets import text

_PATIENT_ID: Final = 0x00100020
_WORKLIST_LABEL: Final = 0x00741202
_ITEM: Final = ("uid", "state", "transaction_uid", "model", "version", "created_at", "ended_at")
_KEPT: Final = (*_ITEM, "patient_id", "worklist_label")
_SUBSCRIPTION: Final = ("ae_title", "reach", "door", "uid", "lock", "wanted", "until", "filter")
_PAGE: Final = 25
"""Work items that are in memory at once: each may have megabytes."""
_BEYOND: Final = 1 << 62
"""More than any number of a work item."""
_SYNC_EVERY: Final = 32
"""Of so many flushes one moves the log into the database: that takes twice as long as the flush itself."""
_STARTED: Final = ""
"""The subscriber under whom it is noted that the archive started; none has this AE title."""


class WorkitemTable:
    """Implements `ports.ups.Workitems`; what nodes are to be told goes to a table of deliveries."""

    def __init__(self, database: Database, deliveries: DeliveryTable) -> None:
        self._database = database
        self._statements = _Statements(database)
        self._deliveries = deliveries
        self._flushes = 0

    @contextmanager
    def changing(self) -> Iterator["WorkitemCursor"]:
        """Lend what changes, in a transaction that any exception undoes."""
        with self._database.transaction() as cursor:
            yield WorkitemCursor(cursor, self._statements, self._deliveries)

    def sync(self) -> None:
        """Make what was changed durable."""
        self._flushes += 1
        (self._database.flush if self._flushes % _SYNC_EVERY else self._database.sync)()

    def get(self, uid: str) -> Workitem | None:
        """Return a work item, or None."""
        rows = self._statements.one.rows(this=uid)
        return _item(rows[0]) if rows else None

    def pages(
        self, *, states: Sequence[StepState] = (), uids: Sequence[str] = (), patient_id: str = "", label: str = ""
    ) -> Iterator[Sequence[Workitem]]:
        """Yield work items in the order of their numbers, those that have what is given."""
        pack = self._database.dialect.pack
        wanted: Mapping[str, object] = {
            "any_state": int(not states),
            "states": pack([state.value for state in states]),
            "any_uid": int(not uids),
            "uids": pack(list(uids)),
            "patient": patient_id,
            "label": label,
        }
        last = 0
        while rows := self._statements.page.rows(after=last, **wanted):
            found = [_item(row) for row in rows]
            yield found
            last = found[-1].number

    def newest(self, *, states: Sequence[StepState] = (), before: int | None = None) -> Iterator[Sequence[Workitem]]:
        """Yield work items with the newest first, those of these states, if any, and of numbers below one."""
        wanted = {"any_state": int(not states), "states": self._database.dialect.pack([one.value for one in states])}
        last = _BEYOND if before is None else before
        while rows := self._statements.newest.rows(before=last, **wanted):
            found = [_item(row) for row in rows]
            yield found
            last = found[-1].number

    def counts(self) -> Sequence[tuple[StepState, int]]:
        """Count them by state."""
        return [(StepState(state), int(count)) for state, count in self._statements.counts.rows()]

    def events(self, ae_title: str, after: int, limit: int) -> Sequence[KeptEvent]:
        """Return what a subscriber is to hear after an event, the oldest first."""
        rows = self._statements.events.rows(ae=ae_title, after=after, most=limit)
        return [KeptEvent(pk, ae_title, UpsEvent(uid, EventType(kind), told)) for pk, uid, kind, told in rows]

    def heard(self, ae_title: str, number: int) -> None:
        """Forget the events of a subscriber up to one."""
        with self._database.transaction() as cursor:
            self._statements.heard.run(cursor, ae=ae_title, number=number)

    def forget(self, ended_before: float, events_before: float, most_events: int) -> tuple[int, int]:
        """Delete what is final since a time and not locked, and events that are old or too many; return how many."""
        made = self._statements
        with self._database.transaction() as cursor:
            items = made.forget.run(cursor, before=ended_before)
            made.orphans.run(cursor)
            events = made.old_events.run(cursor, before=events_before)
            for ae_title, count in made.crowded.rows_of(cursor, most=most_events):
                if ae_title != _STARTED:
                    events += made.oldest_events.run(cursor, ae=ae_title, most=count - most_events)
        return items, events


class _Statements:
    """All statements, compiled."""

    def __init__(self, database: Database) -> None:
        self._items(database)
        self._subscriptions(database)
        self._events(database)
        self._deletions(database)

    def _items(self, database: Database) -> None:
        item, among = workitem.c, database.dialect.among
        rows = select(*(item[name] for name in _ITEM), item.pk)
        this = item.uid == bindparam("this")
        of_state = or_(bindparam("any_state") == 1, among(item.state, "states"))
        fits = (
            of_state,
            or_(bindparam("any_uid") == 1, among(item.uid, "uids")),
            or_(bindparam("patient") == "", item.patient_id == bindparam("patient")),
            or_(bindparam("label") == "", item.worklist_label == bindparam("label")),
        )
        self.one = Compiled(rows.where(this), database)
        self.page = Compiled(rows.where(item.pk > bindparam("after"), *fits).order_by(item.pk).limit(_PAGE), database)
        older = rows.where(item.pk < bindparam("before"), of_state).order_by(item.pk.desc())
        self.newest = Compiled(older.limit(_PAGE), database)
        first, last = (select(edge(item.pk)).scalar_subquery() for edge in (func.min, func.max))
        self.span = Compiled(select(func.coalesce(last - first + 1, 0)), database)
        self.count = Compiled(select(func.count()).select_from(workitem), database)
        self.counts = Compiled(select(item.state, func.count()).group_by(item.state), database)
        self.last = Compiled(select(func.max(item.pk)), database)
        self.add = Compiled(insert(workitem).values({name: bindparam(name) for name in _KEPT}), database)
        scheduled = and_(this, item.state == StepState.SCHEDULED.value)
        taken = {"state": StepState.IN_PROGRESS.value, "transaction_uid": bindparam("transaction")}
        self.claim = Compiled(
            update(workitem).where(scheduled).values({**taken, "version": item.version + 1}), database
        )
        before = and_(this, item.version == bindparam("version") - 1)
        changed: dict[str, Any] = {name: bindparam(name) for name in _KEPT if name not in {"uid", "created_at"}}
        self.replace = Compiled(update(workitem).where(before).values(changed), database)

    def _subscriptions(self, database: Database) -> None:
        row = workitem_subscription.c
        rows = select(*(row[name] for name in _SUBSCRIPTION))
        of = row.ae_title == bindparam("ae")
        to_one = row.uid == bindparam("this")
        self.hearing = Compiled(rows.where(or_(to_one, row.uid == "")), database)
        self.subscribed = Compiled(rows.where(of, row.uid == ""), database)
        wide = func.sum(case((row.uid == "", 1), else_=0))
        self.subscription_count = Compiled(select(func.count(), func.coalesce(wide, 0)), database)
        values: dict[str, Any] = {name: bindparam(name) for name in _SUBSCRIPTION}
        self.subscribe = Compiled(insert(workitem_subscription).values(values), database)
        same = and_(of, row.reach == bindparam("kind"), to_one)
        self.leave = Compiled(delete(workitem_subscription).where(same), database)
        wide_or_left_out = and_(of, or_(row.uid == "", row.wanted == 0))
        self.leave_widely = Compiled(delete(workitem_subscription).where(wide_or_left_out), database)
        self.subscribers = Compiled(select(row.ae_title, row.door).where(row.wanted == 1).distinct(), database)
        self.leave_all = Compiled(delete(workitem_subscription).where(of), database)

    def _events(self, database: Database) -> None:
        event = workitem_event.c
        of = event.ae_title == bindparam("ae")
        told = select(event.pk, event.uid, event.type, event.payload)
        later = told.where(of, event.pk > bindparam("after")).order_by(event.pk)
        self.events = Compiled(later.limit(bindparam("most")), database)
        heard = and_(of, event.pk <= bindparam("number"))
        self.heard = Compiled(delete(workitem_event).where(heard), database)
        columns = ("ae_title", "uid", "type", "payload", "created_at")
        self.keep = Compiled(insert(workitem_event).values({name: bindparam(name) for name in columns}), database)
        newer = select(event.pk).where(of, event.created_at > bindparam("since"))
        self.started = Compiled(newer.limit(1), database)
        self.old_events = Compiled(delete(workitem_event).where(event.created_at < bindparam("before")), database)
        many = select(event.ae_title, func.count()).group_by(event.ae_title).having(func.count() > bindparam("most"))
        self.crowded = Compiled(many, database)
        oldest = select(event.pk).where(of).order_by(event.pk).limit(bindparam("most")).scalar_subquery()
        self.oldest_events = Compiled(delete(workitem_event).where(event.pk.in_(oldest)), database)

    def _deletions(self, database: Database) -> None:
        item, row, other = workitem.c, workitem_subscription.c, workitem_subscription.alias().c
        locked = exists().where(row.uid == item.uid, row.lock == 1, row.wanted == 1)
        own = (
            exists()
            .where(other.ae_title == row.ae_title, other.uid == item.uid)
            .correlate(workitem, workitem_subscription)
        )
        covers = or_(row.until.is_(None), item.pk <= row.until)
        all_locked = exists().where(row.reach == Reach.ALL.value, row.uid == "", row.lock == 1, covers, ~own)
        done = and_(item.ended_at < bindparam("before"), ~locked, ~all_locked)
        self.forget = Compiled(delete(workitem).where(done), database)
        gone = and_(row.uid != "", ~exists().where(item.uid == row.uid))
        self.orphans = Compiled(delete(workitem_subscription).where(gone), database)


class WorkitemCursor:
    """Implements `ports.ups.WorkitemWriter`, within one transaction."""

    def __init__(self, cursor: Cursor, statements: _Statements, deliveries: DeliveryTable) -> None:
        self._cursor = cursor
        self._statements = statements
        self._deliveries = deliveries

    def get(self, uid: str) -> Workitem | None:
        """Return a work item, or None."""
        rows = self._statements.one.rows_of(self._cursor, this=uid)
        return _item(rows[0]) if rows else None

    def add(self, item: Workitem) -> Workitem | None:
        """Keep a new work item and return it with its number; None where its UID is taken."""
        if self.get(item.uid) is not None:
            return None
        self._statements.add.run(self._cursor, **_row(item))
        return replace(item, number=self.last_number())

    def is_full(self, most: int) -> bool:
        """Tell whether so many work items are kept, or more; they are counted only where their numbers reach so far."""
        made = self._statements
        return all(int(one.rows_of(self._cursor)[0][0]) >= most for one in (made.span, made.count))

    def claim(self, uid: str, transaction_uid: str) -> bool:
        """Give a scheduled work item to who has this Transaction UID; False where it is not scheduled any more."""
        return self._statements.claim.run(self._cursor, this=uid, transaction=transaction_uid) == 1

    def replace(self, item: Workitem) -> bool:
        """Put a changed work item in the place of the version before it; False where that is not there."""
        row = _row(item)
        this = row.pop("uid")
        del row["created_at"]
        return self._statements.replace.run(self._cursor, this=this, **row) == 1

    def subscriptions(self, uid: str) -> Sequence[Subscription]:
        """Return those to one work item, and those to no single one."""
        return [_subscription(row) for row in self._statements.hearing.rows_of(self._cursor, this=uid)]

    def subscriptions_of(self, ae_title: str) -> Sequence[Subscription]:
        """Return all of one subscriber that are to no single work item."""
        return [_subscription(row) for row in self._statements.subscribed.rows_of(self._cursor, ae=ae_title)]

    def subscribers(self) -> Sequence[Subscription]:
        """Return one subscription of each subscriber by each door."""
        rows = self._statements.subscribers.rows_of(self._cursor)
        return [Subscription(ae_title, Reach.ONE, Door(door)) for ae_title, door in rows]

    def subscription_count(self) -> tuple[int, int]:
        """Count the subscriptions, all of them and those to no single work item."""
        ((every, wide),) = self._statements.subscription_count.rows_of(self._cursor)
        return int(every), int(wide)

    def subscribe(self, subscription: Subscription) -> None:
        """Keep a subscription, in the place of that to the same."""
        made, reach = self._statements, subscription.reach.value
        made.leave.run(self._cursor, ae=subscription.ae_title, kind=reach, this=subscription.uid)
        values = {name: getattr(subscription, name) for name in _SUBSCRIPTION}
        flags = {"lock": int(subscription.lock), "wanted": int(subscription.wanted)}
        made.subscribe.run(self._cursor, **values | flags | {"reach": reach, "door": subscription.door.value})

    def unsubscribe(self, ae_title: str, uid: str | None = None) -> int:
        """Forget the subscription to one work item, or every one of a subscriber; return how many."""
        if uid is None:
            return self._statements.leave_all.run(self._cursor, ae=ae_title)
        return self._statements.leave.run(self._cursor, ae=ae_title, kind=Reach.ONE.value, this=uid)

    def unsubscribe_widely(self, ae_title: str) -> None:
        """Forget what a subscriber has but its subscriptions to single work items: what these leave out, too."""
        self._statements.leave_widely.run(self._cursor, ae=ae_title)

    def last_number(self) -> int:
        """Return the number of the newest work item."""
        return int(self._statements.last.rows_of(self._cursor)[0][0] or 0)

    def tell(self, deliveries: Sequence[Delivery], ae_titles: Sequence[str], event: UpsEvent, now: float) -> None:
        """Keep what nodes are to be told, and an event for those who open WebSockets."""
        self._deliveries.add_within(self._cursor, deliveries)
        for ae_title in ae_titles:
            self._keep(ae_title, event, now)

    def announce(self, since: float, now: float) -> bool:
        """Note a start; False where one was noted since a time."""
        if self._statements.started.rows_of(self._cursor, ae=_STARTED, since=since):
            return False
        self._keep(_STARTED, UpsEvent("", EventType.SCP_STATUS_CHANGE, ""), now)
        return True

    def _keep(self, ae_title: str, event: UpsEvent, now: float) -> None:
        values = {"uid": event.uid, "type": int(event.type), "payload": event.payload, "created_at": now}
        self._statements.keep.run(self._cursor, ae_title=ae_title, **values)


def _row(item: Workitem) -> dict[str, object]:
    model = dict(item.model)
    searched = {
        "patient_id": text(model, _PATIENT_ID).rstrip(),
        "worklist_label": text(model, _WORKLIST_LABEL).rstrip(),
    }
    values = {name: getattr(item, name) for name in _ITEM}
    return {**values, **searched, "state": item.state.value, "model": orjson.dumps(model).decode()}


def _item(row: Sequence[Any]) -> Workitem:
    values = dict(zip((*_ITEM, "number"), row, strict=True))
    return Workitem(**values | {"state": StepState(values["state"]), "model": orjson.loads(values["model"])})


def _subscription(row: Sequence[Any]) -> Subscription:
    values = dict(zip(_SUBSCRIPTION, row, strict=True))
    kinds = {"reach": Reach(values["reach"]), "door": Door(values["door"])}
    flags = {"lock": bool(values["lock"]), "wanted": bool(values["wanted"])}
    return Subscription(**values | kinds | flags)
