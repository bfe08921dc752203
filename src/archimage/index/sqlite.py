"""The index in one SQLite file (WAL): many readers beside one writer, in any number of processes.

Everything that only SQLite understands stands here and in `sqlite_dialect`.
"""

import errno
import os
import sqlite3
import threading
import time
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Literal, cast

from sqlalchemy import Connection, Engine, QueuePool, create_engine, select
from sqlalchemy.exc import DBAPIError

from archimage import spans
from archimage.errors import IndexUnavailableError, OutOfResourcesError
from archimage.index import statements
from archimage.index.compression import Compression, kept
from archimage.index.frames import decode_frames
from archimage.index.ingest import Cursor, Ingest
from archimage.index.lookups import Lookups, versions
from archimage.index.matching import clean
from archimage.index.regrouping import Regrouping
from archimage.index.removals import Removals
from archimage.index.schema import instance
from archimage.index.sqlite_dialect import SqliteDialect
from archimage.index.sqlite_file import connect, flush, log_of, prepare, size
from archimage.index.statements import Statement
from archimage.index.writing import Writing
from archimage.logger import logger
from archimage.model.query import Query
from archimage.model.records import Counts, FrameTable, InstanceRecord, Kept, StoredInstance
from archimage.ports.index import IndexWriter

_PAGE: Final = 200  # rows
READERS: Final = 16  # connections kept; more are opened when needed
WAL_MAX_BYTES: Final = 64 << 20
_TRUNCATE_WAIT_MS: Final = 100
_TOLD: Final = {"db.system.name": "sqlite"}
_SLOW_S: Final = 1.0
_log = logger("index")
_OUR_BUGS: Final = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError, sqlite3.DataError)


