"""Who sends a request is found out before anything else; what is wrong with that is told only where it matters."""

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from archimage.errors import ArchimageError
from archimage.services.access import AccessService
from archimage.web.authenticated import Authenticator, anybody

PRINCIPAL: Final = "archimage.principal"
"""Where in a request's scope it stands who sends it."""
UNPROVED: Final = "archimage.unproved"
"""Where it stands why what he comes with proves nothing: an error, for whatever is not for everybody."""
_CHALLENGE: Final = 'Basic realm="archimage", charset="UTF-8", Bearer realm="archimage"'
_CHALLENGE_OF_PAGES: Final = 'Bearer realm="archimage"'


class Identified:
    """Passes requests on, with who sends them; while everybody may do everything, nobody is asked who he is."""

    def __init__(self, application: ASGIApp, authenticator: Authenticator, access: AccessService) -> None:
        self._application = application
        self._authenticator = authenticator
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if self._access.is_open:
            scope[PRINCIPAL] = anybody(scope)
            return await self._application(scope, receive, send)
        try:
            scope[PRINCIPAL] = await self._authenticator.principal(scope)
        except ArchimageError as error:
            scope[PRINCIPAL], scope[UNPROVED] = anybody(scope), error

        async def challenging(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 401:
                MutableHeaders(scope=message)["WWW-Authenticate"] = _challenge(scope)
            await send(message)

        return await self._application(scope, receive, challenging)


def _challenge(scope: Scope) -> str:
    """Say how somebody may prove who he is; what a page asks for makes no browser ask for a password."""
    of_page = any(name == b"sec-fetch-mode" and value != b"navigate" for name, value in scope["headers"])
    return _CHALLENGE_OF_PAGES if of_page else _CHALLENGE
