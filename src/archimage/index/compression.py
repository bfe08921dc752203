"""Which instances wait to be compressed, and what those that have another form now were before."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Select, Update, bindparam, func, literal_column, null, select, update

from archimage.index.dialect import Dialect
from archimage.index.holding import not_held
from archimage.index.ingest import Cursor
from archimage.index.matching import clean
from archimage.index.schema import instance
from archimage.index.statements import STORED
from archimage.model.records import Kept, Original, StoredInstance

_ORIGINAL: Final = (
    instance.c.original_transfer_syntax_uid,
    instance.c.original_size_bytes,
    instance.c.original_sha256,
)
KEPT: Final = (
    *STORED,
    func.coalesce(instance.c.compress_to, literal_column("''")),
    instance.c.received_at,
    instance.c.source_ae_title,
    instance.c.called_ae_title,
    *_ORIGINAL,
)
"""The columns of a Kept, in its order."""


class Compression:
    """The statements; `waiting` takes the parameter `limit`."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        this = instance.c.sop_instance_uid == bindparam("uid")
        waiting = select(*KEPT).where(instance.c.compress_to.is_not(None), not_held())
        self.waiting = self._text(waiting) + dialect.at_most("limit")
        self._original = self._text(select(*_ORIGINAL).where(this, _ORIGINAL[0].is_not(None)))
        there = (this, instance.c.file_path == bindparam("path"))
        self._keep = self._text(update(instance).where(*there).values(compress_to=null()))

    def original(self, cursor: Cursor, sop_instance_uid: str) -> Original | None:
        """Return what an instance was when it came, None where it is that still."""
        cursor.execute(self._original, {"uid": clean(sop_instance_uid)})
        row = cursor.fetchone()
        return None if row is None else Original(*row)

    def keep(self, cursor: Cursor, sop_instance_uid: str, path: str) -> None:
        """Note that the object at path waits no longer."""
        cursor.execute(self._keep, {"uid": clean(sop_instance_uid), "path": path})

    def _text(self, statement: Select[Any] | Update) -> str:
        return str(statement.compile(dialect=self._dialect.engine))


def kept(row: Sequence[Any]) -> Kept:
    """Make the value of a row of the columns `KEPT`."""
    compress_to, received_at, source_ae_title, called_ae_title, *came_as = row[len(STORED) :]
    original = None if came_as[0] is None else Original(*came_as)
    stored = StoredInstance(*row[: len(STORED)])
    return Kept(stored, compress_to, received_at, source_ae_title, original, called_ae_title)
