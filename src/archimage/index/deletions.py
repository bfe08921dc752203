"""What is about to be deleted in the object store, or was lately: whoever sends something there looks for its path.

It is noted, durably, before the object store is told; so of two nodes one knows what the other has taken away.
"""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import bindparam, delete, select

from archimage.index.dialect import Dialect
from archimage.index.ingest import Cursor
from archimage.index.schema_tiers import remote_deletion

_PATH: Final = remote_deletion.c.path


class Deletions:
    """The statements, and what is done with them on the writer's cursor."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        among = dialect.among(_PATH, "paths")
        self._note = dialect.insert_rows(remote_deletion)
        self._noted = str(select(_PATH).where(among).compile(dialect=dialect.engine))
        old = remote_deletion.c.noted_at < bindparam("before")
        self._lift = str(delete(remote_deletion).where(among).compile(dialect=dialect.engine))
        self._forget = str(delete(remote_deletion).where(old).compile(dialect=dialect.engine))

    def note(self, cursor: Cursor, paths: Sequence[str], now: float) -> None:
        """Note that objects at these paths are about to be deleted, anew where that was noted before."""
        cursor.execute(self._lift, {"paths": self._dialect.pack(paths)})
        self._dialect.write(cursor, (self._note, [{"path": path, "noted_at": now} for path in paths]))

    def noted(self, cursor: Cursor, paths: Sequence[str]) -> frozenset[str]:
        """Return those of these paths at which something was deleted lately, or is about to be."""
        cursor.execute(self._noted, {"paths": self._dialect.pack(paths)})
        return frozenset(path for (path,) in cursor.fetchall())

    def forget(self, cursor: Cursor, before: float) -> None:
        """Forget what was noted before a time."""
        cursor.execute(self._forget, {"before": before})
