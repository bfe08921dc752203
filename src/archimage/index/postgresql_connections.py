"""Connections to PostgreSQL: their parameters and names, and whether they are still there."""

import select
from contextlib import suppress
from typing import Any, Final

import psycopg
from sqlalchemy.pool import PoolProxiedConnection

_CONNECT_S: Final = 2  # the least that libpq takes


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


def has_ended(connection: psycopg.Connection[Any]) -> bool:
    """Tell whether the server has ended an idle connection: then there is something to read on it."""
    readable = select.poll()
    readable.register(connection.fileno(), select.POLLIN)
    return bool(readable.poll(0))


def drop(borrowed: PoolProxiedConnection) -> None:
    """Close a connection and have the pool forget it."""
    with suppress(Exception):
        borrowed.invalidate()
    with suppress(Exception):
        borrowed.close()


def said(error: BaseException) -> str:
    """Return what the database says, in one line."""
    return " ".join(str(error).split())[:300]
