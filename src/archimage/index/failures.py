"""Logins that failed, in the table `failed_login`: one row for whom they were tried for, one for where from."""

from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import bindparam, delete, func, select, update

from archimage.index.ingest import Cursor
from archimage.index.matching import clean
from archimage.index.nodes import Database
from archimage.index.schema import failed_login
from archimage.index.users import Rows
from archimage.model.users import Lockout

MAX_ROWS: Final = 10_000
FORGOTTEN_S: Final = 3_600.0
"""After so long without another failure those before are forgotten."""


class FailureTable(Rows):
    """Implements `ports.identity.Failures`."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, failed_login)
        rows = failed_login.c
        changed = ("failures", "failed_at", "locked_until")
        self._update = self.text(
            update(failed_login).where(self._this).values({name: bindparam(name) for name in changed})
        )
        self._count = self.text(select(func.count()).select_from(failed_login))
        oldest = select(func.min(rows.failed_at)).scalar_subquery()
        self._drop_oldest = self.text(delete(failed_login).where(rows.failed_at == oldest))

    def begin(self, limits: Mapping[str, Lockout], now: float) -> float:
        """Count a try against each key before it is known how it ends, and return 0.

        Where one of them is locked out nothing is counted: returns for how long it still is, seconds.
        """
        with self._database.transaction() as cursor:
            counted: list[tuple[str, int, Lockout]] = []
            for key, lockout in limits.items():
                cursor.execute(self._one, {"this": clean(key)})
                _, failures, failed_at, locked_until = cursor.fetchone() or (key, 0, now, 0.0)
                if locked_until > now:
                    return float(locked_until - now)
                forgotten = now - max(failed_at, locked_until) > FORGOTTEN_S
                counted.append((clean(key), 1 if forgotten else failures + 1, lockout))
            for key, failures, lockout in counted:
                self._write(cursor, key, failures, lockout, now)
        return 0.0

    def passed(self, cleared: str, others: Sequence[str]) -> None:
        """Note that a try has gone well: forget all failures of the one key, and the one that was counted of others."""
        with self._database.transaction() as cursor:
            cursor.execute(self._delete, {"this": clean(cleared)})
            for key in map(clean, others):
                cursor.execute(self._one, {"this": key})
                _, failures, failed_at, _ = cursor.fetchone() or (key, 0, 0.0, 0.0)
                row = {"failures": max(0, failures - 1), "failed_at": failed_at, "locked_until": 0.0}
                cursor.execute(self._update, {**row, "this": key})

    def _write(self, cursor: Cursor, key: str, failures: int, lockout: Lockout, now: float) -> None:
        """Keep that this many tries of a key have failed, in the place of the oldest where there are too many."""
        over = failures - lockout.failures
        wait = min(lockout.most_s, lockout.first_s * 2.0 ** min(over, 32)) if over >= 0 else 0.0
        row = {"failures": failures, "failed_at": now, "locked_until": now + wait if wait else 0.0}
        cursor.execute(self._there, {"this": key})
        if cursor.fetchone()[0]:
            cursor.execute(self._update, {**row, "this": key})
            return
        cursor.execute(self._count, {})
        if cursor.fetchone()[0] >= MAX_ROWS:
            cursor.execute(self._drop_oldest, {})
        cursor.execute(self._insert, {**row, "key": key})
