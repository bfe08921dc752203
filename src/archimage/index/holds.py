"""Legal holds, in the table `hold`; what they forbid stands in `index.holding`."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import bindparam, delete, func, insert, select, update

from archimage.index.compiled import Compiled
from archimage.index.nodes import Database
from archimage.index.schema import study
from archimage.index.schema_hold import hold
from archimage.model.holds import Hold

_ROW: Final = select(hold.c.study_instance_uid, hold.c.placed_by, hold.c.reason, hold.c.since)
_THIS: Final = hold.c.study_instance_uid == bindparam("study")


class HoldTable:
    """Implements `ports.hold.Holds`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        columns: dict[str, Any] = {column.name: bindparam(column.name) for column in hold.columns}
        kept = select(study.c.pk).where(study.c.study_instance_uid == bindparam("study"))
        newest = _ROW.order_by(hold.c.since.desc(), hold.c.study_instance_uid)
        told: dict[str, Any] = {"placed_by": bindparam("new_placed_by"), "reason": bindparam("new_reason")}
        self._get = Compiled(_ROW.where(_THIS), database)
        self._page = Compiled(newest.limit(bindparam("most")).offset(bindparam("skipped")), database)
        self._count = Compiled(select(func.count()).select_from(hold), database)
        self._kept = Compiled(kept, database)
        self._insert = Compiled(insert(hold).values(columns), database)
        self._update = Compiled(update(hold).where(_THIS).values(told), database)
        self._delete = Compiled(delete(hold).where(_THIS), database)

    def get(self, study_instance_uid: str) -> Hold | None:
        """Return the hold of a study, None where there is none."""
        rows = self._get.rows(study=study_instance_uid)
        return Hold(*rows[0]) if rows else None

    def list(self, limit: int, offset: int) -> tuple[Sequence[Hold], int]:
        """Return some holds, the newest first, and how many there are."""
        rows = self._page.rows(most=limit, skipped=offset)
        return [Hold(*row) for row in rows], int(self._count.rows()[0][0])

    def place(self, hold: Hold) -> Hold | None:
        """Place a hold; one that is there keeps its time and gets the rest. None where no such study is kept."""
        uid = hold.study_instance_uid
        with self._database.transaction() as cursor:
            if not self._kept.rows_of(cursor, study=uid):
                return None
            there = self._get.rows_of(cursor, study=uid)
            if there:
                self._update.run(cursor, study=uid, new_placed_by=hold.placed_by, new_reason=hold.reason)
                placed = replace(hold, since=Hold(*there[0]).since)
            else:
                self._insert.run(
                    cursor, study_instance_uid=uid, placed_by=hold.placed_by, reason=hold.reason, since=hold.since
                )
                placed = hold
        self._database.sync()
        return placed

    def release(self, study_instance_uid: str) -> Hold | None:
        """Take the hold away from a study; return it, None where there was none."""
        with self._database.transaction() as cursor:
            there = self._get.rows_of(cursor, study=study_instance_uid)
            self._delete.run(cursor, study=study_instance_uid)
        self._database.sync()
        return Hold(*there[0]) if there else None
