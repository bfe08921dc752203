"""Who may call: the names that the server answers to, and the pages that may use it from a browser.

A page on a foreign site can make a browser send requests here; what it cannot make it do is name this server by an
address (DNS rebinding needs a name) or hide where the page comes from.
"""

import ipaddress
import re
from collections.abc import Iterable
from functools import partial
from http import HTTPStatus
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from archimage.web.errors import status_report
from archimage.web.marks import REFUSED

ANY: Final = "*"
_TOLD: Final = 200
"""Characters of a header that are told."""
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[0-9A-Za-z._-]{1,253})(?::[0-9]{1,5})?", re.ASCII)


def address_of(scope: Scope, public_url: str) -> str:
    """Return the address of the server as a client sees it: public_url, or what its request calls it by."""
    if public_url:
        return public_url.rstrip("/")
    host = next((value for name, value in scope["headers"] if name == b"host"), b"localhost")
    return f"{scope['scheme']}://{host.decode('latin-1')}"


class HostGuard:
    """Lets through what is called by a name of ours, from no page or a page of an allowed origin.

    host is the address that is listened on: on loopback only loopback addresses are ours, else any address is. names
    are allowed beside it, and origins may call; `*` among them allows all.
    """

    def __init__(self, application: ASGIApp, host: str, names: Iterable[str], origins: Iterable[str]) -> None:
        self._application = application
        self._loopback = _address(host) is not None and _is_loopback(host)
        self._names = frozenset({"localhost", host.lower(), *(name.lower() for name in names)})
        self._origins = frozenset(origin.lower().rstrip("/") for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        host = origin = None
        for name, value in scope["headers"]:
            if name == b"host":
                host = value.decode("latin-1").lower()
            elif name == b"origin":
                origin = value.decode("latin-1").lower()
        if (host is None and scope.get("http_version") != "1.0") or (host is not None and not self._knows(host)):
            scope[REFUSED] = f"called as {host[:_TOLD]!r}, which names no server here" if host else "it has no Host"
            return await _FOREIGN_HOST()(scope, receive, send)
        if origin is not None and not self._allows(origin, host):
            scope[REFUSED] = f"asked by a page of {origin[:_TOLD]!r}"
            return await _FOREIGN_ORIGIN()(scope, receive, send)
        return await self._application(scope, receive, send)

    def _knows(self, header: str) -> bool:
        """Tell whether a Host header names this server."""
        found = _HOST.fullmatch(header)
        if found is None:
            return False
        name = found[1].strip("[]")
        if name in self._names or ANY in self._names:
            return True
        return _address(name) is not None and (not self._loopback or _is_loopback(name))

    def _allows(self, origin: str, host: str | None) -> bool:
        """Tell whether a page of this origin may call: one of this server itself, or of a setting."""
        if origin in self._origins or ANY in self._origins:
            return True
        _, separator, place = origin.partition("://")
        return bool(separator) and place == host


_FOREIGN_HOST: Final = partial(
    status_report,
    HTTPStatus.BAD_REQUEST,
    "the Host header names no server that is known here",
    "Call the server by its address, or add the name to http.allowed_hosts.",
)
_FOREIGN_ORIGIN: Final = partial(
    status_report,
    HTTPStatus.BAD_REQUEST,
    "the page that asks is of another origin",
    "Add its origin to http.cors_origins if it is to be trusted.",
)


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _is_loopback(name: str) -> bool:
    address = _address(name)
    return address is not None and address.is_loopback
