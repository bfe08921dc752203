"""Copies a whole index into another one, of whichever database: every row of every table, keys and all."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Table, func, select

from archimage.errors import ConflictError
from archimage.index.compiled import Compiled
from archimage.index.relational import RelationalIndex
from archimage.index.statements import Statement
from archimage.index.tables import ALL

_BATCH: Final = 2_000  # rows


@dataclass(frozen=True, slots=True)
class Copied:
    """How far a copy is: rows of how many in all, and the table at hand."""

    rows: int
    of: int
    table: str


def copy(source: RelationalIndex, target: RelationalIndex) -> Iterator[Copied]:
    """Copy all rows of source, which nobody may write to meanwhile, and yield how far that is.

    All of it is one transaction: a copy that ends early leaves target empty. The counters go on behind the copied keys.

    Raises:
        ConflictError: target is not empty.
        IndexUnavailableError: either does not answer.
    """
    tables = ALL.sorted_tables
    taken = [table.name for table in tables if _count(target, table)]
    if taken:
        raise ConflictError(
            f"there are rows already, in {', '.join(taken)}", next_step="Copy into a database that has none."
        )
    counts = {table.name: _count(source, table) for table in tables}
    of, rows = sum(counts.values()), 0
    with target.transaction() as cursor:
        for table in tables:
            for batch in _rows(source, table):
                target.dialect.load(cursor, table, batch)
                rows += len(batch)
                yield Copied(rows, of, table.name)
        target.dialect.count_on(cursor, tables)
    target.sync()
    target.settle()


def _count(index: RelationalIndex, table: Table) -> int:
    return int(Compiled(select(func.count()).select_from(table), index).rows()[0][0])


def _rows(index: RelationalIndex, table: Table) -> Iterator[Sequence[Sequence[Any]]]:
    """Yield the rows of a table in batches, by its key."""
    text = str(select(table).order_by(*table.primary_key).compile(dialect=index.dialect.engine))
    yield from index.pages(Statement(text, {}), _BATCH)
