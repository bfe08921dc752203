"""The expressions that only SQLite understands.

Several values come and go as JSON, so that a statement has the same text, and plan, however many they are.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Float,
    Integer,
    Select,
    Table,
    bindparam,
    case,
    cast,
    func,
    insert,
    literal,
    literal_column,
    select,
    text,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Dialect as EngineDialect
from sqlalchemy.sql.elements import KeyedColumnElement
from sqlalchemy.sql.expression import Insert

from archimage.index.adding import resolved, uncounted
from archimage.index.dialect import Executing, Text

_LITERAL_BRACKET: Final = "[[]"
_LIKE_SPECIAL: Final = re.compile("[%_!]")


class SqliteDialect:
    """Implements `dialect.Dialect`."""

    def __init__(self) -> None:
        self.engine: EngineDialect = sqlite.dialect(paramstyle="named")

    def glob(self, text: Text, pattern: str) -> ColumnElement[bool]:
        """Match text, case-sensitively, with a pattern of `*` and `?`; nothing else is special."""
        while "**" in pattern:
            pattern = pattern.replace("**", "*")
        return text.bool_op("GLOB")(pattern.replace("[", _LITERAL_BRACKET))

    def contains(self, text: Text, word: str) -> ColumnElement[bool]:
        """Find word anywhere in text, without regard to the case of ASCII letters."""
        plain = _LIKE_SPECIAL.sub(r"!\g<0>", word)
        return text.like(f"%{plain}%", escape="!")

    def position(self, text: Text, word: Text) -> ColumnElement[int]:
        """Return where word begins in text, counted from 1, or 0; case counts."""
        return func.instr(text, word)

    def holding(self, rows: Table, sought: str) -> Select[Any]:
        """Select the keys of patients or studies whose text holds what is sought, without regard to case."""
        index = f"{rows.name}_text"
        phrase = '"' + sought.replace('"', '""') + '"'
        keys = select(literal_column("rowid", Integer)).select_from(text(index))
        return keys.where(literal_column(index).bool_op("MATCH")(phrase))

    def ascending(self, value: Text) -> ColumnElement[Any]:
        """Sort by value, absent ones first."""
        return value.asc()

    def descending(self, value: Text) -> ColumnElement[Any]:
        """Sort by value the other way round, absent ones last."""
        return value.desc()

    def at_most(self, parameter: str) -> str:
        """End a statement's text with that; SQLAlchemy's own brings an offset, written as a parameter."""
        return f" LIMIT :{parameter}"

    def skipping(self, parameter: str) -> str:
        """End it with that, after `at_most`: so many rows of the first are left out."""
        return f" OFFSET :{parameter}"

    def fitting(self, values: Mapping[str, str]) -> Mapping[str, str]:
        """Leave values as they are: an index of SQLite has room for all of them."""
        return values

    def number(self, text: Text) -> ColumnElement[Any]:
        """Read text as a number, NULL where it holds no digit."""
        return case((text.bool_op("GLOB")(literal_column("'*[0-9]*'")), cast(text, Float)))

    def one_of(self, value: Text, values: Sequence[str]) -> ColumnElement[bool]:
        """Tell whether value is among values, however many."""
        return _in_json(value, func.json_each(self.pack(values)))

    def among(self, value: Text, parameter: str) -> ColumnElement[bool]:
        """Tell whether value is among those of the named parameter, which `pack` made."""
        return _in_json(value, func.json_each(bindparam(parameter)))

    def pack(self, values: Sequence[str] | Sequence[int]) -> str:
        """Make the parameter of `among`."""
        return json.dumps(values, ensure_ascii=False)

    def split(self, text: Text) -> KeyedColumnElement[Any]:
        """Make the single column of a table of the values that backslashes separate in text.

        Quoted as JSON the text has its backslashes doubled, and no other escape holds two: they become the borders of
        strings.
        """
        quoted = func.replace(func.json_quote(text), "\\\\", '","')
        return func.json_each(literal("[").concat(quoted).concat("]")).table_valued("value").c.value

    def count_on(self, cursor: Executing, tables: Sequence[Table]) -> None:
        """Do nothing: SQLite counts from the last key that is there, or was."""

    def load(self, cursor: Executing, table: Table, rows: Iterable[Sequence[Any]]) -> None:
        """Write many rows, each with all columns of table in their order, by one statement compiled once."""
        compiled = insert(table).compile(dialect=sqlite.dialect(paramstyle="qmark"))
        cursor.executemany(str(compiled), list(rows))

    def insert_once(self, table: Table) -> Insert:
        """Make an insertion that leaves a row of the same key alone."""
        return _insertion(table).on_conflict_do_nothing()

    def insert_rows(self, table: Table, adding: str | None = None, *, once: bool = False) -> str:
        """Make the text of an insertion for `write`, of all columns but a key that is counted up."""
        columns = uncounted(table)
        inserted = sqlite.insert(table).values({column.name: bindparam(column.name) for column in columns})
        return str(resolved(inserted, table, adding, once=once).compile(dialect=self.engine))

    def write(self, cursor: Executing, *inserted: tuple[str, Sequence[Mapping[str, object]]]) -> None:
        """Insert rows by texts of `insert_rows`."""
        for statement, rows in inserted:
            if rows:
                cursor.executemany(statement, rows)


def _insertion(table: Table) -> sqlite.Insert:
    return sqlite.insert(table).values({column.name: bindparam(column.name) for column in table.columns})


def _in_json(value: Text, rows: Any) -> ColumnElement[bool]:
    return value.in_(select(rows.table_valued("value").c.value))
