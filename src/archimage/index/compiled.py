"""Statements compiled at their first use, with their constants; run as often as needed, with the rest as values."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from sqlalchemy import Delete, Insert, Select, Update

from archimage.index.ingest import Cursor
from archimage.index.matching import clean
from archimage.index.nodes import Database


class Compiled:
    """One statement for one database; values are given by the names of its parameters, and texts are cleaned."""

    def __init__(self, statement: Select[Any] | Insert | Update | Delete, database: Database) -> None:
        self._statement = statement
        self._database = database

    @cached_property
    def _compiled(self) -> tuple[str, Mapping[str, Any]]:
        """Text and constants: a start that compiled all of the 250 there are would take 0.1 s longer."""
        compiled = self._statement.compile(dialect=self._database.dialect.engine)
        return str(compiled), compiled.params

    def rows(self, **values: object) -> list[Any]:
        """Return the rows of a query."""
        text, constants = self._compiled
        return self._database.fetch(text, _with(constants, values))

    def rows_of(self, cursor: Cursor, **values: object) -> list[Any]:
        """Return the rows of a query within a transaction."""
        self._execute(cursor, values)
        return cursor.fetchall()

    def run(self, cursor: Cursor, **values: object) -> int:
        """Change rows within a transaction; return how many."""
        self._execute(cursor, values)
        return cursor.rowcount

    def run_all(self, cursor: Cursor, rows: Sequence[Mapping[str, object]]) -> None:
        """Change rows within a transaction, once for each of these values; nothing without any."""
        if rows:
            text, constants = self._compiled
            cursor.executemany(text, [_with(constants, values) for values in rows])

    def change(self, **values: object) -> int:
        """Change rows durably; return how many."""
        with self._database.transaction() as cursor:
            changed = self.run(cursor, **values)
        self._database.sync()
        return changed

    def _execute(self, cursor: Cursor, values: Mapping[str, object]) -> None:
        text, constants = self._compiled
        cursor.execute(text, _with(constants, values))


def _with(constants: Mapping[str, Any], values: Mapping[str, object]) -> dict[str, Any]:
    cleaned = {name: clean(value) if isinstance(value, str) else value for name, value in values.items()}
    return {**constants, **cleaned}
