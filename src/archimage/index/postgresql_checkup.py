"""Looks at an index on PostgreSQL that is there, without changing anything."""

from typing import Any

import psycopg

from archimage.errors import IndexUnavailableError
from archimage.index.checkup import Checkup
from archimage.index.postgresql_connections import connection_settings, named
from archimage.index.schema import REVISION
from archimage.model.nodes import Node

_NODES = "SELECT ae_title, host, port, description, tls FROM node ORDER BY ae_title"


def check_up(url: str, password: str, *, within_s: float = 5.0) -> Checkup:
    """Connect and look; IndexUnavailableError where that cannot be. Faults are what makes it unfit for an archive."""
    settings = connection_settings(url, password, durable=True, timeout_s=within_s)
    try:
        with psycopg.connect(**settings) as connection:
            revision = _one(connection, "SELECT to_regclass('alembic_version')")
            if revision is not None:
                revision = _one(connection, "SELECT version_num FROM alembic_version")
            nodes = [] if revision is None else connection.execute(_NODES).fetchall()
            size = int(_one(connection, "SELECT pg_database_size(current_database())"))
            return Checkup(revision, REVISION, _faults(connection), True, size, [_node(row) for row in nodes])
    except psycopg.Error as error:
        step = "Look whether PostgreSQL runs and takes connections from here, and to `index.url` and `index.password`."
        raise IndexUnavailableError(f"{named(settings)} cannot be read: {error}".strip(), next_step=step) from error


def _faults(connection: psycopg.Connection[Any]) -> list[str]:
    found = []
    if _one(connection, "SHOW transaction_read_only") == "on":
        found.append("it is read-only")
    if _one(connection, "SHOW server_encoding") != "UTF8":
        found.append("its encoding is not UTF8")
    if _one(connection, "SHOW fsync") != "on":
        found.append("fsync is off: a crash of its machine may destroy it")
    return found


def _one(connection: psycopg.Connection[Any], statement: str) -> Any:
    row = connection.execute(statement.encode()).fetchone()
    return None if row is None else row[0]


def _node(row: Any) -> Node:
    ae_title, host, port, description, tls = row
    return Node(ae_title, host, port, description, bool(tls))
