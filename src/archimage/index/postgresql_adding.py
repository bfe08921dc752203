"""The connection to PostgreSQL by which objects are added, and what a crash of the server may have taken of them.

Objects are in the ingest journal, flushed, before their rows are committed. So their commits need no flush of their
own (`synchronous_commit`), which costs as much as that of the journal: rows that a crash of the server takes are added
again from there. Whether there may be such rows is told by this connection, which no crash leaves open.
"""

import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg

from archimage.index.watch import Watch

Connection = psycopg.Connection[Any]


class Adding:
    """One connection, made when it is needed; whoever uses it keeps everybody else out.

    is_unflushed tells that something was committed which the server may not have flushed yet, is_doubtful that some of
    that may be gone, because the connection is.
    """

    def __init__(self, connect: Callable[[], Connection], watch: Watch) -> None:
        self.is_unflushed = False
        self.is_doubtful = False
        self._connect = connect
        self._watch = watch
        self._connection: Connection | None = None

    @property
    def is_in_doubt(self) -> bool:
        """Tell, to any thread, whether something may have been lost; it may tell so where nothing was."""
        connection = self._connection
        return self.is_unflushed and (self.is_doubtful or connection is None or has_ended(connection))

    def renew(self) -> None:
        """Connect, unless the connection is there."""
        if self._connection is None or has_ended(self._connection):
            self.drop()
            self._connection = self._connect()

    @contextmanager
    def lent(self) -> Iterator[Connection]:
        """Lend the connection; what an exception interrupts is undone."""
        self.renew()
        connection = self._connection
        assert connection is not None  # noqa: S101 - it was renewed
        try:
            yield connection
        except BaseException:
            self._undo(connection)
            raise

    def drop(self) -> None:
        """Let go of the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self.is_doubtful |= self.is_unflushed
            with suppress(psycopg.Error):
                connection.close()

    def settle(self) -> None:
        """Tell that all of what was committed is flushed."""
        self.is_unflushed = self.is_doubtful = False

    def _undo(self, connection: Connection) -> None:
        try:
            with self._watch.waiting(connection.fileno()):
                connection.execute("ROLLBACK")
        except psycopg.Error:
            self.drop()


def has_ended(connection: Connection) -> bool:
    """Tell whether an idle connection is closed, or the server has ended it: then there is something to read on it."""
    if connection.closed:
        return True
    readable = select.poll()
    readable.register(connection.fileno(), select.POLLIN)
    return bool(readable.poll(0))
