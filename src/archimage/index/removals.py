"""Removals on request: rows that go for good, and the list of what is still to be done about each.

A removal is noted in the transaction that deletes the rows. It makes void what the ingest journals hold of the instance
from before, and its file is due to be deleted; so a crash at any instant neither brings it back nor leaves half of it.
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Delete,
    Insert,
    Select,
    Text,
    Update,
    and_,
    bindparam,
    case,
    cast,
    delete,
    exists,
    func,
    insert,
    literal_column,
    null,
    select,
    update,
)

from archimage.index.dialect import Dialect
from archimage.index.holding import Holding
from archimage.index.ingest import Cursor, Ingest
from archimage.index.matching import clean
from archimage.index.schema import instance, label, removal, series, study
from archimage.index.schema_retention import study_access
from archimage.model.attributes import Level
from archimage.model.records import Removed

_BELOW: Final = (instance.c.pk, instance.c.series_pk, instance.c.sop_class_uid)
"""What `Ingest.delete` wants to know."""
_NOTED: Final = ("pk", "sop_instance_uid", "file_path")
_others: Final = removal.alias("others")


class Removals:
    """The statements, and what is done with them on the writer's cursor."""

    def __init__(self, dialect: Dialect, ingest: Ingest) -> None:
        self._dialect = dialect
        self._ingest = ingest
        self.holding = Holding(dialect)
        self.known: int | None = None
        """The number of the last removal, as long as an adapter knows that there is no other one."""
        levels = (
            study.c.study_instance_uid == bindparam("study"),
            series.c.series_instance_uid == bindparam("series"),
            instance.c.sop_instance_uid == bindparam("instance"),
        )
        chain = instance.join(series, instance.c.series_pk == series.c.pk).join(study, series.c.study_pk == study.c.pk)
        below = select(*_BELOW).select_from(chain)
        self._below = [self._text(below.where(*levels[: depth + 1])) for depth in range(len(levels))]
        chosen = dialect.among(instance.c.pk, "keys")
        self._note = self._text(_noting(chosen))
        self._forget_study = [
            self._text(delete(table).where(table.c.study_instance_uid == bindparam("study")))
            for table in (label, study_access)
        ]
        again, settled = _hastening(chosen)
        self._hasten, self._hastened = self._text(again), self._text(settled)
        this = instance.c.sop_instance_uid == bindparam("uid")
        self._series_of = self._text(
            select(study.c.study_instance_uid, series.c.series_instance_uid).select_from(chain).where(this)
        )
        self._note_replaced = self._text(dialect.insert_once(removal))
        self._last = self._text(select(func.coalesce(func.max(removal.c.pk), literal_column("0"))))
        self._is_removed = self._text(
            select(exists().where(removal.c.sop_instance_uid == bindparam("uid"), removal.c.pk > bindparam("after")))
        )
        self._due = self._text(_due()) + dialect.at_most("limit")
        self._settle = self._text(
            update(removal).where(dialect.among(removal.c.pk, "numbers")).values(file_path=null())
        )
        self._forget = self._text(_forgetting())

    def remove(self, cursor: Cursor, uids: Sequence[str]) -> Removed:
        """Remove what stands below a study, a series of it, or an instance of that; HeldError where it is on hold."""
        names = ("study", "series", "instance")
        cursor.execute(self._below[len(uids) - 1], dict(zip(names, map(clean, uids), strict=False)))
        found = cursor.fetchall()
        if not found:
            return Removed(0, 0, 0)
        self.holding.check_studies(cursor, uids[:1])
        keys = {"keys": self._dialect.pack([row[0] for row in found])}
        before = self.last(cursor)
        for statement in (self._hasten, self._hastened, self._note):
            cursor.execute(statement, {**keys, "before": before})
        emptied = self._ingest.delete(cursor, found)
        if emptied[Level.STUDY]:
            for statement in self._forget_study:
                cursor.execute(statement, {"study": clean(uids[0])})
        return Removed(emptied[Level.STUDY], emptied[Level.SERIES], len(found))

    def series_of(self, cursor: Cursor, sop_instance_uid: str) -> tuple[str, str] | None:
        """Return the UIDs of the study and the series of an instance."""
        cursor.execute(self._series_of, {"uid": clean(sop_instance_uid)})
        row = cursor.fetchone()
        return None if row is None else (row[0], row[1])

    def note_replaced(self, cursor: Cursor, sop_instance_uid: str, number: int | None, due: str | None) -> int:
        """Note that another object takes the place of an instance, under a number or the next one; return it.

        due is the path of its old file, None where that is no business of the list: whoever replaces deletes it.
        """
        number = self.last(cursor) + 1 if number is None else number
        cursor.execute(
            self._note_replaced, {"pk": number, "sop_instance_uid": clean(sop_instance_uid), "file_path": due}
        )
        return number

    def last(self, cursor: Cursor) -> int:
        """Return the number of the last removal."""
        if self.known is not None:
            return self.known
        cursor.execute(self._last, {})
        return int(cursor.fetchone()[0])

    def is_removed(self, cursor: Cursor, sop_instance_uid: str, after: int) -> bool:
        """Tell whether an instance was removed after the removal of that number."""
        cursor.execute(self._is_removed, {"uid": clean(sop_instance_uid), "after": after})
        return bool(cursor.fetchone()[0])

    def due(self, cursor: Cursor, after: int, limit: int) -> list[tuple[int, str, str | None]]:
        """Return number, UID and path of the next removals whose files are due; None for a path that is in use."""
        cursor.execute(self._due, {"after": after, "limit": limit})
        return cursor.fetchall()

    def settle(self, cursor: Cursor, numbers: Sequence[int]) -> None:
        """Note that the files of removals are gone."""
        cursor.execute(self._settle, {"numbers": self._dialect.pack(numbers)})

    def forget(self, cursor: Cursor, through: int) -> None:
        """Forget settled removals up to a number; the last one of all stays, so that numbers keep growing."""
        cursor.execute(self._forget, {"through": through})

    def _text(self, statement: Select[Any] | Insert | Update | Delete) -> str:
        return str(statement.compile(dialect=self._dialect.engine))


