"""Looking at an index from outside, in use, at rest or damaged; nothing of it is changed."""

import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from archimage.errors import IndexUnavailableError
from archimage.index.schema import REVISION
from archimage.index.sqlite_file import log_of, revision_of
from archimage.model.nodes import Node

_FAULTS: Final = 10
_DAMAGE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_LOOK_EVERY: Final = 20_000
"""Instructions of SQLite between two looks at the time."""


@dataclass(frozen=True, slots=True)
class Checkup:
    """What was found; complete is False where time was up before all of it was read."""

    revision: str | None
    newest_revision: str
    faults: Sequence[str]
    complete: bool
    size_bytes: int
    nodes: Sequence[Node]


def check_up(path: Path, *, within_s: float = 20.0) -> Checkup:
    """Read an index that is there, at most for within_s, seconds.

    Raises:
        IndexUnavailableError: it cannot be read at all; with a next step where that is not for damage.
    """
    deadline = time.monotonic() + within_s
    try:
        with closing(_open(path)) as connection:
            revision, nodes = revision_of(connection), _nodes(connection)
            connection.set_progress_handler(lambda: time.monotonic() > deadline, _LOOK_EVERY)
            faults, complete = _quick_check(connection)
        return Checkup(revision, REVISION, faults, complete, path.stat().st_size, nodes)
    except (sqlite3.Error, OSError) as error:
        damaged = getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE
        step = "" if damaged else "Look to the disk first: the index itself may be well."
        raise IndexUnavailableError(f"the index {path} cannot be read: {error}", next_step=step) from error


def _open(path: Path) -> sqlite3.Connection:
    """Open it for reading.

    Where nobody uses it, nothing is made beside it: it might then belong to another user than the server's.
    """
    log = log_of(path)
    at_rest = not log.exists() or not log.stat().st_size
    alone = at_rest and not path.with_name(f"{path.name}-shm").exists()
    return sqlite3.connect(f"file:{quote(str(path))}?mode=ro{'&immutable=1' if alone else ''}", uri=True, timeout=2)


def _quick_check(connection: sqlite3.Connection) -> tuple[Sequence[str], bool]:
    try:
        rows = [str(row[0]) for row in connection.execute(f"PRAGMA quick_check({_FAULTS})")]
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
            return (), False
        raise
    return [row for row in rows if row != "ok"], True


def _nodes(connection: sqlite3.Connection) -> Sequence[Node]:
    """Return the nodes that were entered at run time; an index of before them has none, or none that uses TLS."""
    columns = {name for _, name, *_ in connection.execute("PRAGMA table_info(node)")}
    if not columns:
        return ()
    statement = "SELECT ae_title, host, port, description, tls FROM node ORDER BY ae_title"
    rows = connection.execute(statement if "tls" in columns else statement.replace("tls", "0"))
    return [Node(ae_title, host, port, description, bool(tls)) for ae_title, host, port, description, tls in rows]
