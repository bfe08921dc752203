"""The file of an SQLite index: how it is opened and brought to the newest schema, beside others that do the same."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal
from urllib.parse import quote

from sqlalchemy import NullPool, create_engine

from archimage.errors import IndexUnavailableError
from archimage.index.schema import REVISION

CACHE_KIB: Final = {"reader": 8 << 10, "writer": 64 << 10}
_ASKED_AGAIN_S: Final = 0.01


def connect(
    path: Path, mode: Literal["rw", "rwc"], role: Literal["reader", "writer"], timeout_s: float
) -> sqlite3.Connection:
    """Open the file; transactions are begun by hand, and checkpoints made by nobody on the way."""
    try:
        connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode={mode}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=timeout_s,
        )
        connection.executescript(
            f"PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0; PRAGMA foreign_keys = ON;"
            f"PRAGMA cache_size = -{CACHE_KIB[role]};"
        )
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_CANTOPEN:
            path.open("rb").close()  # SQLite keeps to itself what the operating system says
        raise
    return connection


def prepare(path: Path, mode: Literal["rw", "rwc"], timeout_s: float) -> tuple[sqlite3.Connection, int]:
    """Bring the file up to the newest schema; of several processes one does it. Return a connection, and its inode."""
    connection = connect(path, mode, "reader", timeout_s)
    try:
        _use_log(connection, timeout_s)
        if revision_of(connection) != REVISION:
            _migrate(path, timeout_s)
        return connection, path.stat().st_ino
    except BaseException:
        connection.close()
        raise


def _use_log(connection: sqlite3.Connection, timeout_s: float) -> None:
    """Switch to the write-ahead log; SQLite does not wait for others here, so this does."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_ASKED_AGAIN_S)
        else:
            return


def _migrate(path: Path, timeout_s: float) -> None:
    """Run the migrations in one transaction."""
    from alembic.util import CommandError  # Alembic takes a while to import and is needed once

    from archimage.index.migrate import upgrade

    engine = create_engine("sqlite://", creator=lambda: connect(path, "rw", "writer", timeout_s), poolclass=NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            upgrade(connection)
        except CommandError as error:
            raise IndexUnavailableError(f"the index {path} was made by a newer archimage: {error}") from error
        connection.exec_driver_sql("COMMIT")


def make_of(lines: Iterator[bytes], path: Path, *, timeout_s: float = 5.0) -> None:
    """Make an index at path of the lines of a dump, on the disk when this returns; there must be none.

    Raises:
        ConfigError: the dump is of a newer schema than this archimage knows.
        IntegrityError: the dump is damaged or not whole.
    """
    from archimage.index.dumping import fill, known_header
    from archimage.index.migrate import upgrade

    header = known_header(lines)
    engine = create_engine("sqlite://", creator=lambda: connect(path, "rwc", "writer", timeout_s), poolclass=NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        upgrade(connection, header.revision)
        fill(lines, connection)
        upgrade(connection)
        connection.exec_driver_sql("COMMIT")
    flush(path)
    flush(path.parent)


def log_of(path: Path) -> Path:
    """Return the write-ahead log that belongs to a database."""
    return path.with_name(f"{path.name}-wal")


def revision_of(connection: sqlite3.Connection) -> str | None:
    """Return the revision of the schema, None in an empty file."""
    if connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'alembic_version'").fetchone() is None:
        return None
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if row is None else str(row[0])


def size(path: Path) -> int:
    """Return the size of a file in bytes, 0 where there is none."""
    return path.stat().st_size if path.exists() else 0


def flush(path: Path) -> None:
    """Flush a file or directory; one that is not there has nothing to flush."""
    with suppress(FileNotFoundError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
