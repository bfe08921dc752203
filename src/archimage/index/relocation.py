"""Objects that lie elsewhere now, with the same bytes: paths of rows, and notes of copies that are being made.

A copy is noted before it is begun and until a row names it; so what a crash leaves of one is known, and can be deleted.
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Delete,
    Insert,
    Select,
    Update,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal_column,
    select,
    update,
)

from archimage.config_object_store import HOT
from archimage.errors import HeldError
from archimage.index.dialect import Dialect, Text
from archimage.index.holding import RELEASE, Holding
from archimage.index.ingest import Cursor
from archimage.index.matching import clean
from archimage.index.schema import instance
from archimage.index.schema_tiers import tier_copy

HERE: Final[ColumnElement[str]] = literal_column(f"'{HOT}'")
_FIRST: Final[tuple[ColumnElement[str], ColumnElement[str]]] = (literal_column("'0'"), literal_column("'9'"))


class Relocation:
    """The statements, and what is done with them on the writer's cursor."""

    def __init__(self, dialect: Dialect, holding: Holding) -> None:
        self._dialect = dialect
        self._holding = holding
        this = (instance.c.sop_instance_uid == bindparam("uid"), instance.c.file_path == bindparam("old"))
        self._move = self._text(update(instance).where(*this).values(file_path=bindparam("new")))
        self._note = self._text(insert(tier_copy).values(path=bindparam("path")))
        self._noted = self._text(select(tier_copy.c.path).order_by(tier_copy.c.path)) + dialect.at_most("limit")
        self._forget = self._text(delete(tier_copy).where(dialect.among(tier_copy.c.path, "paths")))

    def move(self, cursor: Cursor, sop_instance_uid: str, old: str, new: str) -> None:
        """Have a row name another path; HeldError where it is of a study on hold."""
        if self._holding.among(cursor, [sop_instance_uid]):
            raise HeldError(f"{sop_instance_uid} is of a study on legal hold: it stays where it is", next_step=RELEASE)
        cursor.execute(self._move, {"uid": clean(sop_instance_uid), "old": old, "new": new})

    def note(self, cursor: Cursor, paths: Sequence[str]) -> None:
        """Note that copies are about to be made at these paths."""
        cursor.executemany(self._note, [{"path": path} for path in paths])

    def noted(self, cursor: Cursor, limit: int) -> list[str]:
        """Return the paths of copies that are being made, or were."""
        cursor.execute(self._noted, {"limit": limit})
        return [path for (path,) in cursor.fetchall()]

    def forget(self, cursor: Cursor, paths: Sequence[str]) -> None:
        """Note that copies are named by rows now, or gone."""
        cursor.execute(self._forget, {"paths": self._dialect.pack(paths)})

    def _text(self, statement: Select[Any] | Insert | Update | Delete) -> str:
        return str(statement.compile(dialect=self._dialect.engine))


def tier_in(path: Text, dialect: Dialect) -> ColumnElement[str]:
    """Return the tier that a path tells of: `model.tiers.tier_of`."""
    one: ColumnElement[int] = literal_column("1")
    named = func.substr(path, one, dialect.position(path, literal_column("'/'")) - one)
    return case((func.substr(path, one, one).between(*_FIRST), HERE), else_=named)
