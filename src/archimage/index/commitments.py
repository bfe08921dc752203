"""Transactions of storage commitment, in the table `commitment`."""

import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
from sqlalchemy import ColumnElement, and_, bindparam, delete, func, or_, select, update

from archimage.index.compiled import Compiled
from archimage.index.deliveries import DeliveryTable
from archimage.index.nodes import Database
from archimage.index.schema_commitment import commitment
from archimage.model.commitments import Commitment, CommitmentState, Direction, Failure, Outcome, Reference
from archimage.model.deliveries import Delivery

_FIELDS: Final = (
    "transaction_uid", "direction", "ae_title", "state", "count", "created_at", "failed", "verified_at", "ended_at",
    "retrieve_ae_title", "note",
)  # fmt: skip
_ROWS: Final = select(*(commitment.c[name] for name in _FIELDS), commitment.c.pk)
_THIS: Final = commitment.c.pk == bindparam("this")
_ONE: Final = and_(
    commitment.c.direction == bindparam("one_way"), commitment.c.transaction_uid == bindparam("transaction")
)
_FAST: Final = 1
_OVER: Final = (CommitmentState.REPORTED, CommitmentState.ANSWERED, CommitmentState.REFUSED)


class CommitmentTable:
    """Implements `ports.commitment.Commitments`."""

    def __init__(self, database: Database, deliveries: DeliveryTable) -> None:
        self._database = database
        self._deliveries = deliveries
        kept = database.dialect.insert_once(commitment).values(_named(*_FIELDS, "referenced"))
        self._insert = Compiled(kept, database)
        self._one = Compiled(_ROWS.where(_ONE), database)
        self._numbered = Compiled(_ROWS.where(_THIS), database)
        self._referenced = Compiled(select(commitment.c.referenced).where(_THIS), database)
        self._failures = Compiled(select(commitment.c.failures).where(_THIS), database)
        wanted = (
            or_(bindparam("one_way") == "", commitment.c.direction == bindparam("one_way")),
            or_(bindparam("stands") == "", commitment.c.state == bindparam("stands")),
            commitment.c.pk < bindparam("before"),
        )
        newest = _ROWS.where(*wanted).order_by(commitment.c.pk.desc())
        self._find = Compiled(newest.limit(bindparam("most")), database)
        untold = (CommitmentState.VERIFYING, CommitmentState.VERIFIED)
        of_peer = and_(
            commitment.c.direction == Direction.ASKED_OF_US.value,
            commitment.c.ae_title == bindparam("peer"),
            _is_one_of(untold),
        )
        self._waiting = Compiled(select(func.coalesce(func.sum(commitment.c.count), 0)).where(of_peer), database)
        found = _named("state", "failed", "failures", "verified_at", "ended_at", "retrieve_ae_title", "note")
        unknown = and_(_THIS, commitment.c.verified_at.is_(None))
        self._conclude = Compiled(update(commitment).where(unknown).values(found), database)
        self._note = Compiled(update(commitment).where(_THIS).values(_named("note")), database)
        self._end = Compiled(update(commitment).where(_THIS).values(_named("state", "ended_at", "note")), database)
        from_state = and_(_THIS, commitment.c.state == bindparam("before"))
        advanced = {**_named("state", "ended_at"), "note": ""}
        self._advance = Compiled(update(commitment).where(from_state).values(advanced), database)
        self._remove = Compiled(delete(commitment).where(_THIS), database)
        old = and_(_is_one_of(_OVER), commitment.c.ended_at < bindparam("before"))
        self._forget = Compiled(delete(commitment).where(old), database)

    def add(self, commitment: Commitment, references: Sequence[Reference], delivery: Delivery) -> bool:
        """Keep a transaction and what is to be done about it, both or nothing; False where its UID is used already."""
        packed = _pack([(one.sop_class_uid, one.sop_instance_uid, one.withheld) for one in references])
        with self._database.transaction() as cursor:
            added = self._insert.run(cursor, **_row(commitment), referenced=packed) == 1
            if added:
                self._deliveries.add_within(cursor, [delivery])
        self._database.sync()
        return added

    def get(self, direction: Direction, transaction_uid: str) -> Commitment | None:
        """Return one, or None."""
        rows = self._one.rows(one_way=direction.value, transaction=transaction_uid)
        return _commitment(rows[0]) if rows else None

    def one(self, commitment_id: int) -> Commitment | None:
        """Return that of an id, or None."""
        rows = self._numbered.rows(this=commitment_id)
        return _commitment(rows[0]) if rows else None

    def references(self, commitment_id: int) -> Sequence[Reference]:
        """Return what a transaction is about."""
        return [Reference(*one) for one in _unpacked(self._referenced.rows(this=commitment_id))]

    def failures(self, commitment_id: int) -> Sequence[Failure]:
        """Return what was not committed to."""
        return [Failure(*one) for one in _unpacked(self._failures.rows(this=commitment_id))]

    def find(
        self,
        *,
        direction: Direction | None = None,
        state: CommitmentState | None = None,
        before: int | None,
        limit: int,
    ) -> Sequence[Commitment]:
        """Return the newest, of a direction, in a state, and before an id, where these are given."""
        below = 1 << 62 if before is None else before
        rows = self._find.rows(one_way=direction or "", stands=state or "", before=below, most=limit)
        return [_commitment(row) for row in rows]

    def waiting(self, ae_title: str) -> int:
        """Count the references that an AE title asked us about and has not been told of."""
        return int(self._waiting.rows(peer=ae_title)[0][0])

    def conclude(self, commitment_id: int, state: CommitmentState, outcome: Outcome, now: float) -> bool:
        """Keep what was found out, unless something is kept already; what is answered is over."""
        failures = [(one.sop_class_uid, one.sop_instance_uid, one.reason) for one in outcome.failures]
        changed = self._conclude.change(
            this=commitment_id,
            state=state.value,
            failed=len(failures),
            failures=_pack(failures) if failures else None,
            verified_at=now,
            ended_at=now if state is CommitmentState.ANSWERED else None,
            retrieve_ae_title=outcome.retrieve_ae_title,
            note="",
        )
        return changed == 1

    def note(self, commitment_id: int, note: str) -> None:
        """Keep why it is not further yet."""
        self._note.change(this=commitment_id, note=note)

    def end(self, commitment_id: int, state: CommitmentState, now: float, note: str = "") -> None:
        """Keep that it is over."""
        self._end.change(this=commitment_id, state=state.value, ended_at=now, note=note)

    def advance(self, commitment_id: int, before: CommitmentState, state: CommitmentState) -> bool:
        """Keep that it is in a state that is not over, where it was in the other before."""
        return self._advance.change(this=commitment_id, before=before.value, state=state.value, ended_at=None) == 1

    def remove(self, commitment_id: int) -> bool:
        """Forget one; False where it is not kept."""
        return self._remove.change(this=commitment_id) == 1

    def forget(self, ended_before: float) -> int:
        """Forget what was over before a time; return how many these were."""
        return self._forget.change(before=ended_before)


def _is_one_of(states: Sequence[CommitmentState]) -> ColumnElement[bool]:
    return or_(*(commitment.c.state == state.value for state in states))


def _named(*columns: str) -> dict[str, Any]:
    return {name: bindparam(name) for name in columns}


def _pack(values: Sequence[Sequence[object]]) -> bytes:
    return zlib.compress(orjson.dumps(values), _FAST)


def _unpacked(rows: Sequence[Any]) -> Sequence[Any]:
    packed = rows[0][0] if rows else None
    found: Sequence[Any] = orjson.loads(zlib.decompress(packed)) if packed else ()
    return found


def _row(kept: Commitment) -> Mapping[str, object]:
    values = {name: getattr(kept, name) for name in _FIELDS}
    return {**values, "direction": kept.direction.value, "state": kept.state.value}


def _commitment(row: Sequence[Any]) -> Commitment:
    values = dict(zip((*_FIELDS, "id"), row, strict=True))
    typed = {"direction": Direction(values["direction"]), "state": CommitmentState(values["state"])}
    return Commitment(**values | typed)
