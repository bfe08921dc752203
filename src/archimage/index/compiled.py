"""Statements compiled once, with the constants that stand in them; run as often as needed, with the rest as values."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Delete, Insert, Select, Update

from archimage.index.ingest import Cursor
from archimage.index.matching import clean
from archimage.index.nodes import Database


class Compiled:
    """One statement for one database; values are given by the names of its parameters, and texts are cleaned."""

    def __init__(self, statement: Select[Any] | Insert | Update | Delete, database: Database) -> None:
        compiled = statement.compile(dialect=database.dialect.engine)
        self._text = str(compiled)
        self._constants: Mapping[str, Any] = compiled.params
        self._database = database

    def rows(self, **values: object) -> list[Any]:
        """Return the rows of a query."""
        return self._database.fetch(self._text, self._with(values))

    def rows_of(self, cursor: Cursor, **values: object) -> list[Any]:
        """Return the rows of a query within a transaction."""
        cursor.execute(self._text, self._with(values))
        return cursor.fetchall()

    def run(self, cursor: Cursor, **values: object) -> int:
        """Change rows within a transaction; return how many."""
        cursor.execute(self._text, self._with(values))
        return cursor.rowcount

    def run_all(self, cursor: Cursor, rows: Sequence[Mapping[str, object]]) -> None:
        """Change rows within a transaction, once for each of these values; nothing without any."""
        if rows:
            cursor.executemany(self._text, [self._with(values) for values in rows])

    def change(self, **values: object) -> int:
        """Change rows durably; return how many."""
        with self._database.transaction() as cursor:
            changed = self.run(cursor, **values)
        self._database.sync()
        return changed

    def _with(self, values: Mapping[str, object]) -> dict[str, Any]:
        cleaned = {name: clean(value) if isinstance(value, str) else value for name, value in values.items()}
        return {**self._constants, **cleaned}
