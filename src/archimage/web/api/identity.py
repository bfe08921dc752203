"""`/api/v1/me`, `users`, `tokens`, `shares` and `sessions`: who somebody is, and what proves it.

Everybody may do what stands below `/me`: see who he is, change his password, and keep his own tokens, shares and
sessions. What stands beside it is about everybody, and for those who administer.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from archimage.errors import NotAuthenticatedError, NotAuthorisedError
from archimage.model import callers
from archimage.model.access import NOBODY, Operation, Principal, Restriction, Scope
from archimage.model.users import ApiToken, Session, Share, User
from archimage.services.accounts import UserChange
from archimage.services.passwords import MAX_LENGTH as MAX_PASSWORD
from archimage.services.proofs import digest_of
from archimage.services.tokens import MAX_VALUES
from archimage.web import cookies
from archimage.web.api.resources import Services, failing
from archimage.web.management import ROOT

DAY_S: Final = 86_400.0

Name = Annotated[str, Path(max_length=64, description="Name of the user.")]
Id = Annotated[str, Path(max_length=64, description="What the list calls it.")]
Text = Annotated[str, Field(max_length=64)]
Password = Annotated[str, Field(max_length=MAX_PASSWORD, json_schema_extra={"format": "password"})]
Days = Annotated[float, Field(gt=0, le=366)]
Values = Annotated[list[Text], Field(max_length=MAX_VALUES)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class UserEntry(_Body):
    """What is to be set of a user; what is not given stays as it is."""

    password: Password | None = Field(default=None, description="An empty one takes it away.")
    roles: list[Text] | None = Field(default=None, description="All that he is to have.", examples=[["radiologist"]])
    description: Annotated[str, Field(max_length=200)] | None = Field(default=None, description="Who it is.")
    disabled: bool | None = Field(default=None, description="He may not come at all.")
    by_name: bool | None = Field(default=None, description="Who names him on an association is believed.")

    @property
    def change(self) -> UserChange:
        """The same as the service takes it."""
        return UserChange(self.password, self.roles, self.description, self.disabled, self.by_name)


class NewUser(UserEntry):
    """A user as he is entered."""

    name: Text = Field(description="1 to 64 of a-z, 0-9, dot, underscore, hyphen and @.", examples=["ann"])


class PasswordChange(_Body):
    """Another password."""

    old: Password = Field(description="The one that is valid now.")
    new: Password = Field(description="The one that is to be.")


class ScopeEntry(_Body):
    """A part of the archive; a kind that is empty limits nothing."""

    patients: Values = Field(default=[], description="Patient IDs.")
    studies: Values = Field(default=[], description="Study Instance UIDs.")
    labels: Values = Field(default=[], description="Labels of studies.")
    modalities: Values = Field(default=[], description="Modalities of series.")


class OwnToken(_Body):
    """An API token as it is asked for."""

    name: Text = Field(description="What it is for.", examples=["uploads"])
    operations: list[Operation] | None = Field(default=None, description="What it may do; none given: all.")
    scope: ScopeEntry = Field(default=ScopeEntry(), description="What it is limited to.")
    days: Days | None = Field(default=None, description="For how many days; none given: for ever.")

    @property
    def restriction(self) -> Restriction:
        """What it leaves of its owner's rights."""
        scope = self.scope
        kinds = (scope.patients, scope.studies, scope.labels, scope.modalities)
        return Restriction(
            None if self.operations is None else frozenset(self.operations), Scope(*map(frozenset, kinds))
        )

    @property
    def lasting_s(self) -> float | None:
        """For how many seconds, None for ever."""
        return None if self.days is None else self.days * DAY_S


class NewToken(OwnToken):
    """The same for somebody else."""

    owner: Text = Field(description="User whose rights it has, or a part of them.")


class NewShare(_Body):
    """A link as it is asked for."""

    study_instance_uid: Text = Field(examples=["1.2.840.113619.2.1.1"])
    days: Days = Field(default=7.0, description="For how many days.")


@dataclass(frozen=True, slots=True)
class Me:
    """Who asks, as far as he has proved it."""

    user: str
    roles: list[str]
    token: str
    address: str
    can_change_password: bool
    """He is a user of this archive who has a password."""


@dataclass(frozen=True, slots=True)
class UserShown:
    """A user."""

    name: str
    roles: list[str]
    description: str
    disabled: bool
    by_name: bool
    has_password: bool
    created_at: float
    changed_at: float


@dataclass(frozen=True, slots=True)
class TokenShown:
    """An API token; secret is told when it is issued, and never again."""

    id: str
    owner: str
    name: str
    operations: list[Operation] | None
    scope: dict[str, list[str]]
    created_at: float
    expires_at: float | None
    secret: str = ""


