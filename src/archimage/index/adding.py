"""Insertions that SQLite and PostgreSQL write alike."""

from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, ColumnElement, Table
from sqlalchemy.sql.expression import Insert

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite  # each takes a while to import, and only one is needed


def uncounted(table: Table) -> list[Column[Any]]:
    """Return the columns of a table but for a key that is counted up."""
    return [column for column in table.columns if column is not table.autoincrement_column]


def resolved(inserted: "postgresql.Insert | sqlite.Insert", table: Table, adding: str | None, *, once: bool) -> Insert:
    """Have an insertion replace a row of the same key, but for a column that it adds to; or leave it, with once."""
    if once:
        return inserted.on_conflict_do_nothing()
    if adding is None:
        return inserted
    values: dict[str, ColumnElement[Any]] = {
        found.name: inserted.excluded[found.name] for found in table.columns if not found.primary_key
    }
    values[adding] = table.c[adding] + inserted.excluded[adding]
    return inserted.on_conflict_do_update(index_elements=table.primary_key, set_=values)
