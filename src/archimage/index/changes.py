"""The trail of changes, in the tables `change` and `change_study`, and what a change has to find in the index."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Column, Delete, Insert, Select, Update, bindparam, func, insert, select, update

from archimage.index.compression import KEPT, kept
from archimage.index.matching import clean
from archimage.index.nodes import Database
from archimage.index.schema import COLUMNS, change, change_study, instance, patient, series, study
from archimage.model.attributes import Level
from archimage.model.changes import (
    Asker,
    Change,
    ChangeCode,
    ChangedStudy,
    ChangeEnd,
    ChangeKind,
    ChangeState,
    PatientKey,
)
from archimage.model.records import Kept

_KEY: Final = (patient.c.patient_id, patient.c.issuer_of_patient_id, patient.c.lone_study)
_PERSON: Final[Sequence[Column[Any]]] = [patient.c[name] for name in COLUMNS[Level.PATIENT]]
_CHANGE: Final[Sequence[Column[Any]]] = [column for column in change.columns if not column.primary_key]
_STUDY: Final[Sequence[Column[Any]]] = [column for column in change_study.columns if not column.primary_key]
_NOTED: Final = ("objects", "done", "failed", "problems", "is_done")
_STATES: Final = len(ChangeState)


class ChangeTable:
    """Implements `ports.change.Changes`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        this = [column == bindparam(column.name) for column in _KEY]
        owned = study.join(patient, study.c.patient_pk == patient.c.pk)
        of_study = study.c.study_instance_uid == bindparam("study")
        self._patient_of = self._text(select(*_KEY).select_from(owned).where(of_study))
        self._person = self._text(select(*_PERSON).where(*this))
        self._namesakes = self._text(select(*_KEY).where(this[0]).order_by(patient.c.pk))
        self._studies_of = self._text(
            select(study.c.study_instance_uid).select_from(owned).where(*this).order_by(study.c.pk)
        )
        within = instance.join(series, instance.c.series_pk == series.c.pk).join(study, series.c.study_pk == study.c.pk)
        uids = select(instance.c.sop_instance_uid).select_from(within).where(of_study)
        order = (instance.c.received_at, instance.c.pk)
        self._in_study = self._text(uids.order_by(*order))
        self._in_series = self._text(uids.where(series.c.series_instance_uid == bindparam("series")).order_by(*order))
        self._kept = self._text(select(*KEPT).where(database.dialect.among(instance.c.sop_instance_uid, "uids")))
        self._prepare_trail()

    def _prepare_trail(self) -> None:
        number = change.c.pk == bindparam("number")
        sums = (func.count(), *(func.sum(change_study.c[name]) for name in ("objects", "done", "failed")))
        below = [
            select(one).where(change_study.c.change_pk == change.c.pk).correlate(change).scalar_subquery()
            for one in sums
        ]
        found = select(change.c.pk, *_CHANGE, *below)
        about = select(change_study.c.change_pk).where(change_study.c.study_instance_uid == bindparam("study"))
        page = self._database.dialect.at_most("most") + self._database.dialect.skipping("skipped")
        newest = found.order_by(change.c.pk.desc())
        self._get = self._text(found.where(number))
        self._all = self._text(newest) + page
        self._about = self._text(newest.where(change.c.pk.in_(about))) + page
        self._count = self._text(select(func.count()).select_from(change))
        self._count_about = self._text(
            select(func.count(change_study.c.change_pk.distinct())).where(
                change_study.c.study_instance_uid == bindparam("study")
            )
        )
        self._running = self._text(
            select(change.c.pk).where(change.c.state == bindparam("state")).order_by(change.c.pk)
        )
        of_change = change_study.c.change_pk == bindparam("number")
        self._studies = self._text(select(*_STUDY).where(of_change).order_by(change_study.c.position))
        self._insert = self._text(
            insert(change).values({one.name: bindparam(one.name) for one in _CHANGE}).returning(change.c.pk)
        )
        self._insert_study = self._text(
            insert(change_study).values({one.name: bindparam(one.name) for one in change_study.columns})
        )
        noted: dict[str, Any] = {name: bindparam(f"new_{name}") for name in _NOTED}
        of_study = change_study.c.study_instance_uid == bindparam("study")
        self._note = self._text(update(change_study).where(of_change, of_study).values(noted))
        ended: dict[str, Any] = {name: bindparam(f"new_{name}") for name in ("state", "error", "ended_at")}
        before = change.c.state.in_([bindparam(f"state_{number}") for number in range(_STATES)])
        self._turn = self._text(update(change).where(number, before).values(ended).returning(change.c.pk))

    def patient_of(self, study_instance_uid: str) -> PatientKey | None:
        """Return whose a study is, None where it is not kept."""
        rows = self._database.fetch(self._patient_of, {"study": study_instance_uid})
        return PatientKey(*rows[0]) if rows else None

    def person(self, patient: PatientKey) -> Mapping[str, str] | None:
        """Return all that is known of a patient, by columns, absent values left out; None where he is not kept."""
        rows = self._database.fetch(self._person, _key(patient))
        if not rows:
            return None
        return {column.name: text for column, text in zip(_PERSON, rows[0], strict=True) if text}

    def studies_of(self, patient: PatientKey) -> Sequence[str]:
        """Return the studies of a patient, the first that came first."""
        return [uid for (uid,) in self._database.fetch(self._studies_of, _key(patient))]

    def namesakes(self, patient_id: str) -> Sequence[PatientKey]:
        """Return the patients of a Patient ID, whoever issued it."""
        return [PatientKey(*row) for row in self._database.fetch(self._namesakes, {"patient_id": patient_id})]

    def instances_of(self, study_instance_uid: str, series_instance_uid: str = "") -> Sequence[str]:
        """Return the SOP Instance UIDs of a study, or of a series of it, in the order in which they came."""
        statement = self._in_series if series_instance_uid else self._in_study
        uids = {"study": study_instance_uid, "series": series_instance_uid}
        return [uid for (uid,) in self._database.fetch(statement, uids)]

    def kept(self, sop_instance_uids: Sequence[str]) -> Mapping[str, Kept]:
        """Return those of these instances that are there."""
        packed = str(self._database.dialect.pack([clean(uid) for uid in sop_instance_uids]))
        return {row[0]: kept(row) for row in self._database.fetch(self._kept, {"uids": packed})}

    def add(self, change: Change, studies: Sequence[ChangedStudy]) -> int:
        """Keep a new change, whose number is given now and returned."""
        with self._database.transaction() as cursor:
            cursor.execute(self._insert, _row(change))
            number = int(cursor.fetchone()[0])
            rows = [{"change_pk": number, "position": at, **_study_row(one)} for at, one in enumerate(studies)]
            cursor.executemany(self._insert_study, rows)
        self._database.sync()
        return number

    def get(self, number: int) -> Change | None:
        """Return a change, or None."""
        rows = self._database.fetch(self._get, {"number": number})
        return _change(rows[0]) if rows else None

    def list(self, limit: int, offset: int, study_instance_uid: str = "") -> tuple[Sequence[Change], int]:
        """Return some changes, the newest first, of one study or of all, and how many there are."""
        found, count = (self._about, self._count_about) if study_instance_uid else (self._all, self._count)
        rows = self._database.fetch(found, {"study": study_instance_uid, "most": limit, "skipped": offset})
        ((total,),) = self._database.fetch(count, {"study": study_instance_uid})
        return [_change(row) for row in rows], int(total)

    def running(self) -> Sequence[int]:
        """Return the numbers of the changes that have not ended."""
        return [number for (number,) in self._database.fetch(self._running, {"state": ChangeState.RUNNING.value})]

    def studies(self, number: int) -> Sequence[ChangedStudy]:
        """Return the studies of a change, in their order."""
        return [_study(row) for row in self._database.fetch(self._studies, {"number": number})]

    def note(self, number: int, study: ChangedStudy) -> None:
        """Note how far a study of a change is; durable with whatever is next."""
        row = _study_row(study)
        noted = {f"new_{name}": row[name] for name in _NOTED}
        with self._database.transaction() as cursor:
            cursor.execute(self._note, {"number": number, "study": row["study_instance_uid"], **noted})

    def turn(self, number: int, before: Sequence[ChangeState], end: ChangeEnd) -> bool:
        """Put a change that is in one of some states into another; tell whether it was."""
        states = [one.value for one in before] + [before[0].value] * (_STATES - len(before))
        allowed = {f"state_{at}": one for at, one in enumerate(states)}
        new = {"new_state": end.state.value, "new_error": clean(end.error), "new_ended_at": end.ended_at}
        with self._database.transaction() as cursor:
            cursor.execute(self._turn, {"number": number, **allowed, **new})
            turned = cursor.fetchone() is not None
        self._database.sync()
        return turned

    def _text(self, statement: Select[Any] | Insert | Update | Delete) -> str:
        return str(statement.compile(dialect=self._database.dialect.engine))


