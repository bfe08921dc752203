"""API tokens of programs, and shares: links by which anybody sees one study for a while."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Generic, TypeVar

from archimage.errors import (
    ConflictError,
    InvalidRequestError,
    NotAuthenticatedError,
    NotFoundError,
    OutOfResourcesError,
)
from archimage.model.access import Principal, Restriction
from archimage.model.ids import check_uid
from archimage.model.users import ApiToken, Share
from archimage.services.proofs import TOKEN_PREFIX, Tools, digest_of, new_secret, principal_of

MAX_TOKENS_OF_USER: Final = 100
MAX_SHARES: Final = 10_000
MAX_NAME_LENGTH: Final = 64
MAX_VALUES: Final = 1_000
MAX_LASTING_S: Final = 366 * 86_400.0
_LOOK: Final = "List those that are, with GET /api/v1/tokens and /api/v1/shares."


Kept = TypeVar("Kept", ApiToken, Share)


@dataclass(frozen=True, slots=True)
class Issued(Generic[Kept]):
    """A token or share, with its secret, which nobody can be told again."""

    kept: Kept
    secret: str


class TokenService:
    """Issues, recognises and revokes API tokens; all of it blocks."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def issue(
        self, owner: str, name: str, restriction: Restriction, lasting_s: float | None = None
    ) -> Issued[ApiToken]:
        """Issue a token to a user of this archive, for ever where it is not said for how many seconds.

        Raises:
            NotFoundError: there is no such user.
            InvalidRequestError: its name, its scope or the time cannot be such.
            ConflictError: he has a token of that name.
            OutOfResourcesError: he has too many.
        """
        tools, now = self._tools, self._tools.clock()
        if tools.users.get(owner) is None:
            step = "API tokens belong to users of this archive: `archimage user add` enters one."
            raise NotFoundError(f"there is no user {owner[:64]!r}", next_step=step)
        name = name.strip()
        if not name or len(name) > MAX_NAME_LENGTH or not name.isprintable():
            raise InvalidRequestError(f"the name of a token is 1 to {MAX_NAME_LENGTH} printable characters")
        scope = restriction.scope
        if any(len(one) > MAX_VALUES for one in (scope.patients, scope.studies, scope.labels, scope.modalities)):
            raise InvalidRequestError(f"a scope names at most {MAX_VALUES} of a kind")
        if len([one for one in tools.tokens.all() if one.owner == owner]) >= MAX_TOKENS_OF_USER:
            raise OutOfResourcesError(f"{owner} has {MAX_TOKENS_OF_USER} tokens", next_step="Revoke one first.")
        expires_at = None if lasting_s is None else now + _checked(lasting_s)
        secret = new_secret(TOKEN_PREFIX)
        token = ApiToken(digest_of(secret), name, owner, restriction, now, expires_at)
        if not tools.tokens.add(token):
            raise ConflictError(f"{owner} has a token {name!r} already", next_step="Revoke it, or choose another name.")
        tools.audit.attributes(f"API token {name} of {owner} was issued")
        return Issued(token, secret)

    def of_secret(self, secret: str) -> Principal:
        """Return who comes with a token; raises NotAuthenticatedError."""
        token = self._tools.tokens.get(digest_of(secret)) if secret.startswith(TOKEN_PREFIX) else None
        owner = self._tools.active(token.owner) if token is not None and not self._is_over(token) else None
        if token is None or owner is None:
            raise NotAuthenticatedError(
                "the API token is not known, or no longer valid", next_step="Have another one issued."
            )
        return replace(principal_of(owner), token=token.name, restriction=token.restriction)

    def all(self) -> Sequence[ApiToken]:
        """Return all, by owner and name."""
        return self._tools.tokens.all()

    def of(self, user: str) -> Sequence[ApiToken]:
        """Return those of a user."""
        return [one for one in self.all() if one.owner == user]

    def revoke(self, token_id: str, user: str | None = None) -> None:
        """Revoke a token, where user is given one of his; raises NotFoundError."""
        found = next((one for one in self.all() if one.id == token_id), None)
        if found is None or (user is not None and found.owner != user):
            raise NotFoundError("there is no such token", next_step=_LOOK)
        self._tools.tokens.remove(found.digest)
        self._tools.audit.attributes(f"API token {found.name} of {found.owner} was revoked")

    def _is_over(self, token: ApiToken) -> bool:
        return token.expires_at is not None and self._tools.clock() >= token.expires_at


class ShareService:
    """Makes, recognises and revokes shares; all of it blocks."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def make(self, study_instance_uid: str, lasting_s: float, maker: Principal) -> Issued[Share]:
        """Share a study for so many seconds, as far as whoever makes it sees it.

        Raises:
            InvalidRequestError: the time cannot be such, or a token is to make it.
            InvalidInstanceUIDError: the study's UID is none.
            OutOfResourcesError: there are too many.
        """
        tools, now = self._tools, self._tools.clock()
        if maker.restriction is not None:
            raise InvalidRequestError("what comes by a token or a share makes no share", next_step="Log in as a user.")
        check_uid(study_instance_uid)
        expires_at = now + _checked(lasting_s)
        tools.shares.clean(now)
        if len(tools.shares.all()) >= MAX_SHARES:
            raise OutOfResourcesError(f"there are {MAX_SHARES} shares", next_step="Revoke some first.")
        secret, user = new_secret(), tools.users.get(maker.user)
        from_provider = user is None
        roles = maker.roles if from_provider else frozenset()
        share = Share(digest_of(secret), study_instance_uid, maker.user, now, expires_at, from_provider, roles)
        tools.shares.add(share)
        tools.audit.attributes(f"study {study_instance_uid} was shared by {maker.user or 'nobody who is known'}")
        return Issued(share, secret)

    def find(self, secret: str) -> Share:
        """Return the share of a secret; raises NotAuthenticatedError."""
        share = self._tools.shares.get(digest_of(secret))
        if share is None or self._tools.clock() >= share.expires_at:
            raise NotAuthenticatedError("the link is not known, or no longer valid", next_step="Ask for another link.")
        return share

    def of_secret(self, secret: str) -> Principal:
        """Return who comes with a share; raises NotAuthenticatedError."""
        share = self.find(secret)
        owner = self._tools.owner(share.owner, share.roles, from_provider=share.from_provider)
        return replace(owner, token=f"share {share.id}", restriction=share.restriction)

    def all(self) -> Sequence[Share]:
        """Return those that are not over, the newest first."""
        now = self._tools.clock()
        return [one for one in self._tools.shares.all() if now < one.expires_at]

    def of(self, user: str) -> Sequence[Share]:
        """Return those that a user has made."""
        return [one for one in self.all() if one.owner == user]

    def revoke(self, share_id: str, user: str | None = None) -> None:
        """Revoke a share, where user is given one of his; raises NotFoundError."""
        found = next((one for one in self.all() if one.id == share_id), None)
        if found is None or (user is not None and found.owner != user):
            raise NotFoundError("there is no such share", next_step=_LOOK)
        self._tools.shares.remove(found.digest)
        self._tools.audit.attributes(f"the share of study {found.study_instance_uid} by {found.owner} was revoked")


def _checked(lasting_s: float) -> float:
    if not 0 < lasting_s <= MAX_LASTING_S:
        raise InvalidRequestError(f"it may last at most {MAX_LASTING_S / 86_400:.0f} days, and some time at least")
    return lasting_s
