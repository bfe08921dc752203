"""Connections to PostgreSQL: their parameters, who has them, transactions on them, and what their errors mean."""

import select
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, cast

import psycopg
from psycopg import errors
from psycopg.pq.abc import PGresult
from psycopg.types.numeric import IntLoader
from sqlalchemy import Engine, NullPool, QueuePool, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import PoolProxiedConnection

from archimage.errors import IndexUnavailableError, OutOfResourcesError, UndecidedError
from archimage.index.postgresql_writer import Call, Writer
from archimage.index.watch import Watch

_CONNECT_S: Final = 2  # the least that libpq takes
_SHUTDOWN: Final = "57P"  # SQLSTATE of a server that ends the connection
_SILENT_S: Final = 1.5
_OUR_BUGS: Final = (errors.IntegrityError, errors.ProgrammingError, errors.DataError)


class Answering:
    """Raises our own errors in place of others; written out, as it is entered several times for every object."""

    def __init__(self, translated: Callable[[BaseException], BaseException]) -> None:
        self._translated = translated

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        """Raise what an error means; what has nothing to do with the database goes through."""
        if isinstance(error, psycopg.Error | DBAPIError | PoolTimeoutError | OSError):
            ours = self._translated(error)
            if ours is not error:
                raise ours from error


class Connections:
    """A pool of connections to one database, at most so many of them; `close` it.

    on_made is called, from any thread, after each connection that is made. Whatever fails raises IndexUnavailableError
    within timeout_s, seconds, a full disk OutOfResourcesError; the next use connects afresh.
    """

    def __init__(self, settings: dict[str, Any], most: int, timeout_s: float, on_made: Callable[[], None]) -> None:
        self._settings = settings
        self._on_made = on_made
        self.where = named(settings)
        self.made = 0
        """How many were made."""
        self.answering: Final = Answering(self._failure)
        self._ended = False
        self._silent_until = 0.0
        self._kept: PoolProxiedConnection | None = None
        self._watch = Watch(self._is_alive, timeout_s / 4)
        self._pool = QueuePool(
            self._connect,
            pool_size=most,
            max_overflow=0,
            timeout=timeout_s,
            reset_on_return=None,  # nothing is left open on them
            use_lifo=True,  # who was used last has the statement prepared, and its plan
        )

    def engine(self) -> Engine:
        """Make what SQLAlchemy connects by, where its own way is good enough."""
        connect = lambda: psycopg.connect(**self._settings)  # noqa: E731
        return create_engine("postgresql+psycopg://", creator=connect, poolclass=NullPool)

    def close(self) -> None:
        """Let go of all."""
        self._ended = True
        if self._kept is not None:
            drop(self._kept)
        self._pool.dispose()
        self._watch.close()

    @contextmanager
    def reading(self) -> Iterator[psycopg.Connection[Any]]:
        """Lend a connection, watched; one that failed is not used again."""
        borrowed = self._borrowed()
        connection = _connection(borrowed)
        try:
            with self._watch.waiting(connection.fileno()):
                yield connection
        except psycopg.Error:
            drop(borrowed)
            raise
        finally:
            if borrowed.is_valid:
                borrowed.close()

    @contextmanager
    def writing(self, *began: Call | str, keeping: bool = False) -> Iterator[tuple[Writer, PGresult]]:
        """Begin a transaction with statements, lend its cursor and the result of the last of them, and commit.

        With keeping, for whoever is the only one to do so, the connection is kept for the next time: taking one out of
        the pool costs a tenth of what it takes to add an object.
        """
        with self.answering:
            borrowed = self._taken() if keeping else self._borrowed()
        connection = _connection(borrowed)
        cursor: Writer = borrowed.info.get("writer") or borrowed.info.setdefault("writer", Writer(connection))
        try:
            with self._watch.waiting(connection.fileno()):
                with self.answering:
                    result = cursor.ask("BEGIN", *began)
                yield cursor, result
                self._commit(cursor)
        except BaseException:
            drop(borrowed)
            raise
        if keeping and self._kept is None and not self._ended:
            self._kept = borrowed
        else:
            borrowed.close()

    def _commit(self, cursor: Writer) -> None:
        """Commit; where the connection is lost meanwhile nobody can tell whether that was done."""
        with self.answering:
            cursor.settle()
        try:
            result = cursor.ask("COMMIT")
        except psycopg.Error as error:
            if (error.sqlstate or _SHUTDOWN).startswith(_SHUTDOWN):
                self._let_go()
                raise UndecidedError(f"{self.where} was lost while it committed: {said(error)}") from error
            raise self._failure(error) from error
        if result.command_status != b"COMMIT":
            raise IndexUnavailableError(f"{self.where} has undone a transaction")

    def _connect(self) -> Any:
        """Connect; after a server kept silent the next ones do not wait for it, each in turn, to do so again."""
        if time.monotonic() < self._silent_until:
            raise IndexUnavailableError(f"{self.where} does not answer")
        try:
            connected = psycopg.connect(**self._settings, autocommit=True)
        except errors.ConnectionTimeout:
            self._silent_until = time.monotonic() + _SILENT_S
            raise
        self.made += 1
        self._on_made()
        connected.adapters.register_loader("numeric", IntLoader)  # sums of whole numbers, which are all we ask for
        return connected

    def _borrowed(self) -> PoolProxiedConnection:
        """Take a connection that is alive as far as can be told without asking the server."""
        while True:
            borrowed = self._pool.connect()
            if _is_usable(borrowed):
                return borrowed
            drop(borrowed)

    def _taken(self) -> PoolProxiedConnection:
        """Take the connection that was kept, if it is still there."""
        kept, self._kept = self._kept, None
        if kept is not None and not _is_usable(kept):
            drop(kept)
            kept = None
        return kept or self._borrowed()

    def _is_alive(self) -> bool:
        """Ask the server whether it is there, on a connection of its own."""
        try:
            psycopg.connect(**self._settings).close()
        except errors.TooManyConnections:
            return True
        except psycopg.Error:
            self._silent_until = time.monotonic() + _SILENT_S
            return False
        return True

    def _let_go(self) -> None:
        """Let go of all connections that nobody uses: the next ones are made afresh."""
        if not self._ended:
            self._pool.dispose()
            self._pool = self._pool.recreate()

    def _failure(self, error: BaseException) -> BaseException:
        """Choose the error to raise, and let go of connections, whose next use then starts afresh."""
        if isinstance(error, DBAPIError):
            error = error.orig or error
        if isinstance(error, PoolTimeoutError):
            return IndexUnavailableError(f"{self.where} is busy: no connection came free")
        if isinstance(error, errors.UniqueViolation | errors.DeadlockDetected):
            return IndexUnavailableError(f"{self.where}: another node writes the same at this moment")
        if isinstance(error, _OUR_BUGS) and not isinstance(error, errors.InsufficientPrivilege):
            return error
        self._let_go()
        if isinstance(error, errors.DiskFull):
            return OutOfResourcesError(f"no room in {self.where}: {said(error)}")
        return IndexUnavailableError(f"{self.where} does not answer: {said(error)}")


