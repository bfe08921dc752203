"""Dumping all tables of an index in one state while others write, and making an index of a dump (`model.dumps`).

Both work on a connection of SQLAlchemy and on the tables' descriptions, so that what was dumped from one kind of
database can be restored into another. A dump keeps the revision of its schema: in SQLite tables are made as they were
then, filled, and brought up to the newest schema by the migrations.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Final, Protocol

from sqlalchemy import Connection, Table, column, insert, select, table, text

from archimage.errors import ConfigError
from archimage.index.schema import REVISION
from archimage.index.tables import ALL
from archimage.model import dumps
from archimage.model.dumps import Batch, Header, check_path, encode, read_batches, read_header

_PAGE: Final = 500  # rows
_PATH: Final = "file_path"


class Snapshots(Protocol):
    """A database that can be read in one state."""

    @property
    def kind(self) -> str:
        """Name of the database."""

    def snapshot(self) -> AbstractContextManager[Connection]:
        """Lend a connection that sees all tables as they are now, whatever others write meanwhile."""


class IndexDumps:
    """Implements `ports.backup.Dumps` for an index that can be read in one state."""

    def __init__(self, database: Snapshots) -> None:
        self._database = database

    def dump(self) -> Iterator[bytes]:
        """Yield the lines of a dump of all tables; others go on writing."""
        with self._database.snapshot() as connection:
            revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
            yield encode({"dump": dumps.VERSION, "revision": revision, "database": self._database.kind})
            tables = ALL.sorted_tables
            for described in tables:
                yield from _rows(connection, described)
            yield encode({"end": "", "tables": len(tables)})


def _rows(connection: Connection, described: Table) -> Iterator[bytes]:
    yield encode({"table": described.name, "columns": list(described.columns.keys())})
    ordered = select(described).order_by(*described.primary_key.columns).execution_options(yield_per=_PAGE)
    count = 0
    for row in connection.execute(ordered):
        yield encode(list(row))
        count += 1
    yield encode({"end": described.name, "rows": count})


def known_header(lines: Iterator[bytes]) -> Header:
    """Read the first line of a dump.

    Raises:
        ConfigError: the dump is of a newer schema than this archimage knows.
        IntegrityError: it is no dump.
    """
    from archimage.index.migrate import revisions  # Alembic takes a while to import and is needed once

    header = read_header(lines)
    if header.revision not in revisions():
        raise ConfigError(
            f"the backup was made by a newer archimage: its index is of revision {header.revision}, and the newest "
            f"known here is {REVISION}; restore it with the archimage that made it"
        )
    return header


def fill(lines: Iterator[bytes], connection: Connection) -> None:
    """Write the rows of a dump, whose first line was read, into tables that are empty.

    Raises:
        IntegrityError: the dump is damaged or not whole, or names files outside of the archive.
    """
    for batch in read_batches(lines):
        if _PATH in batch.columns:
            _check_paths(batch)
        if batch.rows:
            into = table(batch.table, *(column(name) for name in batch.columns))
            connection.execute(insert(into), [dict(zip(batch.columns, row, strict=True)) for row in batch.rows])


def _check_paths(batch: Batch) -> None:
    place = batch.columns.index(_PATH)
    for row in batch.rows:
        if row[place] is not None:
            check_path(row[place])
