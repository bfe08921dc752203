"""The users of the archive, in the table `user_account`; and what the tables of their secrets have in common."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Delete, Insert, Select, Table, Update, bindparam, delete, exists, func, insert, select, update

from archimage.index.matching import clean
from archimage.index.nodes import Database
from archimage.index.schema import api_token, session, share, user_account
from archimage.model.users import User

_OWNED: Final = (session, api_token, share)


class Rows:
    """A table of few rows, each asked for by its key, and written all or nothing."""

    def __init__(self, database: Database, table: Table) -> None:
        self._database = database
        key = next(iter(table.primary_key.columns))
        self._this = key == bindparam("this")
        self._columns = list(table.columns)
        self._there = self.text(select(exists().where(self._this)))
        self._one = self.text(select(*self._columns).where(self._this))
        self._insert = self.text(insert(table).values({column.key: bindparam(column.key) for column in table.columns}))
        self._delete = self.text(delete(table).where(self._this))

    def text(self, statement: Select[Any] | Insert | Update | Delete) -> str:
        """Write a statement as the database reads it."""
        return str(statement.compile(dialect=self._database.dialect.engine))

    def row(self, key: str) -> Sequence[Any] | None:
        """Return the row of a key, or None."""
        rows = self._database.fetch(self._one, {"this": clean(key)})
        return rows[0] if rows else None

    def write(self, statement: str, values: Mapping[str, object]) -> None:
        """Execute a statement that changes something."""
        with self._database.transaction() as cursor:
            cursor.execute(statement, values)
        self._database.sync()

    def forget(self, key: str) -> bool:
        """Delete the row of a key; False where it is not there."""
        values = {"this": clean(key)}
        with self._database.transaction() as cursor:
            cursor.execute(self._there, values)
            there = bool(cursor.fetchone()[0])
            cursor.execute(self._delete, values)
        self._database.sync()
        return there


class UserTable(Rows):
    """Implements `ports.identity.Users`."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, user_account)
        changed = [column.key for column in self._columns if column.key not in {"name", "created_at"}]
        self._all = self.text(select(*self._columns).order_by(user_account.c.name))
        self._count = self.text(select(func.count()).select_from(user_account))
        self._update = self.text(
            update(user_account).where(self._this).values({name: bindparam(name) for name in changed})
        )
        self._owned = [self.text(delete(table).where(table.c.owner == bindparam("this"))) for table in _OWNED]

    def all(self) -> Sequence[User]:
        """Return all, by name."""
        return [_user(row) for row in self._database.fetch(self._all, {})]

    def get(self, name: str) -> User | None:
        """Return the user of a name, or None."""
        row = self.row(name)
        return None if row is None else _user(row)

    def count(self) -> int:
        """Count them."""
        return int(self._database.fetch(self._count, {})[0][0])

    def add(self, user: User) -> bool:
        """Keep a user; False where his name is taken."""
        with self._database.transaction() as cursor:
            cursor.execute(self._there, {"this": user.name})
            if cursor.fetchone()[0]:
                return False
            cursor.execute(self._insert, _row(user))
        self._database.sync()
        return True

    def change(self, user: User) -> bool:
        """Put user, but for when he was created, in the place of the one of his name; False where there is none."""
        row = {"this": user.name, **_row(user)}
        del row["name"], row["created_at"]
        with self._database.transaction() as cursor:
            cursor.execute(self._there, {"this": user.name})
            there = bool(cursor.fetchone()[0])
            cursor.execute(self._update, row)
        self._database.sync()
        return there

    def remove(self, name: str) -> bool:
        """Forget a user with his sessions, tokens and shares; False where there is none of that name."""
        values = {"this": clean(name)}
        with self._database.transaction() as cursor:
            cursor.execute(self._there, values)
            there = bool(cursor.fetchone()[0])
            for statement in (self._delete, *self._owned) if there else ():
                cursor.execute(statement, values)
        self._database.sync()
        return there


def written(names: Iterable[str]) -> str:
    """Write roles, or other names, as one text."""
    return json.dumps(sorted(names))


def names_of(text: str) -> frozenset[str]:
    """Read them."""
    return frozenset(json.loads(text))


def _user(row: Sequence[Any]) -> User:
    name, roles, description, disabled, by_name, password_hash, created_at, changed_at = row
    return User(
        name, names_of(roles), description, bool(disabled), bool(by_name), password_hash, created_at, changed_at
    )


def _row(user: User) -> dict[str, object]:
    return {
        "name": user.name,
        "roles": written(user.roles),
        "description": clean(user.description),
        "disabled": int(user.disabled),
        "by_name": int(user.by_name),
        "password_hash": user.password_hash,
        "created_at": user.created_at,
        "changed_at": user.changed_at,
    }