@dataclass(frozen=True, slots=True)
class ShareShown:
    """A link; path is told when it is made, and never again."""

    id: str
    study_instance_uid: str
    owner: str
    created_at: float
    expires_at: float
    path: str = ""


@dataclass(frozen=True, slots=True)
class SessionShown:
    """A session."""

    id: str
    user: str
    address: str
    created_at: float
    used_at: float
    expires_at: float


def get_me(services: Services) -> Me:
    """Tell who asks."""
    who = _who()
    own = services.identity.users.find(who.user) if who.restriction is None else None
    return Me(who.user, sorted(who.roles), who.token, who.address, own is not None and own.has_password)


def change_own_password(change: PasswordChange, services: Services, request: Request) -> None:
    """Change one's own password; all other sessions of the user are over."""
    sessions = (cookies.read(request.scope, "session", secure=secure) for secure in (True, False))
    session = next(filter(None, sessions), "")
    keeping = digest_of(session) if session else ""
    try:
        services.identity.change_own_password(_user(), change.old, change.new, keeping=keeping)
    except NotAuthenticatedError as error:  # he is known all the same, and need not log in
        raise NotAuthorisedError(str(error), next_step=error.next_step) from error


def list_own_tokens(services: Services) -> Sequence[TokenShown]:
    """List one's own API tokens."""
    return _tokens(services.identity.tokens.of(_user().user))


def issue_own_token(token: OwnToken, services: Services) -> TokenShown:
    """Issue an API token to oneself; its secret is told this once."""
    issued = services.identity.tokens.issue(_user().user, token.name, token.restriction, token.lasting_s)
    return _token(issued.kept, issued.secret)


def revoke_own_token(token_id: Id, services: Services) -> None:
    """Revoke an API token of one's own."""
    services.identity.tokens.revoke(token_id, _user().user)


def list_own_shares(services: Services) -> Sequence[ShareShown]:
    """List the links that one has made oneself, and that are not over."""
    return [_share(one) for one in services.identity.shares.of(_user().user)]


def revoke_own_share(share_id: Id, services: Services) -> None:
    """Revoke a link that one has made oneself."""
    services.identity.shares.revoke(share_id, _user().user)


def list_own_sessions(services: Services) -> Sequence[SessionShown]:
    """List one's own sessions, the newest first."""
    return _sessions(services.identity.sessions.of(_user().user))


def end_own_session(session_id: Id, services: Services) -> None:
    """End a session of one's own."""
    services.identity.sessions.revoke(session_id, _user().user)


def list_users(services: Services) -> Sequence[UserShown]:
    """List every user, by name."""
    return [_shown(user) for user in services.identity.users.all()]


def get_user(name: Name, services: Services) -> UserShown:
    """Tell one user."""
    return _shown(services.identity.users.get(name))


def add_user(entry: NewUser, services: Services, response: Response) -> UserShown:
    """Enter a user; without a password he comes by API tokens alone."""
    user = services.identity.users.add(entry.name, entry.change)
    response.headers["Location"] = f"{ROOT}/users/{user.name}"
    return _shown(user)


def change_user(name: Name, entry: UserEntry, services: Services) -> UserShown:
    """Change a user; with another password, or disabled, his sessions are over."""
    return _shown(services.identity.users.change(name, entry.change))


def remove_user(name: Name, services: Services) -> None:
    """Remove a user, with his sessions, API tokens and links."""
    services.identity.users.remove(name)


def list_tokens(services: Services) -> Sequence[TokenShown]:
    """List every API token, by owner and name."""
    return _tokens(services.identity.tokens.all())


def issue_token(token: NewToken, services: Services) -> TokenShown:
    """Issue an API token to a user; its secret is told this once."""
    issued = services.identity.tokens.issue(token.owner, token.name, token.restriction, token.lasting_s)
    return _token(issued.kept, issued.secret)


def revoke_token(token_id: Id, services: Services) -> None:
    """Revoke an API token, at once in every process."""
    services.identity.tokens.revoke(token_id)


def list_shares(services: Services) -> Sequence[ShareShown]:
    """List every link that is not over, the newest first."""
    return [_share(one) for one in services.identity.shares.all()]


def make_share(share: NewShare, services: Services) -> ShareShown:
    """Make a link by which anybody sees one study, as far as one sees it oneself; its path is told this once."""
    services.catalogue.study(share.study_instance_uid)
    issued = services.identity.shares.make(share.study_instance_uid, share.days * DAY_S, _user())
    return _share(issued.kept, f"/share/{issued.secret}")


