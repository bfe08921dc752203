"""Who somebody is: what he comes with becomes a Principal, or NotAuthenticatedError is raised.

What he may do is not decided here. Everything blocks, but for what is remembered.
"""

import ipaddress
import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final, Protocol

from archimage.config_access import AccessConfig
from archimage.errors import NotAuthenticatedError
from archimage.model.access import Principal
from archimage.model.users import MAX_NAME_LENGTH, Lockout, User, is_user_name
from archimage.services.accounts import AccountService, UserChange
from archimage.services.passwords import Hashing, Proved
from archimage.services.proofs import Tools, principal_of
from archimage.services.sessions import SessionService
from archimage.services.tokens import ShareService, TokenService

USERS_REMEMBERED_S: Final = 1.0
_WRONG: Final = "the user name or the password is wrong"


class JwtVerifier(Protocol):
    """Checks what a provider has issued; blocks."""

    def principal(self, text: str) -> Principal:
        """Return who comes with a token of the provider; raises NotAuthenticatedError."""


class IdentityService:
    """Recognises people and programs; users, sessions, tokens and shares are kept by its parts."""

    def __init__(
        self,
        tools: Tools,
        settings: AccessConfig,
        provider: JwtVerifier | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tools = tools
        self._settings = settings
        self._provider = provider
        self._monotonic = monotonic
        self._hashing = Hashing()
        self._proved = Proved(monotonic)
        self._has_users = (-math.inf, False)
        self.users = AccountService(tools, self._hashing, password_length=settings.password_length)
        self.sessions = SessionService(tools, idle_s=settings.session_idle_s, lasting_s=settings.session_s)
        self.tokens = TokenService(tools)
        self.shares = ShareService(tools)

    def has_users(self) -> bool:
        """Tell whether anybody can prove who he is: a user, as of a second ago at most, or one of the provider."""
        if self._provider is not None:
            return True
        looked_at, found = self._has_users
        if self._monotonic() - looked_at > USERS_REMEMBERED_S:
            found = self._tools.users.count() > 0
            self._has_users = (self._monotonic(), found)
        return found

    def by_password(self, user: str, password: str, address: str) -> Principal:
        """Return who comes with a name and a password.

        Raises:
            NotAuthenticatedError: they are wrong, or too many were before; then the message says how long to wait.
            UnavailableError: too many are to be checked.
        """
        name = user.strip().lower()
        known = self._tools.users.get(name) if is_user_name(name) else None
        name = name[:MAX_NAME_LENGTH]
        active = None if known is None or known.disabled or not known.has_password else known
        if active is not None and self._proved.knows(active, password):
            return replace(principal_of(active), address=address)
        with self._hashing.turn() as turn:
            self._wait_or_count(name, address)
            right = turn.verify("" if active is None else active.password_hash, password)
        if not right or active is None:
            self._tools.audit.login(name, address, _WRONG)
            raise NotAuthenticatedError(_WRONG, next_step="Try again; whoever runs this archive can set a password.")
        self._tools.failures.passed(_of_user(name), [_of_address(address)])
        self._proved.add(active, password)
        self._tools.audit.login(name, address)
        return replace(principal_of(active), address=address)

    def by_name(self, user: str, address: str) -> Principal:
        """Return a user who is believed by his name alone (DICOM user identity of type 1).

        Raises:
            NotAuthenticatedError: nobody of this name is.
        """
        name = user.strip().lower()
        found = self._tools.active(name) if is_user_name(name) else None
        name = name[:MAX_NAME_LENGTH]
        if found is None or not found.by_name:
            self._tools.audit.login(name, address, "the name alone proves nothing")
            raise NotAuthenticatedError(f"user {name!r} is not believed by name: a passcode is needed")
        return replace(principal_of(found), address=address)

    def by_token(self, text: str) -> Principal:
        """Return who comes with an API token; raises NotAuthenticatedError."""
        return self.tokens.of_secret(text)

    def by_session(self, text: str) -> Principal:
        """Return whose session it is; raises NotAuthenticatedError."""
        return self.sessions.of_secret(text)

    def by_share(self, text: str) -> Principal:
        """Return who comes with a share's link; raises NotAuthenticatedError."""
        return self.shares.of_secret(text)

    def by_jwt(self, text: str) -> Principal:
        """Return who comes with a token of the provider; raises NotAuthenticatedError."""
        if self._provider is None:
            raise NotAuthenticatedError("no provider of OpenID Connect is set", next_step="Use an API token.")
        return self.local_only_once(self._provider.principal(text))

    def local_only_once(self, principal: Principal) -> Principal:
        """Return somebody whom a provider has named, unless a user of this archive has his name.

        Raises:
            NotAuthenticatedError: one has: nobody is to become him by taking his name there.
        """
        if self._tools.users.get(principal.user) is not None:
            raise NotAuthenticatedError(
                f"{principal.user} is a user of this archive, whom the provider cannot prove",
                next_step="Log in with the password, or have that user removed here.",
            )
        return principal

    def login(self, user: str, password: str, address: str) -> str:
        """Begin a session of whoever comes with a name and a password, and return its secret; raises as by_password."""
        return self.sessions.begin(self.by_password(user, password, address))

    def login_from_provider(self, principal: Principal, address: str) -> str:
        """Begin a session of somebody whom the provider has just named, and return its secret.

        Raises:
            NotAuthenticatedError: a user of this archive has his name.
        """
        known = replace(self.local_only_once(principal), address=address)
        secret = self.sessions.begin(known, from_provider=True)
        self._tools.audit.login(known.user, address)
        return secret

    def logout(self, secret: str, address: str = "") -> None:
        """End a session; one that is over is fine."""
        self.sessions.end(secret, address)

    def change_own_password(self, principal: Principal, old: str, new: str, *, keeping: str = "") -> User:
        """Give somebody another password, who proves with the old one that it is he; keeping is his session's digest.

        Raises:
            NotAuthenticatedError: the old one is wrong.
            InvalidRequestError: the new one cannot be one.
        """
        self.by_password(principal.user, old, principal.address)
        return self.users.change(principal.user, UserChange(password=new), keeping=keeping)

    def _wait_or_count(self, name: str, address: str) -> None:
        """Count a try as a failure until it is known to be none; raise where somebody is locked out."""
        settings = self._settings
        limits = {_of_user(name): self._lockout(settings.lockout_failures)}
        if address and settings.lockout_address_failures:
            limits[_of_address(address)] = self._lockout(settings.lockout_address_failures)
        wait_s = math.ceil(self._tools.failures.begin(limits, self._tools.clock()))
        if wait_s:
            self._tools.audit.login(name, address, f"locked out for {wait_s} s more")
            raise NotAuthenticatedError(
                f"too many logins have failed: wait {wait_s} seconds", next_step="Then try again, with care."
            )

    def _lockout(self, failures: int) -> Lockout:
        return Lockout(failures, self._settings.lockout_s, self._settings.lockout_most_s)


def _of_user(name: str) -> str:
    return f"user {name}"


def _of_address(address: str) -> str:
    """Name where a try comes from: of IPv6 the network, for whoever has one address there has them all."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return f"address {address}"
    width = 64 if found.version == 6 else 32
    return f"address {ipaddress.ip_network((found, width), strict=False)}"
