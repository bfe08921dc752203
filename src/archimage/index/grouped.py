"""A database whose flushes within a group are one: that of all which was committed before.

What is committed stands in the log in its order, so flushing it once makes all of it durable, and what a power cut
takes is the end of it, never the middle.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from archimage.index.dialect import Dialect
from archimage.index.ingest import Cursor
from archimage.index.nodes import Database


class GroupedDatabase:
    """Implements `index.nodes.Database` and `ports.message.Flushing`; a group is that of one thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._groups = threading.local()

    @property
    def dialect(self) -> Dialect:
        """How the statements are written."""
        return self._database.dialect

    def fetch(self, statement: str, parameters: Mapping[str, str | int | None]) -> list[Any]:
        """Return the rows of a query."""
        return self._database.fetch(statement, parameters)

    def transaction(self, *, alone: bool = False) -> AbstractContextManager[Cursor]:
        """Lend a cursor that writes, all or nothing."""
        return self._database.transaction(alone=alone)

    def sync(self) -> None:
        """Make what was written survive a crash of the machine; within a group, by the end of that."""
        if not getattr(self._groups, "is_open", False):
            self._database.sync()

    def flush(self) -> None:
        """Make it survive that now, within a group too."""
        self._database.sync()

    @contextmanager
    def group(self) -> Iterator[None]:
        """Leave the flushes of this thread to the end of the block; nothing may be told of before."""
        self._groups.is_open = True
        try:
            yield
        finally:
            self._groups.is_open = False
        self.flush()
