"""Sessions, API tokens and shares, by the digests of their secrets, in the tables `session`, `api_token`, `share`."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, delete, or_, select, update

from archimage.index.matching import clean
from archimage.index.nodes import Database
from archimage.index.schema import api_token, session, share
from archimage.index.users import Rows, names_of, written
from archimage.model.access import Operation, Restriction, Scope
from archimage.model.users import ApiToken, Session, Share


class SessionTable(Rows):
    """Implements `ports.identity.Sessions`."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, session)
        mine = session.c.owner == bindparam("owner")
        over = or_(session.c.used_at < bindparam("used_before"), session.c.expires_at <= bindparam("now"))
        self._all = self.text(select(*self._columns).order_by(session.c.created_at.desc()))
        self._mine = self.text(select(session.c.digest).where(mine).order_by(session.c.created_at.desc()))
        self._use = self.text(update(session).where(self._this).values(used_at=bindparam("now")))
        self._remove_of = self.text(delete(session).where(mine, session.c.digest != bindparam("but")))
        self._clean = self.text(delete(session).where(over))

    def all(self) -> Sequence[Session]:
        """Return all, the newest first."""
        return [_session(row) for row in self._database.fetch(self._all, {})]

    def get(self, digest: str) -> Session | None:
        """Return the session of a digest, or None."""
        row = self.row(digest)
        return None if row is None else _session(row)

    def add(self, added: Session, most: int) -> None:
        """Keep a session and, of those of its user, so many of the newest."""
        with self._database.transaction() as cursor:
            cursor.execute(
                self._insert,
                {
                    "digest": added.digest,
                    "owner": added.user,
                    "address": clean(added.address),
                    "created_at": added.created_at,
                    "used_at": added.used_at,
                    "expires_at": added.expires_at,
                    "from_provider": int(added.from_provider),
                    "roles": written(added.roles),
                },
            )
            cursor.execute(self._mine, {"owner": added.user})
            for (digest,) in cursor.fetchall()[most:]:
                cursor.execute(self._delete, {"this": digest})
        self._database.sync()

    def use(self, digest: str, now: float) -> None:
        """Note that a session was used."""
        with self._database.transaction() as cursor:
            cursor.execute(self._use, {"this": digest, "now": now})

    def remove(self, digest: str) -> bool:
        """Forget a session; False where it is not there."""
        return self.forget(digest)

    def remove_of(self, user: str, but: str = "") -> None:
        """Forget the sessions of a user, but for that of a digest."""
        self.write(self._remove_of, {"owner": clean(user), "but": but})

    def clean(self, used_before: float, now: float) -> None:
        """Forget those that have not been used since, and those that are over."""
        self.write(self._clean, {"used_before": used_before, "now": now})


class TokenTable(Rows):
    """Implements `ports.identity.Tokens`."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, api_token)
        same = (api_token.c.owner == bindparam("owner"), api_token.c.name == bindparam("name"))
        self._all = self.text(select(*self._columns).order_by(api_token.c.owner, api_token.c.name))
        self._same = self.text(select(api_token.c.digest).where(*same))

    def all(self) -> Sequence[ApiToken]:
        """Return all, by owner and name."""
        return [_token(row) for row in self._database.fetch(self._all, {})]

    def get(self, digest: str) -> ApiToken | None:
        """Return the token of a digest, or None."""
        row = self.row(digest)
        return None if row is None else _token(row)

    def add(self, token: ApiToken) -> bool:
        """Keep a token; False where its owner has one of that name."""
        row = {
            "digest": token.digest,
            "name": clean(token.name),
            "owner": token.owner,
            "restriction": _written(token.restriction),
            "created_at": token.created_at,
            "expires_at": token.expires_at,
        }
        with self._database.transaction() as cursor:
            cursor.execute(self._same, {"owner": token.owner, "name": row["name"]})
            if cursor.fetchone() is not None:
                return False
            cursor.execute(self._insert, row)
        self._database.sync()
        return True

    def remove(self, digest: str) -> bool:
        """Forget a token; False where it is not there."""
        return self.forget(digest)


class ShareTable(Rows):
    """Implements `ports.identity.Shares`."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, share)
        self._all = self.text(select(*self._columns).order_by(share.c.created_at.desc()))
        self._clean = self.text(delete(share).where(share.c.expires_at <= bindparam("now")))

    def all(self) -> Sequence[Share]:
        """Return all, the newest first."""
        return [_share(row) for row in self._database.fetch(self._all, {})]

    def get(self, digest: str) -> Share | None:
        """Return the share of a digest, or None."""
        row = self.row(digest)
        return None if row is None else _share(row)

    def add(self, added: Share) -> None:
        """Keep a share."""
        row = {
            "digest": added.digest,
            "study_instance_uid": clean(added.study_instance_uid),
            "owner": added.owner,
            "created_at": added.created_at,
            "expires_at": added.expires_at,
            "from_provider": int(added.from_provider),
            "roles": written(added.roles),
        }
        self.write(self._insert, row)

    def remove(self, digest: str) -> bool:
        """Forget a share; False where it is not there."""
        return self.forget(digest)

    def clean(self, now: float) -> None:
        """Forget those that are over."""
        self.write(self._clean, {"now": now})


def _session(row: Sequence[Any]) -> Session:
    digest, user, address, created_at, used_at, expires_at, from_provider, roles = row
    return Session(digest, user, address, created_at, used_at, expires_at, bool(from_provider), names_of(roles))


def _token(row: Sequence[Any]) -> ApiToken:
    digest, name, owner, restriction, created_at, expires_at = row
    return ApiToken(digest, name, owner, _restriction(restriction), created_at, expires_at)


def _share(row: Sequence[Any]) -> Share:
    digest, study, owner, created_at, expires_at, from_provider, roles = row
    return Share(digest, study, owner, created_at, expires_at, bool(from_provider), names_of(roles))


def _written(restriction: Restriction) -> str:
    scope, operations = restriction.scope, restriction.operations
    kinds = {
        "patients": scope.patients,
        "studies": scope.studies,
        "labels": scope.labels,
        "modalities": scope.modalities,
    }
    return json.dumps(
        {
            "operations": None if operations is None else sorted(operations),
            "scope": {kind: sorted(map(clean, values)) for kind, values in kinds.items()},
        }
    )


def _restriction(text: str) -> Restriction:
    told = json.loads(text)
    operations = told["operations"]
    return Restriction(
        None if operations is None else frozenset(map(Operation, operations)),
        Scope(**{kind: frozenset(values) for kind, values in told["scope"].items()}),
    )
