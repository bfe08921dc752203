"""What one process of all nodes does at a time: a lock of a PostgreSQL session, gone with its connection."""

import time
from contextlib import suppress
from typing import Any, Final, Self

import psycopg
import xxhash

from archimage.errors import IndexUnavailableError
from archimage.index.postgresql_connections import connection_settings, named

_TIMEOUT_S: Final = 4.0
_LOOK_EVERY_S: Final = 1.0
_NOTICED: Final = "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3"
"""A machine that is gone without a word loses its turns after half a minute."""


class DatabaseTurn:
    """The turn, as long as its connection lasts."""

    def __init__(self, connection: "psycopg.Connection[tuple[Any, ...]]") -> None:
        self._connection = connection
        self._seen_at = time.monotonic()

    @classmethod
    def take(cls, url: str, password: str, name: str) -> Self | None:
        """Take the turn of a name; None while another process has it.

        Raises:
            IndexUnavailableError: the database does not answer.
        """
        settings = connection_settings(url, password, durable=True, timeout_s=_TIMEOUT_S)
        number = xxhash.xxh3_64_intdigest(f"turn {name}".encode()) - (1 << 63)
        connection = None
        try:
            connection = psycopg.connect(**settings, autocommit=True)
            connection.execute(_NOTICED)
            row = connection.execute("SELECT pg_try_advisory_lock(%s)", (number,)).fetchone()
        except psycopg.Error as error:
            if connection is not None:
                connection.close()
            raise IndexUnavailableError(f"{named(settings)} does not answer: {type(error).__name__}") from error
        if row is not None and row[0]:
            return cls(connection)
        connection.close()
        return None

    def is_held(self) -> bool:
        """Tell whether the database is still at the other end; it is asked once a second at most."""
        now = time.monotonic()
        if now - self._seen_at >= _LOOK_EVERY_S:
            try:
                self._connection.execute("SELECT 1")
            except psycopg.Error:
                return False
            self._seen_at = now
        return not self._connection.closed

    def close(self) -> None:
        """Let others have it, at once; where the connection is lost, they have it already."""
        with suppress(psycopg.Error):
            self._connection.execute("SELECT pg_advisory_unlock_all()")
        self._connection.close()
