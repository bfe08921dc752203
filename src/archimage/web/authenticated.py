"""Who sends a request, by its headers and the address it comes from.

What is looked at is, in this order: `Authorization` (an API token or a token of the provider as Bearer; a user's name
and password as Basic), the cookie of a session, that of a share. Without any of them nobody is known.

Ref: RFC 9110 §11, RFC 6750 §2.1, RFC 7617.
"""

import base64
import binascii
import ipaddress
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

from starlette.responses import RedirectResponse, Response
from starlette.types import Scope

from archimage.errors import NotAuthenticatedError, NotAuthorisedError
from archimage.model.access import Principal
from archimage.services.identity import IdentityService
from archimage.services.proofs import TOKEN_PREFIX
from archimage.threads import WorkerThreads
from archimage.web import cookies
from archimage.web.origins import READING, is_own

CERTIFICATE: Final = "archimage.certificate"
"""Where in a request's scope it stands what the certificate is known as that a client has come with."""
LOGIN: Final = "/login"
_MAX_CREDENTIALS: Final = 16_384
_REMEMBERED: Final = 256
"""Principals of whom no more is known than a connection tells: the same few send nearly all requests."""
_HTTPS: Final = "Send it over HTTPS: set http.tls, or http.public_url where a proxy speaks HTTPS."


class Authenticator:
    """Tells who sends a request; threads do what blocks."""

    def __init__(self, identity: IdentityService, threads: WorkerThreads, public_url: str) -> None:
        self._identity = identity
        self._threads = threads
        self._public_url = public_url

    async def principal(self, scope: Scope) -> Principal:
        """Return who sends a request, his address alone where he does not say.

        Raises:
            NotAuthenticatedError: what he comes with proves nothing.
            NotAuthorisedError: a page of another origin uses his cookie to change something.
            UnavailableError: too many passwords are to be checked.
        """
        known = anybody(scope)
        find = self._found(scope, known.address)
        if find is None:
            return known
        return replace(await self._threads.run(find), address=known.address, certificate=known.certificate)

    def _found(self, scope: Scope, address: str) -> Callable[[], Principal] | None:
        """Return what finds out who it is, which blocks; None where there is nothing to go by."""
        secure = cookies.is_secure(scope, self._public_url)
        header = next((value for name, value in scope["headers"] if name == b"authorization"), None)
        if header is not None:
            return self._by_header(header, address, secure=secure or is_loopback(address))
        session, share = (cookies.read(scope, kind, secure=secure) for kind in ("session", "share"))
        if not session and not share:
            return None
        if scope["method"] not in READING and not is_own(scope):
            raise NotAuthorisedError(
                "a page of another origin must not change anything here", next_step="Open the page on this server."
            )
        return lambda: self._by_cookies(session, share)

    def _by_cookies(self, session: str, share: str) -> Principal:
        """Return whose session it is or, where that is over, who comes with the share."""
        identity = self._identity
        if not session:
            return identity.by_share(share)
        try:
            return identity.by_session(session)
        except NotAuthenticatedError:
            if not share:
                raise
        return identity.by_share(share)

    def _by_header(self, header: bytes, address: str, *, secure: bool) -> Callable[[], Principal]:
        scheme, _, credentials = header[:_MAX_CREDENTIALS].decode("latin-1").strip().partition(" ")
        credentials = credentials.strip()
        match scheme.lower():
            case "bearer" if credentials.startswith(TOKEN_PREFIX):
                return lambda: self._identity.by_token(credentials)
            case "bearer":
                return lambda: self._identity.by_jwt(credentials)
            case "basic" if not secure:
                raise NotAuthenticatedError("a password is not taken over plain HTTP", next_step=_HTTPS)
            case "basic":
                user, password = _basic(credentials)
                return lambda: self._identity.by_password(user, password, address)
        raise NotAuthenticatedError(f"Authorization: the scheme {scheme[:20]!r} is not known; Bearer and Basic are")


def to_login(scope: Scope) -> Response:
    """Lead somebody to the login page, and from there back to where he wanted to be."""
    query = scope["query_string"].decode("latin-1")
    wanted = scope["raw_path"].decode("latin-1") + (f"?{query}" if query else "")
    to = LOGIN if wanted == "/" else f"{LOGIN}?next={quote(wanted, safe='')}"
    return RedirectResponse(to, HTTPStatus.SEE_OTHER, {"Cache-Control": "no-store"})


def anybody(scope: Scope) -> Principal:
    """Return who sends a request as far as his connection tells."""
    return _connected(address_of(scope), scope.get(CERTIFICATE, frozenset()))


@lru_cache(_REMEMBERED)
def _connected(address: str, certificate: frozenset[str]) -> Principal:
    return Principal(address, certificate=certificate)


def address_of(scope: Scope) -> str:
    """Return the address that a request comes from, empty where that is not known."""
    client = scope["client"]
    return str(client[0]) if client else ""


def is_loopback(address: str) -> bool:
    """Tell whether an address is of this machine itself."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _basic(credentials: str) -> tuple[str, str]:
    try:
        user, colon, password = base64.b64decode(credentials, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        colon = ""
    if not colon:
        raise NotAuthenticatedError("Authorization: Basic is followed by base64 of `name:password`, in UTF-8")
    return user, password
