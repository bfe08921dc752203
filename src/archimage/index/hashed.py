"""What an Orthanc identifier names, in the table `hashed`: a hash cannot be turned back, so it has to be looked up.

The table is filled when somebody asks, not at ingest: a note costs 29 µs among a million others, where the rest of the
index takes 68 µs an instance, and who never uses the identifiers should not pay.

Rows are noted in the order of their keys, and the note of a row is deleted in the transaction that deletes the row
(`Ingest`). So every row up to the last that is noted is noted, and those behind it are what came since. Whoever gives a
row another name in its place has to delete its note, and those behind it.
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Select, bindparam, func, insert, literal_column, select
from sqlalchemy.sql.expression import Insert

from archimage.index.nodes import Database
from archimage.index.schema import TABLES, hashed, instance, patient, series, study
from archimage.index.statements import chain
from archimage.model.attributes import Level
from archimage.model.hashed import COLUMNS, Named

_BATCH: Final = 2_000
"""Rows noted in one transaction: other writers wait about 30 ms for it."""
_FEW: Final = 64
"""Rows that share a key: several patients of one Patient ID, or nearly none."""
_NAMES: Final = (
    patient.c.patient_id,
    study.c.study_instance_uid,
    series.c.series_instance_uid,
    instance.c.sop_instance_uid,
)


class HashedTable:
    """Implements `ports.HashedIds`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._last = {level: self._text(_last(level)) for level in Level}
        self._newest = {level: self._text(select(func.max(TABLES[level].c.pk))) for level in Level}
        self._following = {level: self._text(_following(level)) + database.dialect.at_most("most") for level in Level}
        self._found = {level: self._text(_found(level)) + database.dialect.at_most("most") for level in Level}
        self._spans = {level: self._text(_spans(level)) for level in Level}
        note: dict[str, Any] = {column.name: bindparam(column.name) for column in hashed.columns}
        self._note = self._text(insert(hashed).values(note))
        received = select(instance.c.sop_instance_uid, instance.c.received_at)
        self._received = self._text(received.where(instance.c.pk == bindparam("pk")))

    def find(self, level: Level, key: int) -> Sequence[Named]:
        """Return what may have a key, the beginning of its identifier, of what is noted."""
        rows = self._database.fetch(self._found[level], {"key": key, "most": _FEW})
        return [Named(tuple(row)) for row in rows]

    def note_new(self, level: Level) -> bool:
        """Note what came since this was last asked for; tell whether anything did."""
        noted = False
        while self._is_behind(level):
            self._note_some(level)
            noted = True
        return noted

    def extent(self, named: Named) -> tuple[str, float] | None:
        """Return the UID of the first instance that is kept of something, and when its last one came; None if none."""
        names = dict(zip(COLUMNS, named.names, strict=False))
        ((first, last),) = self._database.fetch(self._spans[named.level], names)
        rows = [self._database.fetch(self._received, {"pk": pk}) for pk in (first, last)]
        return (rows[0][0][0], float(rows[1][0][1])) if all(rows) else None

    def _is_behind(self, level: Level) -> bool:
        (newest,) = self._database.fetch(self._newest[level], {})[0]
        return newest is not None and int(newest) > int(self._database.fetch(self._last[level], {})[0][0])

    def _note_some(self, level: Level) -> None:
        with self._database.transaction(alone=True) as cursor:
            cursor.execute(self._last[level], {})
            after = cursor.fetchone()[0]
            cursor.execute(self._following[level], {"after": after, "most": _BATCH})
            rows = cursor.fetchall()
            notes = [{"depth": level.depth, "row_pk": pk, "key": Named(tuple(names)).key} for pk, *names in rows]
            cursor.executemany(self._note, notes)

    def _text(self, statement: Select[Any] | Insert) -> str:
        return str(statement.compile(dialect=self._database.dialect.engine))


def _last(level: Level) -> Select[Any]:
    noted = func.coalesce(func.max(hashed.c.row_pk), literal_column("0"))
    return select(noted).where(hashed.c.depth == literal_column(str(level.depth)))


def _following(level: Level) -> Select[Any]:
    """Select the rows that are not noted yet."""
    key = TABLES[level].c.pk
    rows = select(key, *_NAMES[: level.depth + 1]).select_from(chain(Level.PATIENT, level))
    return rows.where(key > bindparam("after")).order_by(key)


def _found(level: Level) -> Select[Any]:
    noted = hashed.join(chain(Level.PATIENT, level), hashed.c.row_pk == TABLES[level].c.pk)
    return (
        select(*_NAMES[: level.depth + 1])
        .select_from(noted)
        .where(hashed.c.key == bindparam("key"), hashed.c.depth == literal_column(str(level.depth)))
    )


def _spans(level: Level) -> Select[Any]:
    """Select the keys of the first and the last instance of something."""
    named = [column == bindparam(name) for name, column in zip(COLUMNS, _NAMES, strict=True)][: level.depth + 1]
    if level is Level.IMAGE:
        return select(func.min(instance.c.pk), func.max(instance.c.pk)).where(named[-1])
    ends = [
        select(end(instance.c.pk)).where(instance.c.series_pk == series.c.pk).correlate(series).scalar_subquery()
        for end in (func.min, func.max)
    ]
    found = (
        select(ends[0].label("first"), ends[1].label("last"))
        .select_from(chain(Level.PATIENT, Level.SERIES))
        .where(*named)
    )
    spans = found.subquery()
    return select(func.min(spans.c.first), func.max(spans.c.last))
