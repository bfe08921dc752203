"""Which instances wait to be compressed, and what those that were compressed have been before."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Select, Update, bindparam, null, select, update

from archimage.index.dialect import Dialect
from archimage.index.ingest import Cursor
from archimage.index.matching import clean
from archimage.index.schema import instance
from archimage.index.statements import STORED
from archimage.model.records import Compressible, Original, StoredInstance

_WAITING: Final = (instance.c.compress_to, instance.c.received_at, instance.c.source_ae_title)


class Compression:
    """The statements; `waiting` takes the parameter `limit`."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        this = instance.c.sop_instance_uid == bindparam("uid")
        waiting = select(*STORED, *_WAITING).where(instance.c.compress_to.is_not(None))
        self.waiting = f"{self._text(waiting)} LIMIT :limit"
        came_as = (
            instance.c.original_transfer_syntax_uid,
            instance.c.original_size_bytes,
            instance.c.original_sha256,
        )
        self._original = self._text(select(*came_as).where(this, came_as[0].is_not(None)))
        there = (this, instance.c.file_path == bindparam("path"))
        self._keep = self._text(update(instance).where(*there).values(compress_to=null()))

    def original(self, cursor: Cursor, sop_instance_uid: str) -> Original | None:
        """Return what an instance was before it was compressed, None where it was not."""
        cursor.execute(self._original, {"uid": clean(sop_instance_uid)})
        row = cursor.fetchone()
        return None if row is None else Original(*row)

    def keep(self, cursor: Cursor, sop_instance_uid: str, path: str) -> None:
        """Note that the object at path waits no longer."""
        cursor.execute(self._keep, {"uid": clean(sop_instance_uid), "path": path})

    def _text(self, statement: Select[Any] | Update) -> str:
        return str(statement.compile(dialect=self._dialect.engine))


def compressible(row: Sequence[Any]) -> Compressible:
    """Make the value of a row of `waiting`."""
    return Compressible(StoredInstance(*row[: len(STORED)]), *row[len(STORED) :])
