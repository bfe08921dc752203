"""The cookies by which browsers are known: of a session, of a share, and of a login by the provider that has begun.

Scripts cannot read them, and pages of other sites cannot have them sent along but by a link. Over HTTPS their names
begin with `__Host-`, so that no other server of the domain can set them.

Ref: RFC 6265bis §4.1.
"""

from collections.abc import Iterator
from typing import Final, Literal

from starlette.responses import Response
from starlette.types import Scope

Kind = Literal["session", "share", "login"]
_HOST: Final = "__Host-"
_NAME: Final = "archimage-"
_MAX_BYTES: Final = 4_096


def is_secure(scope: Scope, public_url: str) -> bool:
    """Tell whether the client speaks HTTPS, to this process or to a proxy that public_url names."""
    return scope["scheme"] == "https" or public_url.lower().startswith("https://")


def name_of(kind: Kind, *, secure: bool) -> str:
    """Return the name of a cookie."""
    return f"{_HOST if secure else ''}{_NAME}{kind}"


def read(scope: Scope, kind: Kind, *, secure: bool) -> str:
    """Return what a request has of a cookie, empty where it has none."""
    wanted = name_of(kind, secure=secure)
    return next((value for name, value in _pairs(scope) if name == wanted), "")


def give(response: Response, kind: Kind, value: str, lasting_s: float, *, secure: bool) -> None:
    """Have a browser keep a cookie."""
    name = name_of(kind, secure=secure)
    response.set_cookie(name, value, max_age=int(lasting_s), path="/", secure=secure, httponly=True, samesite="lax")


def take(response: Response, kind: Kind, *, secure: bool) -> None:
    """Have a browser forget a cookie."""
    name = name_of(kind, secure=secure)
    response.delete_cookie(name, path="/", secure=secure, httponly=True, samesite="lax")


def _pairs(scope: Scope) -> Iterator[tuple[str, str]]:
    for header, value in scope["headers"]:
        if header == b"cookie":
            for part in value.decode("latin-1").split(";"):
                name, _, text = part.strip().partition("=")
                yield name, text[:_MAX_BYTES]
