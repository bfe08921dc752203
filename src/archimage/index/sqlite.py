"""The index in one SQLite file (WAL): many readers beside one writer, in any number of processes.

Everything that only SQLite understands stands here and in `sqlite_dialect`.
"""

import errno
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final, Literal

from sqlalchemy import Connection, Engine, NullPool, create_engine
from sqlalchemy.exc import DBAPIError

from archimage import spans
from archimage.errors import IndexUnavailableError, OutOfResourcesError
from archimage.index.ingest import Cursor
from archimage.index.relational import RelationalIndex, tell_slow
from archimage.index.sqlite_dialect import SqliteDialect
from archimage.index.sqlite_file import connect, flush, log_of, prepare, size
from archimage.index.sqlite_readers import Readers
from archimage.index.statements import Statement
from archimage.model.records import InstanceRecord

_PAGE: Final = 200  # rows
WAL_MAX_BYTES: Final = 64 << 20
_TRUNCATE_WAIT_MS: Final = 100
_TOLD: Final = {"db.system.name": "sqlite"}
_SLOW_S: Final = 1.0
_OUR_BUGS: Final = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError, sqlite3.DataError)


class SqliteIndex(RelationalIndex):
    """Implements `ports.index.Index`.

    path is created or brought up to date when it is opened. Without durable, `sync` leaves it to the operating system
    when rows reach the disk; the file stays consistent even so. Whatever fails raises IndexUnavailableError, a full
    disk OutOfResourcesError, within about busy_timeout_s; the next call tries afresh.
    """

    def __init__(self, path: Path, *, durable: bool = True, busy_timeout_s: float = 5.0) -> None:
        self._path = path
        self._durable = durable
        self._busy_timeout_s = busy_timeout_s
        super().__init__(SqliteDialect())
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
        self._readers = Readers(self._connect_reader)
        self._engine = self._make_engine()
        with self._answering():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._prepare("rwc")

    # What differs from other databases

    @property
    def kind(self) -> str:
        """Name of the database."""
        return f"SQLite {sqlite3.sqlite_version}"

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

    def settle(self) -> None:
        """Do nothing: how a query is made does not follow from what the tables hold."""

    def close(self) -> None:
        """Let go of connections and files."""
        with self._writing_lock:
            self._drop_writer()
        self._readers.drop()
        self._drop_anchor()

    @contextmanager
    def transaction(self, *, alone: bool = False) -> Iterator[Cursor]:  # noqa: ARG002 - there is one writer
        """Lend the writer's cursor in a transaction, which is undone by any exception."""
        with self._transaction() as cursor, self._answering():
            yield cursor

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Lend a connection that sees all tables as they are now: `index.dumping.Snapshots`."""
        with self._answering():
            self._check_file()
            with self._engine.connect() as connection:
                connection.exec_driver_sql("BEGIN")
                try:
                    yield connection
                finally:
                    connection.exec_driver_sql("ROLLBACK")

    # Reading

    @contextmanager
    def _asking(self, statement: Statement, *, many: bool = False) -> Iterator[sqlite3.Cursor]:  # noqa: ARG002 - rows come as they are fetched
        """Execute a statement on a connection of the pool, past SQLAlchemy, which costs more than most of them."""
        with spans.leaf("query", _TOLD, "client") as span, self._answering():
            if span is not None:
                span.note({"db.query.text": statement.text})
            self._check_file()
            with self._readers.lent() as connection, closing(connection.cursor()) as cursor:
                began = time.monotonic()
                cursor.execute(statement.text, statement.parameters)
                tell_slow(time.monotonic() - began, statement)
                yield cursor

    # Writing

    @contextmanager
    def _transaction(self, of: Sequence[InstanceRecord] = ()) -> Iterator[sqlite3.Cursor]:  # noqa: ARG002 - there is one writer
        """Lend the writer's cursor in a transaction, which is undone by any exception."""
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

    def _connect_reader(self) -> sqlite3.Connection:
        return connect(self._path, "rw", "reader", self._busy_timeout_s)

    def _make_engine(self) -> Engine:
        """Make what snapshots are taken by, each on a connection of its own."""
        return create_engine("sqlite://", creator=self._connect_reader, poolclass=NullPool)

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
            self._readers.drop()
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
        self._readers.drop()
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_FULL or getattr(error, "errno", 0) in (errno.ENOSPC, errno.EDQUOT):
            return OutOfResourcesError(f"no room for the index {self._path}: {error}")
        return IndexUnavailableError(f"the index {self._path} does not answer: {error}")