def revoke_share(share_id: Id, services: Services) -> None:
    """Revoke a link, at once in every process."""
    services.identity.shares.revoke(share_id)


def list_sessions(services: Services) -> Sequence[SessionShown]:
    """List every session that is not over, the newest first."""
    return _sessions(services.identity.sessions.all())


def end_session(session_id: Id, services: Services) -> None:
    """End a session, at once in every process."""
    services.identity.sessions.revoke(session_id)


def end_sessions_of(name: Name, services: Services) -> None:
    """End all sessions of a user."""
    services.identity.sessions.revoke_all(name)


def _who() -> Principal:
    caller = callers.current()
    return NOBODY if caller is None else caller.principal


def _user() -> Principal:
    """Return the user who asks; a token or a link is not he."""
    who = _who()
    if not who.user:
        raise NotAuthenticatedError("nobody has logged in")
    if who.restriction is not None:
        raise NotAuthorisedError("what comes by a token or a link cannot do this", next_step="Log in as the user.")
    return who


def _shown(user: User) -> UserShown:
    return UserShown(
        user.name,
        sorted(user.roles),
        user.description,
        user.disabled,
        user.by_name,
        user.has_password,
        user.created_at,
        user.changed_at,
    )


def _tokens(tokens: Iterable[ApiToken]) -> list[TokenShown]:
    return [_token(one) for one in tokens]


def _token(token: ApiToken, secret: str = "") -> TokenShown:
    operations, scope = token.restriction.operations, token.restriction.scope
    limits = {
        "patients": sorted(scope.patients),
        "studies": sorted(scope.studies),
        "labels": sorted(scope.labels),
        "modalities": sorted(scope.modalities),
    }
    allowed = None if operations is None else sorted(operations)
    return TokenShown(token.id, token.owner, token.name, allowed, limits, token.created_at, token.expires_at, secret)


def _share(share: Share, path: str = "") -> ShareShown:
    return ShareShown(share.id, share.study_instance_uid, share.owner, share.created_at, share.expires_at, path)


def _sessions(sessions: Iterable[Session]) -> list[SessionShown]:
    return [
        SessionShown(one.id, one.user, one.address, one.created_at, one.used_at, one.expires_at) for one in sessions
    ]


def router() -> APIRouter:
    """Return the resources."""
    found = APIRouter(tags=["access"], responses=failing(400, 401, 403, 503))
    _own(found)
    add = found.add_api_route
    add("/users", list_users, methods=["GET"])
    add("/users", add_user, methods=["POST"], status_code=201, responses=failing(409, 507))
    add("/users/{name}", get_user, methods=["GET"], responses=failing(404))
    add("/users/{name}", change_user, methods=["PATCH"], responses=failing(404))
    add("/users/{name}", remove_user, methods=["DELETE"], status_code=204, responses=failing(404, 409))
    add("/users/{name}/sessions", end_sessions_of, methods=["DELETE"], status_code=204)
    add("/tokens", list_tokens, methods=["GET"])
    add("/tokens", issue_token, methods=["POST"], status_code=201, responses=failing(404, 409, 507))
    add("/tokens/{token_id}", revoke_token, methods=["DELETE"], status_code=204, responses=failing(404))
    add("/shares", list_shares, methods=["GET"])
    add("/shares", make_share, methods=["POST"], status_code=201, responses=failing(404, 507))
    add("/shares/{share_id}", revoke_share, methods=["DELETE"], status_code=204, responses=failing(404))
    add("/sessions", list_sessions, methods=["GET"])
    add("/sessions/{session_id}", end_session, methods=["DELETE"], status_code=204, responses=failing(404))
    return found


def _own(found: APIRouter) -> None:
    """Add what everybody may do."""
    add = found.add_api_route
    add("/me", get_me, methods=["GET"])
    add("/me/password", change_own_password, methods=["PUT"], status_code=204)
    add("/me/tokens", list_own_tokens, methods=["GET"])
    add("/me/tokens", issue_own_token, methods=["POST"], status_code=201, responses=failing(404, 409, 507))
    add("/me/tokens/{token_id}", revoke_own_token, methods=["DELETE"], status_code=204, responses=failing(404))
    add("/me/shares", list_own_shares, methods=["GET"])
    add("/me/shares/{share_id}", revoke_own_share, methods=["DELETE"], status_code=204, responses=failing(404))
    add("/me/sessions", list_own_sessions, methods=["GET"])
    add("/me/sessions/{session_id}", end_own_session, methods=["DELETE"], status_code=204, responses=failing(404))