def connection_settings(url: str, password: str, *, durable: bool, timeout_s: float) -> dict[str, Any]:
    """Return the parameters of connections; a URL may say otherwise."""
    given: dict[str, Any] = dict(psycopg.conninfo.conninfo_to_dict(url))
    wait_ms = int(timeout_s * 1000)
    options = f"-c lock_timeout={wait_ms} -c idle_in_transaction_session_timeout={60_000} -c jit=off"
    if not durable:
        options += " -c synchronous_commit=off"
    defaults = {
        "application_name": "archimage",
        "connect_timeout": _CONNECT_S,
        "tcp_user_timeout": wait_ms,
        "keepalives_idle": 10,
        "options": options,
    }
    return {**defaults, **given, **({"password": password} if password else {})}


def named(settings: dict[str, Any]) -> str:
    """Name the database for people, without what is secret."""
    host, port = settings.get("host", "this machine"), settings.get("port", 5432)
    return f"the index on PostgreSQL at {host}:{port}, database {settings.get('dbname', settings.get('user', ''))}"


def drop(borrowed: PoolProxiedConnection) -> None:
    """Close a connection and have the pool forget it."""
    with suppress(Exception):
        borrowed.invalidate()
    with suppress(Exception):
        borrowed.close()


def said(error: BaseException) -> str:
    """Return what the database says, in one line."""
    return " ".join(str(error).split())[:300]


def _connection(borrowed: PoolProxiedConnection) -> psycopg.Connection[Any]:
    return cast("psycopg.Connection[Any]", borrowed.dbapi_connection)


def _is_usable(borrowed: PoolProxiedConnection) -> bool:
    """Tell whether a connection is open: one that the server has ended while it was idle has something to read."""
    connection = _connection(borrowed)
    if connection.closed:
        return False
    readable = select.poll()
    readable.register(connection.fileno(), select.POLLIN)
    return not readable.poll(0)
