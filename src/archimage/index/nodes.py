"""Remote nodes that were entered at run time, in the table `node`: few rows, asked for one by one."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol

from sqlalchemy import (
    BindParameter,
    Column,
    Delete,
    Insert,
    Select,
    Update,
    bindparam,
    delete,
    exists,
    func,
    insert,
    select,
    update,
)

from archimage.index.dialect import Dialect
from archimage.index.ingest import Cursor
from archimage.index.matching import clean
from archimage.index.schema import node
from archimage.model.nodes import Node, NodeSource

_ALL: Final[Sequence[Column[Any]]] = [column for column in node.columns if not column.primary_key]


class Database(Protocol):
    """What the statements are executed by."""

    @property
    def dialect(self) -> Dialect:
        """How the statements are written."""

    def fetch(self, statement: str, parameters: Mapping[str, str | int | None]) -> list[Any]:
        """Return the rows of a query."""

    def transaction(self, *, alone: bool = False) -> AbstractContextManager[Cursor]:
        """Lend a cursor that writes, all or nothing."""

    def sync(self) -> None:
        """Make what was written survive a crash of the machine."""

    def flush(self) -> None:
        """Do so quickly, where it is done again and again and `sync` comes at times."""


class NodeTable:
    """Implements `ports.peer.Nodes`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        named = node.c.ae_title == bindparam("named")
        values: dict[str, BindParameter[Any]] = {column.key: bindparam(column.key) for column in _ALL}
        changed = {name: value for name, value in values.items() if name != "created_at"}
        self._all = self._text(select(*_ALL).order_by(node.c.ae_title))
        self._one = self._text(select(*_ALL).where(named))
        self._count = self._text(select(func.count()).select_from(node))
        self._there = self._text(select(exists().where(named)))
        self._insert = self._text(insert(node).values(values))
        self._update = self._text(update(node).where(named).values(changed))
        self._delete = self._text(delete(node).where(named))

    def all(self) -> Sequence[Node]:
        """Return all, by AE title."""
        return [_node(row) for row in self._database.fetch(self._all, {})]

    def get(self, ae_title: str) -> Node | None:
        """Return the node of an AE title, or None."""
        rows = self._database.fetch(self._one, {"named": ae_title})
        return _node(rows[0]) if rows else None

    def count(self) -> int:
        """Count them."""
        return int(self._database.fetch(self._count, {})[0][0])

    def add(self, added: Node) -> bool:
        """Keep a node; False where its AE title is taken."""
        with self._database.transaction() as cursor:
            if self._is_there(cursor, added.ae_title):
                return False
            cursor.execute(self._insert, _row(added))
        self._database.sync()
        return True

    def change(self, ae_title: str, changed: Node) -> bool:
        """Put changed, but for when it was created, in the place of the node of an AE title.

        False where that is not there, or the new AE title is taken.
        """
        with self._database.transaction() as cursor:
            renamed = changed.ae_title != ae_title
            if not self._is_there(cursor, ae_title) or (renamed and self._is_there(cursor, changed.ae_title)):
                return False
            row = _row(changed)
            del row["created_at"]
            cursor.execute(self._update, {**row, "named": clean(ae_title)})
        self._database.sync()
        return True

    def remove(self, ae_title: str) -> bool:
        """Forget a node; False where it is not there."""
        with self._database.transaction() as cursor:
            there = self._is_there(cursor, ae_title)
            cursor.execute(self._delete, {"named": clean(ae_title)})
        self._database.sync()
        return there

    def _is_there(self, cursor: Cursor, ae_title: str) -> bool:
        cursor.execute(self._there, {"named": clean(ae_title)})
        return bool(cursor.fetchone()[0])

    def _text(self, statement: Select[Any] | Insert | Update | Delete) -> str:
        return str(statement.compile(dialect=self._database.dialect.engine))


def _node(row: Sequence[Any]) -> Node:
    ae_title, host, port, description, tls, created_at, changed_at, deidentify, options = row
    return Node(
        ae_title,
        host,
        port,
        description,
        bool(tls),
        NodeSource.STORED,
        created_at,
        changed_at,
        deidentify=deidentify,
        deidentify_options=tuple(options.split()),
    )


def _row(kept: Node) -> dict[str, object]:
    return {
        "ae_title": clean(kept.ae_title),
        "host": clean(kept.host),
        "port": kept.port,
        "description": clean(kept.description),
        "tls": int(kept.tls),
        "created_at": kept.created_at,
        "changed_at": kept.changed_at,
        "deidentify": clean(kept.deidentify),
        "deidentify_options": clean(" ".join(kept.deidentify_options)),
    }
