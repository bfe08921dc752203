"""Performed procedure steps, in the tables `performed_step` and `performed_instance`."""

from collections.abc import Sequence
from typing import Any, Final

import orjson
from sqlalchemy import bindparam, delete, exists, func, insert, select, update

from archimage.index.compiled import Compiled
from archimage.index.deliveries import DeliveryTable
from archimage.index.ingest import Cursor
from archimage.index.nodes import Database
from archimage.index.schema import instance
from archimage.index.schema_performed import performed_instance, performed_step
from archimage.model.deliveries import Delivery
from archimage.model.mpps import Arrival, Awaited, PerformedStep, Reference, StepFilter, StepKeys, StepState

_KEYS: Final = (
    "patient_id", "accession_number", "study_instance_uid", "modality", "station_ae_title", "start_date",
)  # fmt: skip
_FIXED: Final = ("sop_instance_uid", "source_ae_title", "created_at")
_CHANGING: Final = ("state", "changed_at", "revision", "awaited", "dataset")
_OF_REFERENCE: Final = ("series_instance_uid", "sop_class_uid", "sop_instance_uid")


class PerformedStepTable:
    """Implements `ports.mpps.PerformedSteps`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._deliveries = DeliveryTable(database)
        step, made = performed_step, performed_instance
        this = step.c.sop_instance_uid == bindparam("this")
        rows = select(*(step.c[name] for name in (*_FIXED, *_CHANGING)), step.c.pk)
        self._insert = Compiled(insert(step).values(_values(*_FIXED, *_CHANGING, *_KEYS)), database)
        before = step.c.revision == bindparam("revision_before")
        self._update = Compiled(update(step).where(this, before).values(_values(*_CHANGING)), database)
        self._one = Compiled(rows.where(this), database)
        wanted = [_unless_given(name) for name in ("state", *_KEYS)]
        newest = rows.where(*wanted, step.c.pk < bindparam("before")).order_by(step.c.pk.desc())
        self._find = Compiled(newest.limit(bindparam("most")), database)
        self._counts = Compiled(select(step.c.state, func.count()).group_by(step.c.state), database)
        of_step = made.c.performed_step_pk == step.c.pk
        owned = made.c.performed_step_pk == select(step.c.pk).where(this).scalar_subquery()
        self._clear = Compiled(delete(made).where(owned), database)
        pk = select(step.c.pk).where(this).scalar_subquery()
        parts = {**_values("position", *_OF_REFERENCE), "performed_step_pk": pk}
        self._refer = Compiled(insert(made).values(parts), database)
        kept = instance.c.sop_instance_uid == made.c.sop_instance_uid
        whole = made.outerjoin(instance, kept)
        listed = select(*(made.c[name] for name in _OF_REFERENCE), instance.c.pk).select_from(whole).where(owned)
        self._arrivals = Compiled(listed.order_by(made.c.position), database)
        uids = database.dialect.among(step.c.sop_instance_uid, "uids")
        counted = select(step.c.sop_instance_uid, func.count(made.c.position), func.count(instance.c.pk))
        counted = counted.select_from(step.join(made, of_step).outerjoin(instance, kept)).where(uids)
        self._arrived = Compiled(counted.group_by(step.c.sop_instance_uid), database)
        waiting = step.c.awaited == Awaited.WAITING.value
        missing = exists().where(of_step, ~exists().where(kept))
        found = select(step.c.sop_instance_uid).where(waiting, ~missing).order_by(step.c.pk)
        self._whole = Compiled(found.limit(bindparam("most")), database)
        self._tell = Compiled(update(step).where(this, waiting).values(awaited=Awaited.TOLD.value), database)

    def add(
        self, step: PerformedStep, keys: StepKeys, references: Sequence[Reference], deliveries: Sequence[Delivery]
    ) -> bool:
        """Keep a new step; False where one of its UID is there."""
        with self._database.transaction() as cursor:
            if self._one.rows_of(cursor, this=step.sop_instance_uid):
                return False
            self._insert.run(cursor, **_row(step, _FIXED + _CHANGING), **{name: getattr(keys, name) for name in _KEYS})
            self._keep(cursor, step, references, deliveries)
        self._database.sync()
        return True

    def replace(self, step: PerformedStep, references: Sequence[Reference], deliveries: Sequence[Delivery]) -> bool:
        """Keep another revision of a step; False where the one before is not what is there."""
        with self._database.transaction() as cursor:
            known = {"this": step.sop_instance_uid, "revision_before": step.revision - 1}
            if not self._update.run(cursor, **_row(step, _CHANGING), **known):
                return False
            self._clear.run(cursor, this=step.sop_instance_uid)
            self._keep(cursor, step, references, deliveries)
        self._database.sync()
        return True

    def get(self, sop_instance_uid: str) -> PerformedStep | None:
        """Return one, or None."""
        rows = self._one.rows(this=sop_instance_uid)
        return _step(rows[0]) if rows else None

    def find(self, wanted: StepFilter) -> Sequence[PerformedStep]:
        """Return the newest of those that are looked for."""
        keys = {name: getattr(wanted.keys, name) for name in _KEYS}
        before = 1 << 62 if wanted.before is None else wanted.before
        rows = self._find.rows(state=wanted.state or "", before=before, most=wanted.limit, **keys)
        return [_step(row) for row in rows]

    def counts(self) -> Sequence[tuple[StepState, int]]:
        """Count them by state."""
        return [(StepState(state), int(count)) for state, count in self._counts.rows()]

    def arrivals(self, sop_instance_uid: str) -> Sequence[Arrival]:
        """Return what a step says it has made, in its order, and whether it is here."""
        rows = self._arrivals.rows(this=sop_instance_uid)
        return [Arrival(Reference(*reference), pk is not None) for *reference, pk in rows]

    def arrived(self, sop_instance_uids: Sequence[str]) -> Sequence[tuple[str, int, int]]:
        """Return of each of these steps how many instances it says it has made, and how many of them are here."""
        rows = self._arrived.rows(uids=str(self._database.dialect.pack(sop_instance_uids)))
        return [(uid, int(made), int(kept)) for uid, made, kept in rows]

    def whole(self, limit: int) -> Sequence[str]:
        """Return steps that are waited for and whose instances have all come."""
        return [uid for (uid,) in self._whole.rows(most=limit)]

    def tell(self, sop_instance_uid: str, deliveries: Sequence[Delivery]) -> bool:
        """Keep that others are to hear of a step that was waited for; False where they were told already."""
        with self._database.transaction() as cursor:
            if not self._tell.run(cursor, this=sop_instance_uid):
                return False
            self._deliveries.add_within(cursor, deliveries)
        self._database.sync()
        return True

    def _keep(
        self, cursor: Cursor, step: PerformedStep, references: Sequence[Reference], deliveries: Sequence[Delivery]
    ) -> None:
        for position, one in enumerate(references):
            values = {name: getattr(one, name) for name in _OF_REFERENCE}
            self._refer.run(cursor, this=step.sop_instance_uid, position=position, **values)
        self._deliveries.add_within(cursor, deliveries)


def _values(*columns: str) -> dict[str, Any]:
    """Return parameters by the names of columns."""
    return {name: bindparam(name) for name in columns}


def _unless_given(column: str) -> Any:
    """Compare a column with a parameter, unless that is empty."""
    return (bindparam(column) == "") | (performed_step.c[column] == bindparam(column))


def _row(step: PerformedStep, columns: Sequence[str]) -> dict[str, object]:
    values = {name: getattr(step, name) for name in columns}
    texts = {"state": step.state.value, "awaited": step.awaited.value, "dataset": orjson.dumps(step.dataset).decode()}
    return values | texts


def _step(row: Sequence[Any]) -> PerformedStep:
    values = dict(zip((*_FIXED, *_CHANGING, "id"), row, strict=True))
    kinds = {"state": StepState(values["state"]), "awaited": Awaited(values["awaited"])}
    return PerformedStep(**values | kinds | {"dataset": orjson.loads(values["dataset"])})
