"""Who sends a request is found out before anything else; what is wrong with that is told only where it matters."""

from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from archimage.errors import ArchimageError
from archimage.services.access import AccessService
from archimage.web.authenticated import Authenticator, anybody

PRINCIPAL: Final = "archimage.principal"
"""Where in a request's scope it stands who sends it."""
UNPROVED: Final = "archimage.unproved"
"""Where it stands why what he comes with proves nothing: an error, for whatever is not for everybody."""


class Identified:
    """Passes requests on, with who sends them; while everybody may do everything, nobody is asked who he is."""

    def __init__(self, application: ASGIApp, authenticator: Authenticator, access: AccessService) -> None:
        self._application = application
        self._authenticator = authenticator
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        scope[PRINCIPAL] = anybody(scope)
        if not self._access.is_open:
            try:
                scope[PRINCIPAL] = await self._authenticator.principal(scope)
            except ArchimageError as error:
                scope[UNPROVED] = error
        await self._application(scope, receive, send)
