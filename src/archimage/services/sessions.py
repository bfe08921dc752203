"""Sessions: what a browser is known by after a login. Each ends when it is not used, and in any case after a while."""

from collections.abc import Sequence
from typing import Final

from archimage.errors import NotAuthenticatedError, NotFoundError
from archimage.model.access import Principal
from archimage.model.users import Session
from archimage.services.proofs import Tools, digest_of, new_secret

MAX_OF_USER: Final = 50
NOTED_EVERY_S: Final = 60.0
"""Use is noted this often, so that reading costs no writing."""


class SessionService:
    """Begins, recognises and ends sessions; all of it blocks."""

    def __init__(self, tools: Tools, *, idle_s: float, lasting_s: float) -> None:
        self._tools = tools
        self._idle_s = idle_s
        self._lasting_s = lasting_s

    @property
    def lasting_s(self) -> float:
        """After how long any session is over, seconds."""
        return self._lasting_s

    def begin(self, principal: Principal, *, from_provider: bool = False) -> str:
        """Begin a session of somebody who has just proved who he is; return its secret."""
        tools, now, secret = self._tools, self._tools.clock(), new_secret()
        tools.sessions.clean(now - self._idle_s, now)
        session = Session(
            digest_of(secret),
            principal.user,
            principal.address,
            now,
            now,
            now + self._lasting_s,
            from_provider,
            principal.roles if from_provider else frozenset(),
        )
        tools.sessions.add(session, MAX_OF_USER)
        return secret

    def of_secret(self, secret: str) -> Principal:
        """Return whose session it is; raises NotAuthenticatedError."""
        tools, now = self._tools, self._tools.clock()
        session = tools.sessions.get(digest_of(secret))
        if session is None or now >= session.expires_at or now - session.used_at >= self._idle_s:
            raise NotAuthenticatedError("the session is over", next_step="Log in again, at /login.")
        if now - session.used_at >= min(NOTED_EVERY_S, self._idle_s / 4):
            tools.sessions.use(session.digest, now)
        return tools.owner(session.user, session.roles, from_provider=session.from_provider)

    def end(self, secret: str, address: str = "") -> None:
        """Log out; a session that is over is fine."""
        session = self._tools.sessions.get(digest_of(secret))
        if session is not None and self._tools.sessions.remove(session.digest):
            self._tools.audit.logout(session.user, address or session.address)

    def all(self) -> Sequence[Session]:
        """Return those that are not over, the newest first."""
        now = self._tools.clock()
        return [one for one in self._tools.sessions.all() if now < one.expires_at and now - one.used_at < self._idle_s]

    def of(self, user: str) -> Sequence[Session]:
        """Return those of a user."""
        return [one for one in self.all() if one.user == user]

    def revoke(self, session_id: str, user: str | None = None) -> None:
        """End a session, where user is given one of his; raises NotFoundError."""
        found = next((one for one in self._tools.sessions.all() if one.id == session_id), None)
        if found is None or (user is not None and found.user != user):
            raise NotFoundError("there is no such session", next_step="GET /api/v1/sessions lists those that are.")
        self._tools.sessions.remove(found.digest)
        self._tools.audit.attributes(f"a session of {found.user} was ended")

    def revoke_all(self, user: str) -> None:
        """End all sessions of a user."""
        self._tools.sessions.remove_of(user)
        self._tools.audit.attributes(f"all sessions of {user} were ended")
