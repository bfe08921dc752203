"""What the index is, whichever database keeps it: the same statements, executed on a cursor that an adapter lends."""

from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final, Protocol

from sqlalchemy import Connection, Select, bindparam, select

from archimage.index import statements
from archimage.index.compression import Compression, kept
from archimage.index.deletions import Deletions
from archimage.index.dialect import Dialect
from archimage.index.frames import decode_frames
from archimage.index.ingest import Cursor, Ingest
from archimage.index.lookups import Lookups, versions
from archimage.index.matching import clean
from archimage.index.regrouping import Regrouping
from archimage.index.relocation import Relocation
from archimage.index.removals import Removals
from archimage.index.schema import instance
from archimage.index.statements import Statement
from archimage.index.writing import Writing
from archimage.logger import logger
from archimage.model.query import Query
from archimage.model.records import Counts, FrameTable, InstanceRecord, Kept, StoredInstance
from archimage.ports.index import IndexWriter

_PAGE: Final = 200  # rows
_SLOW_S: Final = 1.0
_log = logger("index")


class Rows(Protocol):
    """What a query has found, row after row."""

    def fetchone(self) -> Any: ...

    def fetchmany(self, size: int, /) -> list[Any]: ...

    def fetchall(self) -> list[Any]: ...

    def __iter__(self) -> Iterator[Any]: ...


