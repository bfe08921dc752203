"""User identity negotiation: which user calls, beside the application entity that does.

Types 1 (a name), 2 (a name and a passcode) and 5 (a JSON Web Token) are looked at; others may be ignored, and are.

Ref: PS3.7 §D.3.3.7.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Protocol

from archimage.errors import NotAuthenticatedError, UnavailableError
from archimage.model.access import Principal
from archimage.protocol.items import UserIdentity, UserIdentityType


class Identities(Protocol):
    """Knows users; all of it blocks, some by intent: a passcode takes a while to be checked.

    Each raises NotAuthenticatedError where somebody is not who he says, and UnavailableError where that cannot be told.
    """

    def by_name(self, user: str, address: str) -> Principal:
        """Return a user who need not prove his name."""

    def by_password(self, user: str, password: str, address: str) -> Principal:
        """Return the user of a name and a password."""

    def by_jwt(self, text: str) -> Principal:
        """Return the user of a JSON Web Token."""


def _nobody_hears(_user: str, _address: str, _failure: str) -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True)
class IdentityPolicy:
    """Who knows users, and whether peers must be one; wanted tells whether it matters at the moment who they are.

    failed hears of everybody who was not believed before his name or passcode was looked at: who knows those tells
    of them himself.
    """

    identities: Identities | None = None
    required: bool = False
    wanted: Callable[[], bool] = lambda: True
    failed: Callable[[str, str, str], None] = _nobody_hears


@dataclass(frozen=True, slots=True)
class Identified:
    """A peer, and what it is told of that: None is nothing."""

    principal: Principal
    response: bytes | None = None


_PROOFS: Final = frozenset({UserIdentityType.USERNAME, UserIdentityType.USERNAME_AND_PASSCODE, UserIdentityType.JWT})


async def identify(
    policy: IdentityPolicy, asked: UserIdentity | None, peer: Principal, *, encrypted: bool, within_s: float
) -> Identified:
    """Return who a peer is that says so in its request; encrypted tells whether it came over TLS.

    Raises:
        NotAuthenticatedError: it is not, or must be somebody and says nothing.
        UnavailableError: that could not be told in time.
    """
    identities = policy.identities
    supported = asked is not None and asked.identity_type in _PROOFS
    if policy.required and (identities is None or not supported):
        raise _not_believed(policy, peer, "it does not say which user it is, as access.identity requires")
    if asked is None or identities is None or not supported or not (policy.required or policy.wanted()):
        return Identified(peer)
    if asked.identity_type == UserIdentityType.USERNAME_AND_PASSCODE and not encrypted:
        raise _not_believed(policy, peer, "a passcode came over a connection without TLS, and was not looked at")
    try:
        async with asyncio.timeout(within_s):
            user = await asyncio.to_thread(_prove, policy, identities, asked, peer)
    except TimeoutError:
        raise UnavailableError(f"it could not be told within {within_s:g} s whether the user is who he says") from None
    found = replace(peer, user=user.user, roles=user.roles, token=user.token, restriction=user.restriction)
    return Identified(found, _response(asked) if asked.positive_response_requested else None)


def _prove(policy: IdentityPolicy, identities: Identities, asked: UserIdentity, peer: Principal) -> Principal:
    try:
        primary, secondary = asked.primary_field.decode(), asked.secondary_field.decode()
    except UnicodeDecodeError:
        raise _not_believed(policy, peer, "the user identity is not UTF-8") from None
    if asked.identity_type == UserIdentityType.USERNAME:
        return identities.by_name(primary, peer.address)
    if asked.identity_type == UserIdentityType.USERNAME_AND_PASSCODE:
        return identities.by_password(primary, secondary, peer.address)
    try:
        return identities.by_jwt(primary)
    except NotAuthenticatedError as error:
        raise _not_believed(policy, peer, str(error)) from error


def _not_believed(policy: IdentityPolicy, peer: Principal, why: str) -> NotAuthenticatedError:
    policy.failed(peer.ae_title, peer.address, why)
    return NotAuthenticatedError(why)


def _response(asked: UserIdentity) -> bytes:
    """Return what is answered to somebody who was believed: a token gets itself back, names get nothing."""
    return asked.primary_field if asked.identity_type == UserIdentityType.JWT else b""
