"""The expressions that only PostgreSQL understands.

Several values come and go as the text of an array, so that a statement has the same text, and plan, however many they
are. All text is compared by its bytes (collation C), as SQLite does it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from typing import Any, Final

import orjson
import psycopg
import xxhash
from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Double,
    Integer,
    Select,
    Table,
    any_,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    or_,
    select,
)
from sqlalchemy import Text as TextType
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2
from sqlalchemy.engine import Dialect as EngineDialect
from sqlalchemy.sql.elements import KeyedColumnElement
from sqlalchemy.sql.expression import Insert

from archimage.index.adding import resolved, uncounted
from archimage.index.dialect import Executing, Text
from archimage.index.matching import clean
from archimage.index.postgresql_writer import Call, Writer
from archimage.index.schema import IDENTITY, NAMES, TABLES, patient, study

_LIKE_SPECIAL: Final = re.compile(r"[%_!]")
_ARRAY_SPECIAL: Final = re.compile(r'["\\]')
_NUMBER: Final = r"^\s*([-+]?([0-9]{1,200}(\.[0-9]{0,80})?|\.[0-9]{1,80})([eE][-+]?[0-9]{1,2})?)"
"""What a double precision number has room for; of a text the number at its beginning counts."""
_FREE_TEXT: Final = {patient: ("patient_id",), study: ("accession_number", "study_description")}
_FITS_CHARACTERS: Final = 150
FITS_BYTES: Final = 600
"""So much of a value stands in the index: an entry of a B-tree has room for 2,704 bytes, some are of three values."""
_KEPT_BYTES: Final = 560
_INDEXED: Final = {column.name for table in TABLES.values() for index in table.indexes for column in index.columns} | {
    *IDENTITY,
    "lone_study",
    *(name for names in NAMES.values() for name in names),
}


class PostgresqlDialect:
    """Implements `dialect.Dialect`."""

    def __init__(self) -> None:
        self.engine: EngineDialect = PGDialect_psycopg2()  # type: ignore[no-untyped-call] # of the two it is the one that casts no parameters

    def glob(self, text: Text, pattern: str) -> ColumnElement[bool]:
        """Match text, case-sensitively, with a pattern of `*` and `?`; nothing else is special."""
        plain = _LIKE_SPECIAL.sub(r"!\g<0>", pattern)
        return text.like(re.sub(r"\*+", "%", plain).replace("?", "_"), escape="!")

    def contains(self, text: Text, word: str) -> ColumnElement[bool]:
        """Find word anywhere in text, without regard to the case of ASCII letters."""
        plain = _LIKE_SPECIAL.sub(r"!\g<0>", word)
        return text.ilike(f"%{plain}%", escape="!")

    def position(self, text: Text, word: Text) -> ColumnElement[int]:
        """Return where word begins in text, counted from 1, or 0; case counts."""
        return func.strpos(text, word)

    def holding(self, rows: Table, sought: str) -> Select[Any]:
        """Select the keys of patients or studies whose text holds what is sought, without regard to case."""
        text = searched(rows)
        spellings = {sought} if sought.isascii() else {sought, sought.lower(), sought.upper()}
        found = or_(*(self.contains(text, spelling) for spelling in sorted(spellings)))
        return select(rows.c.pk).where(found).correlate(None)

    def ascending(self, value: Text) -> ColumnElement[Any]:
        """Sort by value, absent ones first."""
        return value.asc().nulls_first()

    def descending(self, value: Text) -> ColumnElement[Any]:
        """Sort by value the other way round, absent ones last."""
        return value.desc().nulls_last()

    def at_most(self, parameter: str) -> str:
        """End a statement's text with that: it yields so many rows as the parameter says."""
        return f" LIMIT %({parameter})s"

    def skipping(self, parameter: str) -> str:
        """End it with that, after `at_most`: so many rows of the first are left out."""
        return f" OFFSET %({parameter})s"

    def fitting(self, values: Mapping[str, str]) -> Mapping[str, str]:
        """Cut what is too long for an index of the database; nearly always there is nothing of it."""
        if max(map(len, values.values()), default=0) <= _FITS_CHARACTERS:
            return values
        return {name: _fitting(value) if name in _INDEXED else value for name, value in values.items()}

    def number(self, text: Text) -> ColumnElement[Any]:
        """Read text as a number, NULL where it holds no digit."""
        found = cast(func.substring(text, literal_column(f"'{_NUMBER}'")), Double)
        digits = text.regexp_match(literal_column("'[0-9]'"))
        return case((digits, func.coalesce(found, literal_column("0"))))

    def one_of(self, value: Text, values: Sequence[str]) -> ColumnElement[bool]:
        """Tell whether value is among values, however many."""
        return value == any_(cast(bindparam(None, self.pack(values), unique=True), ARRAY(TextType)))

    def among(self, value: Text, parameter: str) -> ColumnElement[bool]:
        """Tell whether value is among those of the named parameter, which `pack` made."""
        kind: Any = BigInteger if isinstance(value.type, Integer) else TextType
        return value == any_(cast(bindparam(parameter), ARRAY(kind)))

    def pack(self, values: Sequence[str] | Sequence[int]) -> str:
        """Make the parameter of `among`."""
        quoted = (_ARRAY_SPECIAL.sub(r"\\\g<0>", str(value)) for value in values)
        return "{" + ",".join(f'"{value}"' for value in quoted) + "}"

    def split(self, text: Text) -> KeyedColumnElement[Any]:
        """Make the single column of a table of the values that backslashes separate in text."""
        values = func.unnest(func.string_to_array(text, literal_column("'\\'")))
        return values.table_valued("value").render_derived().c.value

    def count_on(self, cursor: Executing, tables: Sequence[Table]) -> None:
        """Have the keys of tables, whose rows were written with their keys, counted up from the last of them."""
        for table in tables:
            counted = table.autoincrement_column
            if counted is not None:
                last = select(func.max(counted)).scalar_subquery()
                following = func.setval(literal_column(f"'{_counter(table)}'"), func.coalesce(last + 1, 1), False)
                compiled = select(following).compile(dialect=self.engine)
                cursor.execute(str(compiled), compiled.params)

    def load(self, cursor: Executing, table: Table, rows: Iterable[Sequence[Any]]) -> None:
        """Write many rows, each with all columns of table in their order, as the server's own COPY takes them."""
        quoted = self.engine.identifier_preparer
        columns = ", ".join(map(quoted.format_column, table.columns))
        assert isinstance(cursor, psycopg.Cursor)  # noqa: S101 - it is that of a connection to PostgreSQL
        with cursor.copy(f"COPY {quoted.format_table(table)} ({columns}) FROM STDIN".encode()) as copied:
            for row in rows:
                copied.write_row([clean(value) if isinstance(value, str) else value for value in row])

    def insert_once(self, table: Table) -> Insert:
        """Make an insertion that leaves a row of the same key alone."""
        return _insertion(table).on_conflict_do_nothing()

    def insert_rows(self, table: Table, adding: str | None = None, *, once: bool = False) -> str:
        """Make the text of an insertion for `write`, of all columns but a key that is counted up.

        The rows come as the text of JSON: so it is one statement, with one plan, however many they are.
        """
        names = [column.name for column in uncounted(table)]
        parts: tuple[Text, Text] = (literal_column(f"NULL::{table.name}"), literal_column("$1::json"))
        given = func.json_populate_recordset(*parts).table_valued(*names, name="given")
        inserted = postgresql.insert(table).from_select(names, select(*given.c))
        return str(resolved(inserted, table, adding, once=once).compile(dialect=self.engine))

    def write(self, cursor: Executing, *inserted: tuple[str, Sequence[Mapping[str, object]]]) -> None:
        """Have rows inserted, by texts of `insert_rows`, in one message."""
        assert isinstance(cursor, Writer)  # noqa: S101 - it is that of a transaction in PostgreSQL
        calls = [Call(statement, (orjson.dumps(rows, _bytea),)) for statement, rows in inserted if rows]
        if calls:
            cursor.send(*calls)


