"""What rules of retention look at, in the tables of studies, and how far runs are, in `retention_run`."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple
from typing import Any, Final

from sqlalchemy import BindParameter, Select, bindparam, delete, exists, func, insert, select, update

from archimage.index.compiled import Compiled
from archimage.index.nodes import Database
from archimage.index.relocation import tier_in
from archimage.index.schema import instance, label, patient, series, study
from archimage.index.schema_hold import hold
from archimage.index.schema_retention import retention_run, study_access
from archimage.model.retention import RetentionRun, RunState, StudyFacts
from archimage.model.tiers import Share

KEPT: Final = 100
"""Runs that are remembered."""
_COUNTED: Final = (
    "position",
    "looked",
    "deleted",
    "deleted_bytes",
    "held",
    "spared",
    "failed",
    "error",
    "moved",
    "moved_bytes",
)
_STUDY: Final = select(
    study.c.pk,
    study.c.study_instance_uid,
    patient.c.patient_id,
    func.coalesce(study.c.study_date, ""),
    hold.c.since,
    func.coalesce(study_access.c.accessed_at, 0.0),
).select_from(
    study.join(patient, study.c.patient_pk == patient.c.pk)
    .outerjoin(hold, hold.c.study_instance_uid == study.c.study_instance_uid)
    .outerjoin(study_access, study_access.c.study_instance_uid == study.c.study_instance_uid)
)
_NOTHING: Final = Share(0, 0)
_KIND: Final = (series.c.study_pk, series.c.modality, series.c.station_name, instance.c.source_ae_title)


class AccessTable:
    """Implements `ports.retention.Accesses`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        uid: BindParameter[str] = bindparam("study")
        at: BindParameter[float] = bindparam("at")
        this = study_access.c.study_instance_uid == uid
        later = (this, study_access.c.accessed_at < at)
        self._update = Compiled(update(study_access).where(*later).values(accessed_at=bindparam("at_new")), database)
        row = select(study.c.study_instance_uid, bindparam("at_new", type_=study_access.c.accessed_at.type))
        new = row.where(study.c.study_instance_uid == uid, ~exists(select(1).where(this)))
        self._insert = Compiled(insert(study_access).from_select(["study_instance_uid", "accessed_at"], new), database)

    def note(self, accessed_at: Mapping[str, float]) -> None:
        """Note the times of some studies; an earlier one than is known counts for nothing."""
        rows = [{"study": uid, "at": at, "at_new": at} for uid, at in accessed_at.items()]
        with self._database.transaction() as cursor:
            self._update.run_all(cursor, rows)
            self._insert.run_all(cursor, [{"study": one["study"], "at_new": one["at"]} for one in rows])


