"""What no writer of the index does to a study on legal hold: this is the lowest place, and all ways lead here.

Removals, replacements by other bytes, and new values of rows ask here first, in the transaction that would do it. A
hold is a row of the same database, so whoever changes a study and whoever holds it come one after the other.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, exists, literal_column, select

from archimage.errors import HeldError
from archimage.index.dialect import Dialect
from archimage.index.matching import clean
from archimage.index.schema import instance, series, study
from archimage.index.schema_hold import hold

RELEASE = "Whoever may hold studies can release it, on the study's page or with `archimage hold release`."


class Holding:
    """The statements, and what is done with them on the writer's cursor."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        held = study.join(hold, hold.c.study_instance_uid == study.c.study_instance_uid)
        below = held.join(series, series.c.study_pk == study.c.pk).join(instance, instance.c.series_pk == series.c.pk)
        self._instances = self._text(
            select(instance.c.sop_instance_uid, instance.c.digest, study.c.study_instance_uid)
            .select_from(below)
            .where(dialect.among(instance.c.sop_instance_uid, "uids"))
        )
        uid = hold.c.study_instance_uid
        self._studies = self._text(select(uid).where(dialect.among(uid, "uids")).order_by(uid))
        self._of_patient = self._text(
            select(uid).select_from(held).where(study.c.patient_pk == bindparam("of_key")).order_by(uid)
        )

    def among(self, cursor: Any, sop_instance_uids: Iterable[str]) -> frozenset[str]:
        """Return those of these instances that are of a study on hold."""
        return frozenset(row[0] for row in self._held(cursor, sop_instance_uids))

    def check_instances(self, cursor: Any, digests: Mapping[str, bytes | None]) -> None:
        """Raise HeldError where one of these instances is held, and is to go or to become other bytes.

        digests has that of what an instance is to become, None of what is to go.
        """
        for uid, digest, held in self._held(cursor, digests):
            if digests[uid] != digest:
                raise _error(held)

    def check_studies(self, cursor: Any, study_instance_uids: Sequence[str]) -> None:
        """Raise HeldError where one of these studies is held."""
        cursor.execute(self._studies, {"uids": self._dialect.pack([clean(uid) for uid in study_instance_uids])})
        _refuse(cursor.fetchall())

    def check_patient(self, cursor: Any, key: int) -> None:
        """Raise HeldError where a study of a patient is held."""
        cursor.execute(self._of_patient, {"of_key": key})
        _refuse(cursor.fetchall())

    def _held(self, cursor: Any, sop_instance_uids: Iterable[str]) -> Sequence[Any]:
        uids = [clean(uid) for uid in sop_instance_uids]
        cursor.execute(self._instances, {"uids": self._dialect.pack(uids)})
        found: Sequence[Any] = cursor.fetchall()
        return found

    def _text(self, statement: Select[Any]) -> str:
        return str(statement.compile(dialect=self._dialect.engine))


def not_held() -> ColumnElement[bool]:
    """Tell, within a query of instances, whether one is of no study on hold."""
    above = series.join(study, series.c.study_pk == study.c.pk).join(
        hold, hold.c.study_instance_uid == study.c.study_instance_uid
    )
    one: Select[Any] = select(literal_column("1")).select_from(above).where(series.c.pk == instance.c.series_pk)
    return ~exists(one.correlate(instance))


def _refuse(rows: Sequence[Any]) -> None:
    if rows:
        raise _error(rows[0][0])


def _error(study_instance_uid: str) -> HeldError:
    return HeldError(f"study {study_instance_uid} is on legal hold: nothing of it may change", next_step=RELEASE)