def searched(rows: Table) -> ColumnElement[Any]:
    """Join the beginnings of the columns of a table that free text looks into, a break of two blanks before every word.

    An index of trigrams is made on this very expression, where the extension `pg_trgm` is there.
    """
    first, *others = (_broken(rows.c[name]) for name in _FREE_TEXT[rows])
    return reduce(lambda joined, part: joined.concat(part), others, first)


def _broken(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Put a break before every word of a column, as `freetext` does, without parameters."""
    beginning = func.substr(column, literal_column("1"), literal_column("256"))
    text = literal_column("' '").concat(func.coalesce(beginning, literal_column("''")))
    return func.replace(text, literal_column("' '"), literal_column("'  '"))


def _fitting(value: str) -> str:
    """Keep the beginning of a value, and a digest that tells it from others which begin so."""
    whole = value.encode()
    if len(whole) <= FITS_BYTES:
        return value
    return f"{whole[:_KEPT_BYTES].decode(errors='ignore')}...{xxhash.xxh3_128_hexdigest(whole)}"


def _bytea(value: object) -> str:
    """Write bytes as PostgreSQL reads them."""
    assert isinstance(value, bytes)  # noqa: S101 - all else is JSON's own
    return f"\\x{value.hex()}"


def _counter(table: Table) -> str:
    """Name the sequence that PostgreSQL makes for the key of a table."""
    counted = table.autoincrement_column
    return "" if counted is None else f"{table.name}_{counted.name}_seq"


def _insertion(table: Table) -> postgresql.Insert:
    """Insert a row with all of its columns; a key that is counted up, where it is not given, is the next one."""
    values: dict[str, ColumnElement[Any]] = {column.name: bindparam(column.name) for column in table.columns}
    counted = table.autoincrement_column
    if counted is not None:
        following: ColumnElement[int] = literal_column(f"nextval('{_counter(table)}')")
        values[counted.name] = func.coalesce(values[counted.name], following)
    return postgresql.insert(table).values(values)
