"""What a writer sends to PostgreSQL: statements in one message, whose answer is waited for when it is needed.

A statement that is parsed and planned anew takes the server longer than doing it, and each answer that a thread waits
for costs it its turn. So what every object needs is prepared once on each connection, and the rows of objects are on
their way while the journal is flushed.
"""

import select
from collections.abc import Sequence
from typing import Any, NamedTuple

import psycopg
from psycopg import errors, pq


class Call(NamedTuple):
    """A statement that is prepared, with parameters `$1`, `$2` ..., and the text of each."""

    text: str
    arguments: Sequence[bytes] = ()


class Writer(psycopg.Cursor[Any]):
    """The cursor of a connection; it can send statements without waiting for what becomes of them.

    Whoever meets an error has to close the connection.
    """

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        super().__init__(connection)
        self._libpq = connection.pgconn
        self._quote = pq.Escaping(self._libpq).escape_literal
        self._prepared: dict[str, str] = {}  # the names of statements
        self._is_waiting = False

    def send(self, *statements: Call | str) -> None:
        """Send statements in one message; the next that is done with this cursor tells of their errors."""
        self.settle()
        self._libpq.send_query(self._message(statements))
        self._is_waiting = True
        self._libpq.flush()

    def ask(self, *statements: Call | str) -> pq.abc.PGresult:
        """Execute statements in one message, and return the result of the last of them."""
        self.settle()
        result = self._libpq.exec_(self._message(statements))
        self._check(result)
        return result

    def settle(self) -> None:
        """Wait for what was sent.

        Raises:
            psycopg.Error: a statement of it failed, or the connection is lost.
        """
        while self._is_waiting:
            self._wait()
            result = self._libpq.get_result()
            self._is_waiting = result is not None
            if result is not None:
                self._check(result)

    def execute(self, *given: Any, **named: Any) -> Any:
        """Execute a statement, after those that were sent."""
        self.settle()
        return super().execute(*given, **named)

    def executemany(self, *given: Any, **named: Any) -> Any:
        """Execute a statement with each of several rows, after those that were sent."""
        self.settle()
        return super().executemany(*given, **named)

    def _wait(self) -> None:
        """Wait until a result is there, other threads running meanwhile."""
        answered = select.poll()
        while self._libpq.is_busy():
            unsent = self._libpq.flush()
            answered.register(self._libpq.socket, select.POLLIN | (select.POLLOUT if unsent else 0))
            answered.poll()
            self._libpq.consume_input()

    def _check(self, result: pq.abc.PGresult) -> None:
        if self._libpq.status == pq.ConnStatus.BAD:
            raise psycopg.OperationalError(self._libpq.get_error_message())
        if result.status == pq.ExecStatus.FATAL_ERROR:
            raise errors.error_from_result(result)

    def _message(self, statements: Sequence[Call | str]) -> bytes:
        return b"; ".join(map(self._said, statements))

    def _said(self, statement: Call | str) -> bytes:
        """Write a statement as SQL; one that is new on this connection is prepared first."""
        if isinstance(statement, str):
            return statement.encode()
        known = self._prepared.get(statement.text)
        name = known or f"archimage_{len(self._prepared)}"
        self._prepared[statement.text] = name
        executed = f"EXECUTE {name}".encode()
        if statement.arguments:
            executed += b"(%b)" % b", ".join([self._quote(argument) for argument in statement.arguments])
        return executed if known else f"PREPARE {name} AS {statement.text}; ".encode() + executed