class RelationalIndex(ABC):
    """Implements `ports.index.Index` and `index.nodes.Database`, but for what differs between databases.

    Whatever fails raises IndexUnavailableError, a full disk OutOfResourcesError; the next call tries afresh.
    """

    again: Callable[[], int] | None = None
    """Adds what a journal holds and the index lacks, and tells how much that was.

    With it, what `writing` with records has added may be durable only after `sync`.
    """
    on_doubt: Callable[[], None] = staticmethod(lambda: None)
    """Called, from any thread, when something of that may have been lost, and a `sync` should come soon."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self._ingest = Ingest(dialect)
        self._removals = Removals(dialect, self._ingest)
        self._compression = Compression(dialect)
        self._regrouping = Regrouping(dialect, self._ingest)
        self._relocation = Relocation(dialect, self._removals.holding)
        self._deletions = Deletions(dialect)
        self._lookups = Lookups(dialect)
        following = select(instance.c.pk).where(instance.c.pk > bindparam("last")).order_by(instance.c.pk)
        self._following = self._text(following) + dialect.at_most("most")
        chosen = dialect.among(instance.c.pk, "keys")
        self._chosen = self._text(select(instance.c.pk, *statements.STORED).where(chosen))

    # What the port asks for

    @contextmanager
    def writing(self, of: Sequence[InstanceRecord] = ()) -> Iterator[IndexWriter]:
        """Keep every other writer out, in this process and all others; an exception undoes what was added.

        With of, what is added is these records at most, and nothing takes another's place: others may then add too.
        """
        with self._transaction(of) as cursor:
            changing = (self._compression, self._regrouping, self._relocation)
            yield Writing(cursor, (self._ingest, self._removals, self._deletions, *changing), self._answering)

    def add(self, records: Sequence[InstanceRecord]) -> None:
        """Insert records, or replace those of the same SOP Instance UID, in one transaction."""
        if records:
            with self.writing() as writer:
                writer.add(records)

    def remove(self, sop_instance_uids: Sequence[str]) -> None:
        """Forget instances, and the series, studies and patients that become empty, in one transaction."""
        with self._transaction(()) as cursor, self._answering():
            self._ingest.remove(cursor, sop_instance_uids)

    def lookup(
        self, sop_instance_uid: str, *, study_instance_uid: str | None = None, series_instance_uid: str | None = None
    ) -> StoredInstance | None:
        """Return one instance, or None; also where it does not belong to the study and series that are given."""
        statement = self._lookups.stored
        if study_instance_uid is not None:
            inside = series_instance_uid is not None
            statement = self._lookups.stored_in_series if inside else self._lookups.stored_in_study
        uids = {"instance": sop_instance_uid, "study": study_instance_uid, "series": series_instance_uid}
        rows = self.fetch(statement, uids)
        return StoredInstance(*rows[0]) if rows else None

    def frames(self, sop_instance_uid: str, *, path: str | None = None) -> FrameTable | None:
        """Return where the frames of one instance lie; None where it has none, or they were not noted.

        path is that of the object which is meant: another one may have taken its place since.
        """
        statement = self._lookups.frames if path is None else self._lookups.frames_at
        rows = self.fetch(statement, {"instance": sop_instance_uid, "path": path})
        return decode_frames(rows[0][0]) if rows else None

    def awaiting_compression(self, limit: int) -> Sequence[Kept]:
        """Return some of the instances that wait to be compressed, at most limit."""
        return [kept(row) for row in self.fetch(self._compression.waiting, {"limit": limit})]

    def series_versions(self, study_instance_uid: str) -> Mapping[str, str]:
        """Map the UID of each series of a study to a text that is another one after any change of its instances."""
        return versions(self.fetch(self._lookups.study_changes, {"study": study_instance_uid}))

    def series_version(self, study_instance_uid: str, series_instance_uid: str) -> str | None:
        """Return that text for one series, None where it is not there."""
        uids = {"study": study_instance_uid, "series": series_instance_uid}
        return versions(self.fetch(self._lookups.series_changes, uids)).get(series_instance_uid)

    def find(self, query: Query) -> Iterator[Sequence[Mapping[str, str]]]:
        """Yield the matches in pages; each maps columns to text, absent values left out."""
        columns = [attribute.column for attribute in statements.columns_of(query)]
        with self._asking(statements.find(query, self.dialect), many=query.limit is None) as found:
            while rows := found.fetchmany(_PAGE):
                yield [{name: value for name, value in zip(columns, row, strict=True) if value} for row in rows]

    def count(self, query: Query) -> int:
        """Count the matches, limit and offset left aside."""
        with self._asking(statements.count(query, self.dialect)) as found:
            return int(found.fetchone()[0])

    def some(self, query: Query, limit: int) -> Sequence[int]:
        """Return the keys of the matches, in no order, and of no more than limit of them."""
        with self._asking(statements.some(query, limit, self.dialect)) as found:
            return [key for (key,) in found]

    def counts(self) -> Counts:
        """Count all that is there."""
        return Counts(*self.fetch(self._lookups.counts, {})[0])

    def instances(self, query: Query) -> Iterator[Sequence[StoredInstance]]:
        """Yield, in pages by study, series and instance number, the instances at or below the matches of query.

        What is removed meanwhile is left out.
        """
        with self._asking(statements.instance_keys(query, self.dialect), many=True) as found:
            keys = array("q", (key for (key,) in found))
        for start in range(0, len(keys), _PAGE):
            yield from self._stored(keys[start : start + _PAGE].tolist())

    def all_instances(self) -> Iterator[Sequence[StoredInstance]]:
        """Yield every instance, in pages in the order of arrival; those that come meanwhile may be among them."""
        last = 0
        while keys := self._keys_after(last):
            yield from self._stored(keys)
            last = keys[-1]

    # What other tables are kept by: `index.nodes.Database`

    def fetch(self, statement: str, parameters: Mapping[str, str | int | None]) -> list[Any]:
        """Execute a query that was compiled ahead on a connection of the pool."""
        cleaned = {name: clean(value) if isinstance(value, str) else value for name, value in parameters.items()}
        with self._asking(Statement(statement, cleaned)) as found:
            return list(found.fetchall())

    def pages(self, statement: Statement, rows: int) -> Iterator[list[Any]]:
        """Execute a query and yield what it finds, so many rows at a time."""
        with self._asking(statement, many=True) as found:
            while page := found.fetchmany(rows):
                yield page

    # What differs between databases

    @property
    @abstractmethod
    def kind(self) -> str:
        """Name of the database."""

    @abstractmethod
    def size_bytes(self) -> int:
        """Return how much room the index takes."""

    @abstractmethod
    def generation(self) -> str:
        """Return a text that is another one after any change, by whatever process."""

    @abstractmethod
    def generation_at_once(self) -> str | None:
        """Return the same without waiting for disk, network or other threads; None where that cannot be."""

    @abstractmethod
    def transaction(self, *, alone: bool = False) -> AbstractContextManager[Cursor]:
        """Lend a cursor in a transaction beside which no other one of these is; it is undone by any exception.

        alone: nor does anybody add objects, so that what comes later has larger keys than all that it sees.
        """

    @abstractmethod
    def snapshot(self) -> AbstractContextManager[Connection]:
        """Lend a connection that sees all tables as they are now, whatever others write meanwhile."""

    @abstractmethod
    def sync(self) -> None:
        """Make what was added survive a crash of the machine."""

    @abstractmethod
    def flush(self) -> None:
        """Do the same, at the least cost; `sync` comes at times."""

    @abstractmethod
    def settle(self) -> None:
        """Prepare for searches what was written all at once, where the database would do that only later."""

    @abstractmethod
    def close(self) -> None:
        """Let go of connections and files."""

    @abstractmethod
    def _asking(self, statement: Statement, *, many: bool = False) -> AbstractContextManager[Rows]:
        """Execute a query; many tells that its rows may be more than memory should hold at once."""

    @abstractmethod
    def _transaction(self, of: Sequence[InstanceRecord]) -> AbstractContextManager[Cursor]:
        """Lend a writer's cursor in a transaction, which is undone by any exception: see `writing`.

        What the borrower's own work raises goes through as it is; what the cursor raises is its to translate.
        """

    @abstractmethod
    def _answering(self) -> AbstractContextManager[None]:
        """Turn what the database and the operating system raise into our own errors."""

    # Both alike

    def _keys_after(self, last: int) -> list[int]:
        """Return the keys of the next page of instances."""
        return [key for (key,) in self.fetch(self._following, {"last": last, "most": _PAGE})]

    def _stored(self, keys: Sequence[int]) -> Iterator[Sequence[StoredInstance]]:
        """Yield those of one page that are still there, in the order of keys."""
        rows = self.fetch(self._chosen, {"keys": str(self.dialect.pack(keys))})
        found = {row[0]: StoredInstance(*row[1:]) for row in rows}
        page = [found[key] for key in keys if key in found]
        if page:
            yield page

    def _text(self, statement: Select[Any]) -> str:
        return str(statement.compile(dialect=self.dialect.engine))


def tell_slow(took_s: float, statement: Statement) -> None:
    """Tell of a query that took long, without its values."""
    if took_s >= _SLOW_S:
        _log.warning("a query took long", duration_s=round(took_s, 3), statement=" ".join(statement.text.split()))
