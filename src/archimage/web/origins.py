"""From where something may be changed: by programs, and by the pages of this server itself.

A page of any other site could have a visitor's browser delete studies here, with his cookies. A browser says where the
page comes from that sends a request (Sec-Fetch-Site, Origin), and pages cannot change that; programs say nothing.
"""

from functools import partial
from http import HTTPStatus
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from archimage.web.errors import status_report

READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITES: Final = frozenset({b"same-origin", b"none"})


class SameOrigin:
    """Lets through what reads, and of what changes something only what no page of another origin has sent.

    That an origin may use DICOMweb (`http.cors_origins`) is no leave to manage the archive.
    """

    def __init__(self, application: ASGIApp) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["method"] not in READING and not is_own(scope):
            return await _FOREIGN_PAGE()(scope, receive, send)
        return await self._application(scope, receive, send)


def is_own(scope: Scope) -> bool:
    """Tell whether a request comes from a program, or from a page of this server."""
    headers = dict(scope["headers"])
    site = headers.get(b"sec-fetch-site")
    if site is not None and site not in _OWN_SITES:
        return False
    origin = headers.get(b"origin")
    if origin is None:
        return True
    _, separator, place = origin.lower().partition(b"://")
    return bool(separator) and place == headers.get(b"host", b"").lower()


_FOREIGN_PAGE: Final = partial(
    status_report,
    HTTPStatus.FORBIDDEN,
    "a page of another origin must not change anything here",
    "Open the page on this server itself, or use a program.",
)