class RetentionTable:
    """Implements `ports.retention.Retention`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        dialect = database.dialect
        after = _STUDY.where(study.c.pk > bindparam("after")).order_by(study.c.pk)
        self._page = Compiled(after.limit(bindparam("most")), database)
        self._one = Compiled(_STUDY.where(study.c.study_instance_uid == bindparam("study")), database)
        counted = (func.count(), func.sum(instance.c.size_bytes), func.max(instance.c.received_at))
        kind = (*_KIND, tier_in(instance.c.file_path, dialect))
        below = select(*kind, *counted).select_from(series.join(instance, instance.c.series_pk == series.c.pk))
        self._below = Compiled(below.where(dialect.among(series.c.study_pk, "keys")).group_by(*kind), database)
        labels = select(label.c.study_instance_uid, label.c.name)
        self._labels = Compiled(labels.where(dialect.among(label.c.study_instance_uid, "uids")), database)
        self._prepare_runs()

    def _prepare_runs(self) -> None:
        columns = [column for column in retention_run.columns if not column.primary_key]
        found: Select[Any] = select(retention_run)
        this = retention_run.c.pk == bindparam("number")
        running = retention_run.c.state == bindparam("running")
        newest = found.order_by(retention_run.c.pk.desc()).limit(bindparam("most"))
        counted: dict[str, Any] = {name: bindparam(f"new_{name}") for name in _COUNTED}
        ended: dict[str, Any] = {name: bindparam(f"new_{name}") for name in ("state", "ended_at")}
        values: dict[str, Any] = {column.name: bindparam(column.name) for column in columns}
        self._runs = Compiled(newest, self._database)
        self._get = Compiled(found.where(this), self._database)
        self._running = Compiled(found.where(running), self._database)
        self._insert = Compiled(insert(retention_run).values(values), self._database)
        self._note = Compiled(update(retention_run).where(this).values(counted), self._database)
        self._end = Compiled(update(retention_run).where(this, running).values(ended), self._database)
        self._forget = Compiled(delete(retention_run).where(retention_run.c.pk <= bindparam("oldest")), self._database)

    # Studies

    def page(self, after: int, limit: int) -> Sequence[StudyFacts]:
        """Return the facts of the next studies by key."""
        return self._facts(self._page.rows(after=after, most=limit))

    def facts(self, study_instance_uid: str) -> StudyFacts | None:
        """Return those of one study, None where it is not kept."""
        found = self._facts(self._one.rows(study=study_instance_uid))
        return found[0] if found else None

    def _facts(self, studies: Sequence[Any]) -> Sequence[StudyFacts]:
        if not studies:
            return ()
        pack = self._database.dialect.pack
        below: dict[int, list[Any]] = {}
        for key, *kind in self._below.rows(keys=pack([row[0] for row in studies])):
            below.setdefault(key, []).append(kind)
        labels: dict[str, set[str]] = {}
        for uid, name in self._labels.rows(uids=pack([row[1] for row in studies])):
            labels.setdefault(uid, set()).add(name)
        return [_joined(row, below[row[0]], labels.get(row[1], set())) for row in studies if row[0] in below]

    # Runs

    def runs(self, limit: int) -> Sequence[RetentionRun]:
        """Return some runs, the newest first."""
        return [_run(row) for row in self._runs.rows(most=limit)]

    def get(self, number: int) -> RetentionRun | None:
        """Return a run, or None."""
        rows = self._get.rows(number=number)
        return _run(rows[0]) if rows else None

    def begin(self, asked_by: str, now: float) -> RetentionRun:
        """Begin a run and return it, or the one that is running already."""
        with self._database.transaction() as cursor:
            rows = self._running.rows_of(cursor, running=RunState.RUNNING.value)
            if not rows:
                fresh = RetentionRun(0, RunState.RUNNING, asked_by, now)
                names = [column.name for column in retention_run.columns if not column.primary_key]
                self._insert.run(cursor, **dict(zip(names, astuple(fresh)[1:], strict=True)))
                rows = self._running.rows_of(cursor, running=RunState.RUNNING.value)
                self._forget.run(cursor, oldest=rows[0][0] - KEPT)
        self._database.sync()
        return _run(rows[0])

    def note(self, run: RetentionRun) -> None:
        """Note how far a run is, but for its state."""
        told = {f"new_{name}": getattr(run, "cursor" if name == "position" else name) for name in _COUNTED}
        with self._database.transaction() as cursor:
            self._note.run(cursor, number=run.number, **told)

    def end(self, number: int, state: RunState, now: float) -> bool:
        """End a run; False where it was not running."""
        running = RunState.RUNNING.value
        return bool(self._end.change(number=number, running=running, new_state=state.value, new_ended_at=now))


def _joined(row: Any, below: Sequence[Any], labels: set[str]) -> StudyFacts:
    key, uid, patient_id, study_date, since, accessed_at = row
    shares: dict[str, Share] = {}
    for *_, tier, count, size, _came in below:
        so_far = shares.get(tier, _NOTHING)
        shares[tier] = Share(so_far.instances + int(count), so_far.size_bytes + int(size))
    return StudyFacts(
        key=key,
        study_instance_uid=uid,
        patient_id=patient_id,
        study_date=study_date,
        held=since is not None,
        accessed_at=float(accessed_at),
        received_at=max(float(kind[6]) for kind in below),
        instances=sum(int(kind[4]) for kind in below),
        size_bytes=sum(int(kind[5]) for kind in below),
        modalities=frozenset(kind[0] for kind in below if kind[0]),
        stations=frozenset(kind[1] for kind in below if kind[1]),
        source_ae_titles=frozenset(kind[2] for kind in below if kind[2]),
        labels=frozenset(labels),
        shares=shares,
    )


def _run(row: Any) -> RetentionRun:
    number, state, *rest = row
    return RetentionRun(number, RunState(state), *rest)
