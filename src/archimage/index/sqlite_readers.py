"""Connections that statements are read on, kept for the next one.

SQLAlchemy's pool costs more than finding an instance does (90 of 208 us with cold caches). Nothing has to be reset
here: outside of transactions a statement leaves nothing behind once its cursor is closed.
"""

import sqlite3
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Final

KEPT: Final = 16
"""Connections that are kept; more are opened when needed."""

_Kept = deque[sqlite3.Connection]


class Readers:
    """Lends connections, each to one user at a time; any thread may ask."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._kept: _Kept = deque()

    def lent(self) -> "Lent":
        """Lend a connection for a `with` block."""
        return Lent(self)

    def take(self) -> tuple[sqlite3.Connection, _Kept]:
        """Return a connection, and where it belongs."""
        kept = self._kept
        try:
            return kept.pop(), kept
        except IndexError:
            return self._connect(), kept

    def give_back(self, connection: sqlite3.Connection, kept: _Kept) -> None:
        """Keep a connection, unless there are enough, or all were dropped since it was taken."""
        if kept is self._kept and len(kept) < KEPT:
            kept.append(connection)
        else:
            connection.close()

    def drop(self) -> None:
        """Close what is kept, and what is lent once it comes back."""
        kept, self._kept = self._kept, deque()
        while kept:
            kept.pop().close()


class Lent:
    """A connection within a `with` block."""

    __slots__ = ("_connection", "_kept", "_readers")

    def __init__(self, readers: Readers) -> None:
        self._readers = readers

    def __enter__(self) -> sqlite3.Connection:
        self._connection, self._kept = self._readers.take()
        return self._connection

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._readers.give_back(self._connection, self._kept)
