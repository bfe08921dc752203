"""HL7 messages, in the table `hl7_message`."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import and_, bindparam, delete, func, insert, or_, select, update

from archimage.index.compiled import Compiled
from archimage.index.ingest import Cursor
from archimage.index.nodes import Database
from archimage.index.schema_messages import hl7_message
from archimage.model.messages import Ack, Fault, Hl7Message, KeptMessage, MessageState, Outcome

_PLAIN: Final = ("raw", "sender", "control_id", "kind", "address", "received_at", "attempts", "ended_at")
_OUTCOME: Final = ("state", "ack", "error", "fault", "location")
_ROWS: Final = select(*(hl7_message.c[name] for name in (*_PLAIN, *_OUTCOME)), hl7_message.c.pk)
_THIS: Final = hl7_message.c.pk == bindparam("this")
_UNENDED: Final = frozenset({MessageState.RECEIVED, MessageState.FAILED})
"""A message in one of these is applied when it comes again."""


class MessageTable:
    """Implements `ports.message.Messages`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        columns = hl7_message.c
        free = columns.taken_until <= bindparam("now")
        new = insert(hl7_message).values(_named(*_PLAIN, *_OUTCOME, "taken_until"))
        self._insert = Compiled(new.returning(columns.pk), database)
        same = and_(columns.sender == bindparam("sender"), columns.control_id == bindparam("control_id"))
        self._same = Compiled(_ROWS.where(same).order_by(columns.pk).limit(1), database)
        taken = _named("taken_until")
        self._take = Compiled(update(hl7_message).where(_THIS, free).values(taken), database)
        self._release = Compiled(update(hl7_message).where(columns.taken_until > 0).values(taken_until=0.0), database)
        ended = _named(*_OUTCOME, "attempts", "ended_at")
        self._settle = Compiled(update(hl7_message).where(_THIS).values({**ended, "taken_until": 0.0}), database)
        in_states = database.dialect.among(columns.state, "states")
        wanted = and_(in_states, free, or_(bindparam("this") == 0, _THIS))
        self._oldest = Compiled(_ROWS.where(wanted).order_by(columns.pk).limit(1), database)
        self._one = Compiled(_ROWS.where(_THIS), database)
        of_state = or_(bindparam("state") == "", columns.state == bindparam("state"))
        newest = _ROWS.where(of_state, columns.pk < bindparam("before")).order_by(columns.pk.desc())
        self._find = Compiled(newest.limit(bindparam("most")), database)
        self._counts = Compiled(select(columns.state, func.count()).group_by(columns.state), database)
        done = and_(columns.ended_at < bindparam("before"), columns.state != MessageState.FAILED.value)
        self._forget = Compiled(delete(hl7_message).where(done), database)

    def keep(self, messages: Sequence[Hl7Message], now: float, until: float) -> Sequence[KeptMessage]:
        """Keep messages, in one transaction; each is its caller's to apply until a time."""
        with self._database.transaction() as cursor:
            kept = [self._keep(cursor, one, now, until) for one in messages]
        self._database.sync()
        return kept

    def _keep(self, cursor: Cursor, message: Hl7Message, now: float, until: float) -> KeptMessage:
        rows: Sequence[Any] = ()
        if message.control_id:
            rows = self._same.rows_of(cursor, sender=message.sender, control_id=message.control_id)
        if not rows:
            is_ours = message.state is MessageState.RECEIVED
            ((pk,),) = self._insert.rows_of(cursor, **_row(message), taken_until=until if is_ours else 0.0)
            return KeptMessage(replace(message, id=pk), is_ours)
        earlier = _message(rows[0])
        same = earlier.state in _UNENDED and earlier.is_same(message)
        is_ours = same and self._take.run(cursor, this=earlier.id, now=now, taken_until=until) == 1
        return KeptMessage(earlier, is_ours)

    def settle(self, messages: Sequence[Hl7Message]) -> None:
        """Note what became of messages, by their ids."""
        with self._database.transaction() as cursor:
            for one in messages:
                row = _row(one)
                changed = {name: row[name] for name in (*_OUTCOME, "attempts", "ended_at")}
                self._settle.run(cursor, this=one.id, **changed)
        self._database.sync()

    def claim(
        self, states: Sequence[MessageState], now: float, until: float, *, message_id: int = 0
    ) -> Hl7Message | None:
        """Return the oldest in one of these states that is nobody's, or that of an id, for the caller to apply."""
        names = str(self._database.dialect.pack([state.value for state in states]))
        with self._database.transaction() as cursor:
            rows = self._oldest.rows_of(cursor, states=names, now=now, this=message_id)
            if not rows:
                return None
            found = _message(rows[0])
            self._take.run(cursor, this=found.id, now=now, taken_until=until)
        return found

    def release(self) -> None:
        """Have no message be anybody's."""
        self._release.change()

    def get(self, message_id: int) -> Hl7Message | None:
        """Return one, or None."""
        rows = self._one.rows(this=message_id)
        return _message(rows[0]) if rows else None

    def find(self, *, state: MessageState | None = None, before: int | None = None, limit: int) -> Sequence[Hl7Message]:
        """Return the newest, in one state and before an id, where these are given."""
        rows = self._find.rows(state=state or "", before=1 << 62 if before is None else before, most=limit)
        return [_message(row) for row in rows]

    def counts(self) -> Sequence[tuple[MessageState, int]]:
        """Count them by state."""
        return [(MessageState(state), int(count)) for state, count in self._counts.rows()]

    def forget(self, ended_before: float) -> int:
        """Forget what ended before a time, but for what failed; return how many these were."""
        return self._forget.change(before=ended_before)


def _named(*columns: str) -> dict[str, Any]:
    """Return parameters by the names of columns."""
    return {name: bindparam(name) for name in columns}


def _row(message: Hl7Message) -> dict[str, object]:
    outcome = message.outcome
    told = {"state": outcome.state.value, "ack": outcome.ack.value, "error": outcome.text}
    placed = {"fault": outcome.fault.value, "location": outcome.location}
    return {name: getattr(message, name) for name in _PLAIN} | told | placed


def _message(row: Sequence[Any]) -> Hl7Message:
    values = dict(zip((*_PLAIN, *_OUTCOME, "id"), row, strict=True))
    state, ack, text, fault, location = (values.pop(name) for name in _OUTCOME)
    outcome = Outcome(MessageState(state), Ack(ack), text, Fault(fault), location)
    return Hl7Message(**values | {"raw": bytes(values["raw"]), "outcome": outcome})
