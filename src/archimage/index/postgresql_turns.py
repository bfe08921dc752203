"""What one process of all nodes does at a time: a lock of a PostgreSQL session, gone with its connection."""

from contextlib import suppress
from typing import Any, Final, Self

import psycopg
import xxhash

from archimage.errors import IndexUnavailableError
from archimage.index.postgresql import connection_settings, named

_TIMEOUT_S: Final = 4.0


class DatabaseTurn:
    """The turn, as long as its connection lasts."""

    def __init__(self, connection: "psycopg.Connection[tuple[Any, ...]]") -> None:
        self._connection = connection

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
            row = connection.execute("SELECT pg_try_advisory_lock(%s)", (number,)).fetchone()
        except psycopg.Error as error:
            if connection is not None:
                connection.close()
            raise IndexUnavailableError(f"{named(settings)} does not answer: {type(error).__name__}") from error
        if row is not None and row[0]:
            return cls(connection)
        connection.close()
        return None

    def close(self) -> None:
        """Let others have it, at once; where the connection is lost, they have it already."""
        with suppress(psycopg.Error):
            self._connection.execute("SELECT pg_advisory_unlock_all()")
        self._connection.close()
