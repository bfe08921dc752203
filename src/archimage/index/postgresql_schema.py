"""The tables in PostgreSQL: made of those that `schema` draws, and brought from one version to the next.

Text is compared by its bytes, whatever the database was made with; whole numbers are of 64 bits, as in SQLite; an
index has absent values first, for that is how lists are sorted. A database without tables gets the newest ones at
once; one of an older version has the same migrations run as SQLite, and what they made is then given these types.

A migration only adds, and what it adds has a default: so an older archimage goes on beside a newer one that has
migrated, and may be started beside it.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Double,
    Float,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UnaryExpression,
    inspect,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError

from archimage.errors import ConfigError, IndexUnavailableError
from archimage.index.dumping import fill, known_header
from archimage.index.postgresql_dialect import searched
from archimage.index.schema import REVISION, patient, study
from archimage.index.tables import ALL
from archimage.model import names

_MIGRATING: Final = 0x617263686D696772  # an advisory lock: one process of all makes or migrates the tables
FORGOTTEN: Final = "index_forgotten"
"""A sequence: it moves on whenever rows went or were given other parents, so that nobody relies on keys seen before."""
_INDEXING: Final = 0x617263686D696773  # another: one process of all makes indexes
_NAMES: Final = "ix_name_key_text"
_EXTENSION: Final = "SELECT 1 FROM pg_extension WHERE extname = 'pg_trgm'"
_VALID: Final = (
    "SELECT relname FROM pg_class JOIN pg_index ON indexrelid = oid "
    "WHERE indisvalid AND relnamespace = current_schema()::regnamespace"
)
_TEXT: Final = Text(collation="C")


def bring_up_to_date(connection: Connection) -> None:
    """Make the tables, or migrate them, in the connection's transaction; those of a newer archimage are left alone."""
    found = revision_of(connection)
    if found == REVISION:
        return
    connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATING})"))
    found = revision_of(connection)
    if found == REVISION or (found is not None and found > REVISION):
        return
    if found is None:
        _create(connection)
    else:
        from archimage.index.migrate import upgrade  # Alembic takes a while to import and is needed once

        upgrade(connection)
        _give_types(connection)


def revision_of(connection: Connection) -> str | None:
    """Return the revision of the tables, None where there are none."""
    if connection.execute(text("SELECT to_regclass('alembic_version')")).scalar() is None:
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def fill_empty(lines: Iterator[bytes], connection: Connection) -> None:
    """Write the rows of a dump into the tables, which are there and must be empty.

    Raises:
        ConfigError: they are not, or the dump is of another schema than today's.
        IntegrityError: the dump is damaged or not whole.
    """
    header = known_header(lines)
    if header.revision != REVISION:
        raise ConfigError(
            f"the backup is of an older archimage (its index is of revision {header.revision}, that of the database is "
            f"{REVISION}): restore it without index.url, and copy the index with `archimage index copy`"
        )
    taken = [one.name for one in ALL.sorted_tables if connection.execute(select(one).limit(1)).first() is not None]
    if taken:
        raise ConfigError(f"the database of index.url is not empty: there are rows in {', '.join(taken)}")
    fill(lines, connection)


