"""The index in a PostgreSQL database: any number of readers and writers, on any number of nodes.

Everything that only PostgreSQL understands stands here and in the other modules named after it.

Who writes holds advisory locks to the end of his transaction, taken in one order, so that nobody waits in a circle:

1. the rows of the archive: shared by those who add, and by those who write other tables; alone by everybody else;
2. the other tables: alone;
3. the studies and patients of what is added, in the order of their numbers.

A commit is flushed before it is answered. With a journal to add from again (`again`) those of objects need no flush of
their own: they are in that journal, flushed, before; `sync` has all flushed. A crash of the server, or its place taken
by a standby, may then take rows that were committed last. So whoever begins looks whether the last that was added is
still there: then all before it is, else what is missing is added again from the journal.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import Any, Final, cast

import psycopg
import xxhash
from psycopg.pq.abc import PGresult
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from archimage import spans
from archimage.errors import IndexUnavailableError, UndecidedError
from archimage.index.ingest import Cursor
from archimage.index.matching import clean
from archimage.index.postgresql_connections import Answering, Connections, connection_settings, said
from archimage.index.postgresql_dialect import PostgresqlDialect
from archimage.index.postgresql_schema import (
    FORGOTTEN,
    bring_up_to_date,
    fill_empty,
    lacks_text_indexes,
    make_text_indexes,
)
from archimage.index.postgresql_writer import Call, Writer
from archimage.index.relational import RelationalIndex, Rows, tell_slow
from archimage.index.statements import Statement
from archimage.index.tables import ALL
from archimage.logger import logger
from archimage.model.records import InstanceRecord

CONNECTIONS: Final = 16
_ROWS: Final = 0x61726368696D6101  # advisory locks, after "archima"
_TABLES: Final = 0x61726368696D6102
_TOLD: Final = {"db.system.name": "postgresql"}
_SEEN: Final = (
    "last_value + CASE WHEN is_called THEN 1 ELSE 0 END"  # before its first use a sequence tells the same as after
)
_LAST_REMOVAL: Final = "(SELECT coalesce(max(pk), 0) FROM removal)"
_SOME: Final = "EXISTS (SELECT 1 FROM instance WHERE sop_instance_uid = {})"
_ANY: Final = (  # of this the plan is the same however many there are: planning = ANY takes 0.1 to 0.7 ms each time
    "EXISTS (SELECT 1 FROM unnest($2::text[]) AS sought(uid),"
    " LATERAL (SELECT 1 FROM instance WHERE sop_instance_uid = sought.uid LIMIT 1) AS found)"
)
_LOOK: Final = f"SELECT {_SEEN}, {_LAST_REMOVAL}, $1 = '' OR {_SOME.format('$1')}, {{}} FROM {FORGOTTEN}"  # noqa: S608 - ours
_LOOK_FOR_ONE: Final = _LOOK.format(_SOME.format("$2"))
_LOOK_FOR_ANY: Final = _LOOK.format(_ANY)
_LOCK: Final = Call(f"SELECT pg_advisory_xact_lock({_ROWS})")
_LOCK_SHARED: Final = Call(f"SELECT pg_advisory_xact_lock_shared({_ROWS})")
_LOCK_TABLES: Final = Call(f"SELECT pg_advisory_xact_lock({_TABLES})")
_LOCK_NUMBERS: Final = "SELECT pg_advisory_xact_lock(number) FROM unnest($1::bigint[]) AS number"
_FORGETTING: Final = Call(f"SELECT nextval('{FORGOTTEN}')")
_UNFLUSHED: Final = "SET LOCAL synchronous_commit = off"
_FLUSHING: Final = "SELECT pg_logical_emit_message(true, 'archimage', '')"
"""Writes something: the flush of its commit is one of all that was committed before."""
_PAGE: Final = 1_000  # rows that a server-side cursor fetches at a time
_log = logger("index")


class PostgresqlIndex(RelationalIndex):
    """Implements `ports.index.Index`.

    url is one of libpq, password what it leaves out. The tables are made or brought up to date when it is opened. A
    server that is away, full of connections, read-only or silent is told within busy_timeout_s, seconds. Without
    durable a commit is answered before it is flushed: a crash of the server's machine may take the last half second.
    """

    def __init__(
        self,
        url: str,
        password: str = "",
        *,
        durable: bool = True,
        busy_timeout_s: float = 4.0,
        connections: int = CONNECTIONS,
    ) -> None:
        super().__init__(PostgresqlDialect())
        self._busy_timeout_s = busy_timeout_s
        self._ingesting = threading.RLock()
        self._forgotten = -1
        self._unflushed = ""  # the UID of the last instance whose row may not be flushed
        settings = connection_settings(url, password, durable=durable, timeout_s=busy_timeout_s)
        self._connections = Connections(settings, connections, busy_timeout_s, self._connected)
        self._where = self._connections.where
        try:
            with self._answering():
                self._prepare()
        except BaseException:
            self._connections.close()
            raise

    @property
    def kind(self) -> str:
        """Name of the database."""
        return f"PostgreSQL {self.fetch('SHOW server_version', {})[0][0].split()[0]}"

    def size_bytes(self) -> int:
        """Return how much room the index takes."""
        return int(self.fetch("SELECT pg_database_size(current_database())", {})[0][0])

    def generation(self) -> str:
        """Return a text that is another one after any change: which transactions have ended is part of it.

        A server that has lost some of them in a crash counts their numbers again, to those who connect anew.
        """
        return f"{self.fetch('SELECT pg_current_snapshot()::text', {})[0][0]} {self._connections.made}"

    def generation_at_once(self) -> str | None:
        """Return None: it takes an answer of the server."""
        return None

    @contextmanager
    def transaction(self, *, alone: bool = False) -> Iterator[Cursor]:
        """Lend a cursor in a transaction beside which no other one of these is; it is undone by any exception.

        alone: nor does anybody add objects. Those who add commit in another order than that of their keys.
        """
        locks = (_LOCK if alone else _LOCK_SHARED, _LOCK_TABLES)
        with (
            spans.leaf("transaction", _TOLD, "client"),
            self._connections.writing(*locks) as (cursor, _),
            self._answering(),
        ):
            yield cast("Cursor", cursor)

    def sync(self) -> None:
        """Have the server flush what was added, and add again what a crash of it has taken.

        Whoever adds it again meanwhile is waited for: he reads the journal, which has room again after this.
        """
        if self.again is not None:
            with self._alone():
                if self._unflushed:
                    with self._begun((_FLUSHING,)):
                        pass
                    self._unflushed = ""

    def flush(self) -> None:
        """Do nothing: commits are flushed, but for those of objects."""

    def settle(self) -> None:
        """Count for the planner what the tables hold, and mark the pages that everybody sees.

        The server does so by itself, in its own time; until then it plans as if the tables were empty.
        """
        names = ", ".join(f'"{table.name}"' for table in ALL.sorted_tables)
        with self._answering(), self._connections.reading() as connection:
            connection.execute(f"VACUUM (ANALYZE) {names}".encode())

    def close(self) -> None:
        """Let go of connections."""
        self._connections.close()

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Lend a connection that sees all tables as they are now: `index.dumping.Snapshots`."""
        with self._answering(), self._connections.engine().connect() as connection:
            yield connection.execution_options(isolation_level="REPEATABLE READ")

    def fill(self, lines: Iterator[bytes]) -> None:
        """Fill the tables with the lines of a dump, all or none of it.

        Raises:
            ConfigError: there are rows already, or the dump is of another schema than today's.
            IntegrityError: the dump is damaged or not whole.
        """
        with self._answering(), self._connections.engine().begin() as connection:
            fill_empty(lines, connection)
            with closing(cast("psycopg.Cursor[Any]", connection.connection.cursor())) as cursor:
                self.dialect.count_on(cast("Cursor", cursor), ALL.sorted_tables)
        self.settle()

    # Reading

    @contextmanager
    def _asking(self, statement: Statement, *, many: bool = False) -> Iterator[Rows]:
        """Execute a query; the rows of one that yields many are fetched as they are asked for."""
        with spans.leaf("query", _TOLD, "client") as span, self._answering():
            if span is not None:
                span.note({"db.query.text": statement.text})
            with self._connections.reading() as connection, self._rows(connection, many=many) as cursor:
                began = time.monotonic()
                cursor.execute(statement.text.encode(), statement.parameters)
                tell_slow(time.monotonic() - began, statement)
                yield cast("Rows", cursor)

    @contextmanager
    def _rows(self, connection: psycopg.Connection[Any], *, many: bool) -> Iterator[psycopg.Cursor[Any]]:
        if many:
            with connection.transaction(), connection.cursor(name="matches") as served:
                served.itersize = _PAGE
                yield cast("psycopg.Cursor[Any]", served)
        else:
            with connection.cursor() as cursor:
                yield cursor

    # Writing

    @contextmanager
    def _transaction(self, of: Sequence[InstanceRecord]) -> Iterator[Cursor]:
        """Lend a writer's cursor; whoever adds keeps out only those who add to the same studies or patients."""
        added = ""
        with self._alone(), spans.leaf("transaction", _TOLD, "client"):
            try:
                with self._begun(self._locks(of), [record.sop_instance_uid for record in of]) as cursor:
                    self._ingest.last_added = ""
                    yield cast("Cursor", cursor)
                    added = self._ingest.last_added if of and self.again is not None else ""
                self._unflushed = added or self._unflushed
            except BaseException as error:
                if isinstance(error, UndecidedError) and added:
                    self._unflushed = added
                self._forget()
                raise

    def _locks(self, of: Sequence[InstanceRecord]) -> Sequence[Call | str]:
        """Return what takes the locks; what is new then is forgotten by nobody, else by all."""
        if not of:
            return (_LOCK, _FORGETTING)
        these = Call(_LOCK_NUMBERS, (b"{%b}" % ",".join(map(str, _numbers(of))).encode(),))
        return (_LOCK_SHARED, these) if self.again is None else (_UNFLUSHED, _LOCK_SHARED, these)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep every other thread out that writes rows of the archive."""
        if not self._ingesting.acquire(timeout=self._busy_timeout_s):
            raise IndexUnavailableError(f"{self._where} is busy: writing took over {self._busy_timeout_s:g} s")
        try:
            yield
        finally:
            self._ingesting.release()

    @contextmanager
    def _begun(self, began: Sequence[Call | str], uids: Sequence[str] = ()) -> Iterator[Writer]:
        """Begin a transaction, with statements, on an index that has lost nothing of what was added here.

        With uids, those of what may be added, they are looked for at once: each wait costs the thread its turn.
        """
        with ExitStack() as held:
            cursor, result = held.enter_context(self._connections.writing(*began, self._look(uids), keeping=True))
            if not self._notice(result, uids):
                held.close()
                self._mend()
                cursor, result = held.enter_context(self._connections.writing(*began, self._look(uids), keeping=True))
                self._notice(result, uids)
            try:
                yield cursor
            finally:
                self._removals.known = self._ingest.ahead = None

    def _look(self, uids: Sequence[str]) -> Call:
        """Return what tells how often rows were forgotten, which removal was last, and whether what was added is there.

        Of what was added the row that came last is looked for: if it is there all are. Last it tells whether there is
        any row of uids.
        """
        last, sought = clean(self._unflushed).encode(), [clean(uid) for uid in uids]
        if len(sought) == 1:
            return Call(_LOOK_FOR_ONE, (last, sought[0].encode()))
        return Call(_LOOK_FOR_ANY, (last, str(self.dialect.pack(sought)).encode()))

    def _mend(self) -> None:
        """Have what is missing added again."""
        last, self._unflushed = self._unflushed, ""
        self._forget()
        try:
            added = self.again() if self.again is not None else 0
            with self._connections.writing(_FLUSHING):  # what was there all along may not be flushed either
                pass
        except BaseException:
            self._unflushed = last
            raise
        if added:
            _log.warning("added again what the database had lost", where=self._where, objects=added)

    def _notice(self, result: PGresult, uids: Sequence[str]) -> bool:
        """Take in what `_look` tells; tell whether what was added is there."""
        forgotten, removals, is_there, is_any = (cast("bytes", result.get_value(0, column)) for column in range(4))
        if int(forgotten) != self._forgotten:
            self._ingest.forget()
            self._forgotten = int(forgotten)
        if uids:
            self._removals.known = int(removals)  # nobody removes anything meanwhile
            self._ingest.ahead = None if is_any == b"t" else (uids, [])
        return is_there == b"t"

    def _forget(self) -> None:
        self._ingest.forget()
        self._forgotten = -1

    def _prepare(self) -> None:
        """Bring the tables up to date, and make what indexes they lack."""
        engine = self._connections.engine()
        with engine.begin() as connection:
            bring_up_to_date(connection)
            lacking = lacks_text_indexes(connection)
        if lacking:
            try:
                with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                    make_text_indexes(connection)
            except DBAPIError as error:
                _log.warning("parts of words are looked for row by row: no index of them", error=said(error))

    def _connected(self) -> None:
        """Take in that there is another connection: the server may have been started anew."""
        if self._unflushed:
            self.on_doubt()

    def _answering(self) -> Answering:
        """Turn what PostgreSQL and its driver raise into our own errors."""
        return self._connections.answering


def _numbers(records: Sequence[InstanceRecord]) -> list[int]:
    """Return, in their order, the numbers of the studies and patients of records."""
    found = set[str]()
    for record in records:
        values = record.values
        found.add(f"study {values['study_instance_uid']}")
        if values.get("patient_id"):
            found.add(f"patient {values['patient_id']}\\{values.get('issuer_of_patient_id', '')}")
    return sorted(int(xxhash.xxh3_64_intdigest(name.encode("utf-8", "replace"))) - (1 << 63) for name in found)
