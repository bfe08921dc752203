"""Rows of patients, studies and series put right, so that they are as if the corrected objects had come so.

Values that no object has any more go, search keys of names follow, a patient without studies goes. A study that comes
to a patient of another Patient ID has another name among Orthanc's identifiers, as has all below it: their notes go,
and those behind them (see `index.hashed`). HeldError where a study is on hold.
"""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import bindparam, delete, func, select, update
from sqlalchemy.sql.elements import ClauseElement

from archimage.index.dialect import Dialect
from archimage.index.holding import Holding
from archimage.index.ingest import Cursor, Ingest
from archimage.index.matching import clean
from archimage.index.schema import COLUMNS, IDENTITY, NAMES, TABLES, hashed, instance, series, study
from archimage.model.attributes import Level
from archimage.model.changes import PatientKey

_LEVELS: Final = (Level.PATIENT, Level.STUDY, Level.SERIES)
_BELOW: Final = (Level.SERIES, Level.IMAGE)


class Regrouping:
    """The statements, and what is done with them on the writer's cursor."""

    def __init__(self, dialect: Dialect, ingest: Ingest) -> None:
        self._dialect = dialect
        self._ingest = ingest
        self._holding = Holding(dialect)
        self._set = {level: self._text(_setting(level)) for level in _LEVELS}
        self._assign = self._text(
            update(study).where(study.c.pk == bindparam("of_key")).values(patient_pk=bindparam("to"))
        )
        self._firsts = {level: self._text(_first(level)) for level in _BELOW}
        self._unhash = self._text(
            delete(hashed).where(hashed.c.depth == bindparam("level"), hashed.c.row_pk >= bindparam("first"))
        )

    def assign(self, cursor: Cursor, study_instance_uid: str, person: Mapping[str, str]) -> bool:
        """Give a study to a patient, who is made of person if he is not there; False where there is no such study."""
        row = self._study(cursor, study_instance_uid)
        if row is None:
            return False
        self._holding.check_studies(cursor, [study_instance_uid])
        before = row["patient_pk"]
        wanted = {"issuer_of_patient_id": "", **self._cleaned(person)}
        wanted["lone_study"] = "" if wanted["patient_id"] else row["study_instance_uid"]
        after = self._ingest.find_or_insert(cursor, Level.PATIENT, wanted)["pk"]
        self._ingest.write_names(cursor)
        if after != before:
            self._unhash_below(cursor, row["pk"])
            cursor.execute(self._assign, {"of_key": row["pk"], "to": after})
            self._ingest.drop_patient(cursor, before)
            self._ingest.forget()
        return True

    def set_patient(self, cursor: Cursor, patient: PatientKey, values: Mapping[str, str]) -> bool:
        """Set columns of a patient; a column without a value is emptied. False where there is no such patient."""
        identity = {
            "patient_id": clean(patient.patient_id),
            "issuer_of_patient_id": clean(patient.issuer_of_patient_id),
            "lone_study": clean(patient.lone_study),
        }
        row = self._ingest.find(cursor, Level.PATIENT, identity)
        if row is not None:
            self._holding.check_patient(cursor, row["pk"])
        return self._change(cursor, Level.PATIENT, row, values)

    def set_study(self, cursor: Cursor, study_instance_uid: str, values: Mapping[str, str]) -> bool:
        """Set columns of a study; False where there is no such study."""
        self._holding.check_studies(cursor, [study_instance_uid])
        return self._change(cursor, Level.STUDY, self._study(cursor, study_instance_uid), values)

    def set_series(
        self, cursor: Cursor, study_instance_uid: str, series_instance_uid: str, values: Mapping[str, str]
    ) -> bool:
        """Set columns of a series; False where there is no such series."""
        above = self._study(cursor, study_instance_uid)
        if above is None:
            return False
        self._holding.check_studies(cursor, [study_instance_uid])
        names = {"study_pk": above["pk"], "series_instance_uid": clean(series_instance_uid)}
        return self._change(cursor, Level.SERIES, self._ingest.find(cursor, Level.SERIES, names), values)

    def _study(self, cursor: Cursor, study_instance_uid: str) -> dict[str, Any] | None:
        return self._ingest.find(cursor, Level.STUDY, {"study_instance_uid": clean(study_instance_uid)})

    def _change(self, cursor: Cursor, level: Level, row: dict[str, Any] | None, values: Mapping[str, str]) -> bool:
        if row is None:
            return False
        fixed = {*IDENTITY, "study_instance_uid", "series_instance_uid"}
        new = {**row, **{name: text or None for name, text in self._cleaned(values).items() if name not in fixed}}
        cursor.execute(self._set[level], {**{name: new[name] for name in COLUMNS[level]}, "of_key": row["pk"]})
        self._ingest.note_names(new[name] for name in NAMES[level])
        self._ingest.write_names(cursor)
        self._ingest.drop_names(cursor, {row[name] for name in NAMES[level] if row[name] and row[name] != new[name]})
        self._ingest.forget()
        return True

    def _unhash_below(self, cursor: Cursor, key: int) -> None:
        cursor.execute(self._unhash, {"level": Level.STUDY.depth, "first": key})
        for level, statement in self._firsts.items():
            cursor.execute(statement, {"of_key": key})
            first = cursor.fetchone()[0]
            if first is not None:
                cursor.execute(self._unhash, {"level": level.depth, "first": first})

    def _cleaned(self, values: Mapping[str, str]) -> Mapping[str, str]:
        return self._dialect.fitting({name: clean(text) for name, text in values.items()})

    def _text(self, statement: ClauseElement) -> str:
        return str(statement.compile(dialect=self._dialect.engine))


def _setting(level: Level) -> Any:
    table = TABLES[level]
    values: dict[str, Any] = {name: bindparam(name) for name in COLUMNS[level]}
    return update(table).where(table.c.pk == bindparam("of_key")).values(values)


def _first(level: Level) -> Any:
    """Select the first key of what a study has of a level."""
    below = series if level is Level.SERIES else instance.join(series, instance.c.series_pk == series.c.pk)
    return select(func.min(TABLES[level].c.pk)).select_from(below).where(series.c.study_pk == bindparam("of_key"))
