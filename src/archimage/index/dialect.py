"""What differs between databases, as the statements need it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Select, Table
from sqlalchemy.engine import Dialect as EngineDialect
from sqlalchemy.sql.elements import KeyedColumnElement
from sqlalchemy.sql.expression import Insert

Text = ColumnElement[Any]


class Executing(Protocol):
    """What is used of a cursor here."""

    def execute(self, statement: str, parameters: Mapping[str, object], /) -> object: ...

    def executemany(self, statement: str, parameters: Sequence[Any], /) -> object: ...


class Dialect(Protocol):
    """The expressions of one database."""

    engine: EngineDialect
    """For statements compiled ahead; its parameter style is by name."""

    def __hash__(self) -> int:
        """Statements are remembered by their dialect."""

    def glob(self, text: Text, pattern: str) -> ColumnElement[bool]:
        """Match text, case-sensitively, with a pattern of `*` and `?`; nothing else is special."""

    def contains(self, text: Text, word: str) -> ColumnElement[bool]:
        """Find word anywhere in text, without regard to the case of ASCII letters at least."""

    def position(self, text: Text, word: Text) -> ColumnElement[int]:
        """Return where word begins in text, counted from 1, or 0; case counts."""

    def holding(self, rows: Table, sought: str) -> Select[Any]:
        """Select the keys of patients or studies whose text holds what is sought, without regard to case.

        The text is that of `freetext.tested`; three characters or more are sought.
        """

    def ascending(self, value: Text) -> ColumnElement[Any]:
        """Sort by value, absent ones first."""

    def descending(self, value: Text) -> ColumnElement[Any]:
        """Sort by value the other way round, absent ones last."""

    def at_most(self, parameter: str) -> str:
        """End a statement's text with that: it yields so many rows as the parameter says."""

    def skipping(self, parameter: str) -> str:
        """End it with that, after `at_most`: so many rows of the first are left out."""

    def fitting(self, values: Mapping[str, str]) -> Mapping[str, str]:
        """Cut what is too long for an index of the database; nearly always there is nothing of it."""

    def number(self, text: Text) -> ColumnElement[Any]:
        """Read text as a number, NULL where it holds no digit."""

    def one_of(self, value: Text, values: Sequence[str]) -> ColumnElement[bool]:
        """Tell whether value is among values, however many."""

    def among(self, value: Text, parameter: str) -> ColumnElement[bool]:
        """Tell whether value is among those of the named parameter, which `pack` made."""

    def pack(self, values: Sequence[str] | Sequence[int]) -> object:
        """Make the parameter of `among`."""

    def split(self, text: Text) -> KeyedColumnElement[Any]:
        """Make the single column of a table of the values that backslashes separate in text."""

    def count_on(self, cursor: Executing, tables: Sequence[Table]) -> None:
        """Have the keys of tables, whose rows were written with their keys, counted up from the last of them."""

    def load(self, cursor: Executing, table: Table, rows: Iterable[Sequence[Any]]) -> None:
        """Write many rows, each with all columns of table in their order, the fastest way there is."""

    def insert_once(self, table: Table) -> Insert:
        """Make an insertion that leaves a row of the same key alone."""

    def insert_rows(self, table: Table, adding: str | None = None, *, once: bool = False) -> str:
        """Make the text of an insertion for `write`, of all columns but a key that is counted up.

        Of a row of the same key it may replace all, but for a column that it adds to; or leave all of it, with once.
        """

    def write(self, cursor: Executing, *inserted: tuple[str, Sequence[Mapping[str, object]]]) -> None:
        """Insert rows by texts of `insert_rows`; the next use of cursor, or the commit, tells of what fails."""
