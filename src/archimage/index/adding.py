"""The insertion that adds to a row of the same key, which SQLite and PostgreSQL write alike."""

from typing import Any

from sqlalchemy import ColumnElement, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.expression import Insert


def adding(inserted: postgresql.Insert | sqlite.Insert, table: Table, column: str) -> Insert:
    """Make an insertion that adds column to that of a row of the same key, whose others it replaces."""
    values: dict[str, ColumnElement[Any]] = {
        found.name: inserted.excluded[found.name] for found in table.columns if not found.primary_key
    }
    values[column] = table.c[column] + inserted.excluded[column]
    return inserted.on_conflict_do_update(index_elements=table.primary_key, set_=values)