def _noting(chosen: ColumnElement[bool]) -> Insert:
    """Note the chosen instances under the next numbers."""
    columns = (_numbered(instance.c.pk), instance.c.sop_instance_uid, instance.c.file_path)
    return insert(removal).from_select(_NOTED, select(*columns).where(chosen))


def _numbered(order: ColumnElement[int]) -> ColumnElement[int]:
    last = select(func.coalesce(func.max(_others.c.pk), literal_column("0"))).scalar_subquery()
    return last + func.row_number().over(order_by=order)


def _hastening(chosen: ColumnElement[bool]) -> tuple[Insert, Update]:
    """Have the files due now that the chosen instances had before they were replaced: nobody is to read them."""
    ours = removal.c.sop_instance_uid.in_(select(instance.c.sop_instance_uid).where(chosen))
    waiting = (ours, removal.c.file_path.is_not(None), removal.c.pk <= bindparam("before"))
    columns = (_numbered(removal.c.pk), removal.c.sop_instance_uid, removal.c.file_path)
    again = insert(removal).from_select(_NOTED, select(*columns).where(*waiting))
    return again, update(removal).where(*waiting).values(file_path=null())


def _due() -> Select[Any]:
    again = and_(instance.c.sop_instance_uid == removal.c.sop_instance_uid, instance.c.file_path == removal.c.file_path)
    path = case((exists().where(again).correlate(removal), cast(null(), Text)), else_=removal.c.file_path)
    found = select(removal.c.pk, removal.c.sop_instance_uid, path).where(
        removal.c.pk > bindparam("after"), removal.c.file_path.is_not(None)
    )
    return found.order_by(removal.c.pk)


def _forgetting() -> Delete:
    newest = select(func.max(removal.c.pk)).scalar_subquery()
    return delete(removal).where(
        removal.c.pk <= bindparam("through"), removal.c.file_path.is_(None), removal.c.pk < newest
    )