class SqliteIndex:
    """Implements `ports.Index`.

    path is created or brought up to date when it is opened. Without durable, `sync` leaves it to the operating system
    when rows reach the disk; the file stays consistent even so. Whatever fails raises IndexUnavailableError, a full
    disk OutOfResourcesError, within about busy_timeout_s; the next call tries afresh.
    """

    def __init__(self, path: Path, *, durable: bool = True, busy_timeout_s: float = 5.0) -> None:
        self._path = path
        self._durable = durable
        self._busy_timeout_s = busy_timeout_s
        self.dialect = SqliteDialect()
        self._ingest = Ingest(self.dialect)
        self._removals = Removals(self.dialect, self._ingest)
        self._compression = Compression(self.dialect)
        self._regrouping = Regrouping(self.dialect, self._ingest)
        self._lookups = Lookups(self.dialect)
        self._writing_lock = threading.Lock()
        self._syncing_lock = threading.Lock()
        self._anchor_lock = threading.Lock()
        self._writer: sqlite3.Connection | None = None
        self._writer_inode = -1
        self._data_version = -1
        self._doubtful = False
        self._inode = -1
        self._anchor: sqlite3.Connection | None = None
        """Stays open: with its last connection SQLite removes the log, and on a full disk nobody could read again."""
        self._engine = self._make_engine()
        with self._answering():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._prepare("rwc")

    # What the port asks for

    @contextmanager
    def writing(self) -> Iterator[IndexWriter]:
        """Keep every other writer out, in this process and all others; an exception undoes what was added."""
        with self._transaction() as cursor:
            parts = (self._ingest, self._removals, self._compression, self._regrouping)
            yield Writing(cursor, parts, self._answering)

    def add(self, records: Sequence[InstanceRecord]) -> None:
        """Insert records, or replace those of the same SOP Instance UID, in one transaction."""
        if records:
            with self.writing() as writer:
                writer.add(records)

    def remove(self, sop_instance_uids: Sequence[str]) -> None:
        """Forget instances, and the series, studies and patients that become empty, in one transaction."""
        with self._transaction() as cursor, self._answering():
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
        with self._asking(statements.find(query, self.dialect)) as found:
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

    @property
    def kind(self) -> str:
        """Name of the database."""
        return f"SQLite {sqlite3.sqlite_version}"

    def counts(self) -> Counts:
        """Count all that is there."""
        return Counts(*self.fetch(self._lookups.counts, {})[0])

    def size_bytes(self) -> int:
        """Return how much room the index takes."""
        return size(self._path) + size(self._log)

    def generation(self) -> str:
        """Return a text that is another one after any change, by whatever process."""
        with self._answering():
            self._check_file()
            assert self._anchor is not None  # noqa: S101 - open while the index is
            with self._anchor_lock:
                (version,) = self._anchor.execute("PRAGMA data_version").fetchone()
        return f"{self._inode}.{version}"

    def generation_at_once(self) -> str | None:
        """Return the same without waiting: it is read from memory that all processes share; None where it cannot be."""
        if not self._anchor_lock.acquire(blocking=False):
            return None
        try:
            if self._anchor is None or os.stat(self._path).st_ino != self._inode:  # noqa: PTH116 - the hot path
                return None
            (version,) = self._anchor.execute("PRAGMA data_version").fetchone()
        except (sqlite3.Error, OSError):
            return None
        finally:
            self._anchor_lock.release()
        return f"{self._inode}.{version}"

    def instances(self, query: Query) -> Iterator[Sequence[StoredInstance]]:
        """Yield, in pages by study, series and instance number, the instances at or below the matches of query.

        What is removed meanwhile is left out.
        """
        with self._asking(statements.instance_keys(query, self.dialect)) as found:
            keys = array("q", (key for (key,) in found))
        for start in range(0, len(keys), _PAGE):
            yield from self._stored(keys[start : start + _PAGE].tolist())

    def all_instances(self) -> Iterator[Sequence[StoredInstance]]:
        """Yield every instance, in pages in the order of arrival; those that come meanwhile may be among them."""
        last = 0
        while keys := self._keys_after(last):
            yield from self._stored(keys)
            last = keys[-1]

    def sync(self) -> None:
        """Make what was added survive a crash of the machine.

        A committed row is in the write-ahead log (WAL), or a checkpoint has moved it from there to the database; SQLite
        flushes the database before it lets the log be overwritten. So flushing the log, and the directory that names
        it, is enough: after a power cut SQLite reads the log up to its last whole transaction. The checkpoint that
        follows only keeps the log short. When flushing the log fails its pages may be lost although a second attempt
        succeeds; then nothing counts as safe until a checkpoint has copied the whole log anew.
        """
        with self._syncing_lock, self._answering():
            self._check_file()
            if self._durable and not self._doubtful:
                self._flush_log()
            self._checkpoint()

    def flush(self) -> None:
        """Make what was added survive a crash of the machine, and leave the log as it is; `sync` comes at times."""
        with self._syncing_lock, self._answering():
            self._check_file()
            if self._durable and not self._doubtful:
                self._flush_log()
            elif self._doubtful:
                self._checkpoint()

    def close(self) -> None:
        """Let go of connections and files."""
        with self._writing_lock:
            self._drop_writer()
        self._engine.dispose()
        self._drop_anchor()

    # What other tables are kept by: `index.nodes.Database`

    def fetch(self, statement: str, parameters: Mapping[str, str | int | None]) -> list[Any]:
        """Execute a query that was compiled ahead on a connection of the pool."""
        cleaned = {name: clean(value) if isinstance(value, str) else value for name, value in parameters.items()}
        with self._asking(Statement(statement, cleaned)) as found:
            return list(found.fetchall())

    @contextmanager
    def transaction(self) -> Iterator[Cursor]:
        """Lend the writer's cursor in a transaction, which is undone by any exception."""
        with self._transaction() as cursor, self._answering():
            yield cursor

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Lend a connection that sees all tables as they are now: `index.dumping.Snapshots`."""
        with self._reading() as connection:
            connection.exec_driver_sql("BEGIN")
            try:
                yield connection
            finally:
                connection.exec_driver_sql("ROLLBACK")

    # Reading

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        """Lend a connection of the pool."""
        with spans.leaf("query", _TOLD, "client"), self._answering():
            self._check_file()
            with self._engine.connect() as connection:
                yield connection

    @contextmanager
    def _asking(self, statement: Statement) -> Iterator[sqlite3.Cursor]:
        """Execute a statement on a connection of the pool, past SQLAlchemy, which costs more than most of them."""
        with spans.leaf("query", _TOLD, "client") as span, self._answering():
            if span is not None:
                span.note({"db.query.text": statement.text})
            self._check_file()
            with closing(self._engine.raw_connection()) as connection, closing(connection.cursor()) as cursor:
                began = time.monotonic()
                cursor.execute(statement.text, statement.parameters)
                _tell_slow(time.monotonic() - began, statement)
                yield cast("sqlite3.Cursor", cursor)

    def _keys_after(self, last: int) -> list[int]:
        """Return the keys of the next page of instances."""
        following = select(instance.c.pk).where(instance.c.pk > last).order_by(instance.c.pk).limit(_PAGE)
        with self._reading() as connection:
            return list(connection.execute(following).scalars())

    def _stored(self, keys: Sequence[int]) -> Iterator[Sequence[StoredInstance]]:
        """Yield those of one page that are still there, in the order of keys."""
        wanted = select(instance.c.pk, *statements.STORED).where(self.dialect.among(instance.c.pk, "keys"))
        with self._reading() as connection:
            rows = connection.execute(wanted, {"keys": self.dialect.pack(keys)}).fetchall()
        found = {row[0]: StoredInstance(*row[1:]) for row in rows}
        page = [found[key] for key in keys if key in found]
        if page:
            yield page

    # Writing

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Cursor]:
        """Lend the writer's cursor in a transaction, which is undone by any exception.

        What the borrower's own work raises goes through as it is; what the cursor raises is its to translate.
        """
        with spans.leaf("transaction", _TOLD, "client"), self._exclusive() as cursor:
            yield cursor

    @contextmanager
    def _exclusive(self) -> Iterator[sqlite3.Cursor]:
        started = time.monotonic()
        if not self._writing_lock.acquire(timeout=self._busy_timeout_s):
            raise IndexUnavailableError(f"the index {self._path} is busy: writing took over {self._busy_timeout_s:g} s")
        try:
            with self._answering():
                self._check_file()
                cursor = self._begin(self._busy_timeout_s - (time.monotonic() - started))
            yield cursor
            with self._answering():
                cursor.execute("COMMIT")
        except BaseException:
            self._ingest.forget()
            self._drop_writer()  # it may have been opened while the disk was read-only
            raise
        finally:
            self._writing_lock.release()

    def _begin(self, wait_s: float) -> sqlite3.Cursor:
        """Begin a transaction as the only writer; forget what is remembered when somebody else has written."""
        if self._writer_inode != self._inode:
            self._drop_writer()
        if self._writer is None:
            self._writer_inode = self._inode
            self._writer = connect(self._path, "rw", "writer", self._busy_timeout_s)
            self._data_version = -1
        cursor = self._writer.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {max(0, int(wait_s * 1000))}")
        cursor.execute("BEGIN IMMEDIATE")
        (version,) = cursor.execute("PRAGMA data_version").fetchone()
        if version != self._data_version:
            self._ingest.forget()
            self._data_version = version
        return cursor

    # Safety on disk

    def _flush_log(self) -> None:
        """Flush the write-ahead log and the directory."""
        try:
            for path in (self._log, self._path.parent):
                flush(path)
        except OSError:
            self._doubtful = True
            raise

    @property
    def _log(self) -> Path:
        return log_of(self._path)

    def _checkpoint(self) -> None:
        """Move the log into the database as far as readers allow."""
        with closing(connect(self._path, "rw", "reader", self._busy_timeout_s)) as connection:
            whole = self._doubtful or size(self._log) > WAL_MAX_BYTES
            connection.execute(f"PRAGMA busy_timeout = {_TRUNCATE_WAIT_MS}")
            busy, *_ = connection.execute(f"PRAGMA wal_checkpoint({'TRUNCATE' if whole else 'PASSIVE'})").fetchone()
        if self._doubtful and busy:
            raise IndexUnavailableError(f"the index {self._path} could not be flushed")
        self._doubtful = False

    # Connections

    def _make_engine(self) -> Engine:
        """Make the pool of readers."""
        return create_engine(
            "sqlite://",
            creator=lambda: connect(self._path, "rw", "reader", self._busy_timeout_s),
            poolclass=QueuePool,
            pool_size=READERS,
            max_overflow=-1,
        )

    def _prepare(self, mode: Literal["rw", "rwc"]) -> None:
        """Bring the file up to the newest schema; of several processes one does it."""
        anchor, self._inode = prepare(self._path, mode, self._busy_timeout_s)
        self._drop_anchor()
        self._anchor = anchor

    def _drop_anchor(self) -> None:
        if self._anchor is not None:
            self._anchor.close()
            self._anchor = None

    def _check_file(self) -> None:
        """Notice that the file was taken away or exchanged: SQLite would go on with what nobody can see any more."""
        try:
            inode = os.stat(self._path).st_ino  # noqa: PTH116 - the hot path
        except OSError as error:
            raise IndexUnavailableError(f"the index {self._path} cannot be reached: {error.strerror}") from error
        if inode != self._inode:
            self._engine.dispose()
            self._prepare("rw")

    def _drop_writer(self) -> None:
        """Close the writer; the lock is held. To close alone would leave its lock to whoever still holds a cursor."""
        if self._writer is not None:
            with suppress(sqlite3.Error):
                self._writer.rollback()
            self._writer.close()
            self._writer = None

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """Turn what SQLite and the operating system raise into our own errors."""
        try:
            yield
        except DBAPIError as error:
            raise self._failure(error.orig or error) from error
        except (sqlite3.Error, OSError) as error:
            raise self._failure(error) from error

    def _failure(self, error: BaseException) -> BaseException:
        """Choose the error to raise, and let go of the readers, whose next use then starts afresh."""
        if isinstance(error, _OUR_BUGS):
            return error
        self._engine.dispose()
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_FULL or getattr(error, "errno", 0) in (errno.ENOSPC, errno.EDQUOT):
            return OutOfResourcesError(f"no room for the index {self._path}: {error}")
        return IndexUnavailableError(f"the index {self._path} does not answer: {error}")


def _tell_slow(took_s: float, statement: Statement) -> None:
    """Tell of a query that took long, without its values."""
    if took_s >= _SLOW_S:
        _log.warning("a query took long", duration_s=round(took_s, 3), statement=" ".join(statement.text.split()))
