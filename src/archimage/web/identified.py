"""Who sends a request is found out before anything else; what is wrong with that is told only where it matters."""

import math
from http import HTTPStatus
from typing import Final

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from archimage.errors import ArchimageError
from archimage.services.access import AccessService
from archimage.services.rates import Rates, limited_as
from archimage.web import probes
from archimage.web.authenticated import Authenticator, anybody
from archimage.web.errors import status_report

PRINCIPAL: Final = "archimage.principal"
"""Where in a request's scope it stands who sends it."""
UNPROVED: Final = "archimage.unproved"
"""Where it stands why what he comes with proves nothing: an error, for whatever is not for everybody."""
_UNLIMITED: Final = ("/static/", *sorted(probes.PATHS))


class Identified:
    """Passes requests on, with who sends them; while everybody may do everything, nobody is asked who he is."""

    def __init__(self, application: ASGIApp, authenticator: Authenticator, access: AccessService, rates: Rates) -> None:
        self._application = application
        self._authenticator = authenticator
        self._access = access
        self._rates = rates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        scope[PRINCIPAL] = anybody(scope)
        if not self._access.is_open:
            try:
                scope[PRINCIPAL] = await self._authenticator.principal(scope)
            except ArchimageError as error:
                scope[UNPROVED] = error
        wait_s = 0.0
        if self._rates.per_s and not scope["path"].startswith(_UNLIMITED):
            wait_s = self._rates.take(limited_as(scope[PRINCIPAL]))
        part = _limited(wait_s) if wait_s else self._application
        await part(scope, receive, send)


def _limited(wait_s: float) -> Response:
    return status_report(
        HTTPStatus.TOO_MANY_REQUESTS,
        "you have asked more often than access.requests_per_s allows",
        f"Ask again in {wait_s:.1f} s.",
        {"Retry-After": str(math.ceil(wait_s))},
    )