def _create(connection: Connection) -> None:
    drawn(ALL).create_all(connection)
    connection.execute(text(f"CREATE SEQUENCE IF NOT EXISTS {FORGOTTEN}"))
    connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
    connection.execute(text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": REVISION})
    _index_texts(connection)


def drawn(tables: MetaData) -> MetaData:
    """Draw tables anew with the types and indexes that they have here."""
    here = MetaData(naming_convention=tables.naming_convention)
    for table in tables.sorted_tables:
        copied = table.to_metadata(here)
        for column in copied.columns:
            column.type = _type_of(column)
        for index in list(copied.indexes):
            copied.indexes.remove(index)
            Index(index.name, *_sorted(index), unique=index.unique, postgresql_where=_where(index))
    return here


def _type_of(column: Column[Any]) -> Any:
    if isinstance(column.type, Text):
        return _TEXT
    if isinstance(column.type, Integer):
        return BigInteger()
    return Double() if isinstance(column.type, Float) else column.type


def _sorted(index: Index) -> Sequence[Column[Any] | UnaryExpression[Any]]:
    return [column.nulls_first() if column.nullable else column for column in index.columns]


def _where(index: Index) -> Any:
    return index.dialect_options["sqlite"]["where"]


def lacks_text_indexes(connection: Connection) -> bool:
    """Tell whether an index of trigrams is missing that could be made: the extension may have come late."""
    return bool(_missing(connection)) and connection.execute(text(_EXTENSION)).first() is not None


def make_text_indexes(connection: Connection) -> None:
    """Make those that are missing while everybody goes on writing; the connection commits each statement by itself.

    Of several nodes one does it. What ends early leaves an index that is not valid, and the next start makes it anew.
    """
    if not connection.execute(text(f"SELECT pg_try_advisory_lock({_INDEXING})")).scalar():
        return
    try:
        for name in _missing(connection):
            connection.execute(text(f"DROP INDEX CONCURRENTLY IF EXISTS {name}"))
            connection.execute(text(f"CREATE INDEX CONCURRENTLY {name} {_text_indexes(connection)[name]}"))
    finally:
        connection.execute(text(f"SELECT pg_advisory_unlock({_INDEXING})"))


def _index_texts(connection: Connection) -> None:
    """Index the trigrams of what parts are looked for in, where the extension is there or can be had."""
    if _has_trigrams(connection):
        for name, indexed in _text_indexes(connection).items():
            connection.execute(text(f"CREATE INDEX IF NOT EXISTS {name} {indexed}"))


def _text_indexes(connection: Connection) -> Mapping[str, str]:
    """Return the indexes of trigrams by name: of what free text looks into, and of the forms of names."""
    found = {_NAMES: f"ON name_key USING gin (key gin_trgm_ops) WHERE kind = '{names.FORM}'"}
    for table in (patient, study):
        compiled = searched(table).compile(dialect=connection.dialect)
        expression = str(compiled).replace(f"{table.name}.", "").replace("%%", "%")
        found[f"ix_{table.name}_text"] = f"ON {table.name} USING gin (({expression}) gin_trgm_ops)"
    return found


def _missing(connection: Connection) -> list[str]:
    """Return the names of those that are not there, or not whole."""
    there = set(connection.execute(text(_VALID)).scalars())
    return [name for name in _text_indexes(connection) if name not in there]


def _has_trigrams(connection: Connection) -> bool:
    """Tell whether `pg_trgm` is there; it is made where whoever connects may do that."""
    try:
        with connection.begin_nested():
            connection.execute(text("CREATE EXTENSION IF NOT EXISTS pg_trgm"))
    except DBAPIError:  # no right to, or not installed: all is found without it too, row by row
        return False
    return True


def _give_types(connection: Connection) -> None:
    """Give what migrations have made the types and indexes that it has here."""
    wanted, there = drawn(ALL), inspect(connection)
    for table in wanted.sorted_tables:
        if not there.has_table(table.name):
            raise IndexUnavailableError(f"the migrations have not made the table {table.name}")
        kept = {column["name"]: column["type"] for column in there.get_columns(table.name)}
        for column in table.columns:
            _give_type(connection, table, column, kept[column.name])
        for index in sorted(table.indexes, key=lambda one: str(one.name)):
            _make_anew(connection, index)


def _make_anew(connection: Connection, index: Index) -> None:
    """Make an index as it is drawn here, where migrations have made it, of a new table, as other databases have it."""
    made = text("SELECT indexdef FROM pg_indexes WHERE indexname = :name AND schemaname = current_schema()")
    before = str(connection.execute(made, {"name": index.name}).scalar())
    wanted = sum(isinstance(expression, UnaryExpression) for expression in index.expressions)
    if before.count("NULLS FIRST") != wanted:
        name = connection.dialect.identifier_preparer.quote(str(index.name))
        connection.execute(text(f"DROP INDEX IF EXISTS {name}"))
        index.create(connection)


def _give_type(connection: Connection, table: Table, column: Column[Any], kept: Any) -> None:
    same = isinstance(kept, type(column.type)) and getattr(kept, "collation", None) == getattr(
        column.type, "collation", None
    )
    if not same:
        name = connection.dialect.identifier_preparer.quote
        kind = column.type.compile(dialect=connection.dialect)
        connection.execute(text(f"ALTER TABLE {name(table.name)} ALTER COLUMN {name(column.name)} TYPE {kind}"))
