"""Secrets that prove who somebody is, apart from passwords: random, 256 bits, of which only digests are kept."""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from archimage.errors import NotAuthenticatedError
from archimage.model.access import Principal
from archimage.model.users import User
from archimage.ports.identity import Failures, Sessions, Shares, Tokens, Users
from archimage.services.audit_identity import IdentityAudit

TOKEN_PREFIX: Final = "amt_"  # noqa: S105 - it tells what a secret is, to those who search for leaked ones
MAX_LENGTH: Final = 128


@dataclass(frozen=True, slots=True)
class Tools:
    """What the services of users stand on; clock gives seconds since 1970, UTC."""

    users: Users
    sessions: Sessions
    tokens: Tokens
    shares: Shares
    failures: Failures
    audit: IdentityAudit
    clock: Callable[[], float]

    def active(self, name: str) -> User | None:
        """Return a user who may prove that he is one, or None."""
        user = self.users.get(name)
        return None if user is None or user.disabled else user

    def owner(self, name: str, roles: frozenset[str], *, from_provider: bool) -> Principal:
        """Return whose a session or share is, with the roles that he has now.

        Raises:
            NotAuthenticatedError: there is no such user any more, or another one now has the name of a provider's.
        """
        user = self.users.get(name)
        if from_provider and user is None:
            return Principal(user=name, roles=roles)
        if from_provider or user is None or user.disabled:
            raise NotAuthenticatedError("the user is not known here any more, or is disabled")
        return principal_of(user)


def principal_of(user: User) -> Principal:
    """Return a user as rules see him."""
    return Principal(user=user.name, roles=user.roles)


def new_secret(prefix: str = "") -> str:
    """Draw a secret."""
    return prefix + secrets.token_urlsafe(32)


def digest_of(secret: str) -> str:
    """Return what is kept of a secret."""
    return hashlib.sha256(secret[:MAX_LENGTH].encode("utf-8", "surrogatepass")).hexdigest()