def _key(patient: PatientKey) -> dict[str, str]:
    return {
        "patient_id": patient.patient_id,
        "issuer_of_patient_id": patient.issuer_of_patient_id,
        "lone_study": patient.lone_study,
    }


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=True)


def _row(made: Change) -> dict[str, object]:
    return {
        "kind": made.kind.value,
        "state": made.state.value,
        "asked_at": made.asked_at,
        "ended_at": made.ended_at,
        "address": clean(made.asker.address),
        "user_agent": clean(made.asker.user_agent),
        "reason": clean(made.reason),
        "code": made.code.value,
        "error": clean(made.error),
        "patient": _json(_key(made.patient)),
        "person": _json(dict(made.person)),
        "new_values": _json(dict(made.new_values)),
        "series_instance_uid": clean(made.series_instance_uid),
    }


def _change(row: Sequence[Any]) -> Change:
    named = dict(zip(("number", *(column.name for column in _CHANGE)), row, strict=False))
    studies, objects, done, failed = row[-4:]
    return Change(
        number=named["number"],
        kind=ChangeKind(named["kind"]),
        state=ChangeState(named["state"]),
        asked_at=named["asked_at"],
        asker=Asker(named["address"], named["user_agent"]),
        reason=named["reason"],
        code=ChangeCode(named["code"]),
        patient=PatientKey(**json.loads(named["patient"])),
        person=json.loads(named["person"]),
        new_values=json.loads(named["new_values"]),
        series_instance_uid=named["series_instance_uid"],
        ended_at=named["ended_at"],
        error=named["error"],
        studies=studies,
        objects=objects or 0,
        done=done or 0,
        failed=failed or 0,
    )


def _study_row(changed: ChangedStudy) -> dict[str, object]:
    return {
        "study_instance_uid": clean(changed.study_instance_uid),
        "old_values": _json(dict(changed.old_values)),
        "objects": changed.objects,
        "done": changed.done,
        "failed": changed.failed,
        "problems": _json(dict(changed.problems)),
        "is_done": int(changed.is_done),
    }


def _study(row: Sequence[Any]) -> ChangedStudy:
    uid, old_values, objects, done, failed, problems, is_done = row
    return ChangedStudy(uid, json.loads(old_values), objects, done, failed, json.loads(problems), bool(is_done))
