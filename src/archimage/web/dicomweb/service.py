"""The DICOMweb service as an ASGI application: finds the resource, calls its handler, answers its errors.

Ref: PS3.18 §8.
"""

from collections.abc import Iterable
from http import HTTPStatus

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from archimage.errors import ArchimageError, ConnectionFailedError, ExcessiveRequestError, InvalidRequestError
from archimage.logger import logger
from archimage.web import errors
from archimage.web.dicomweb.resources import SERVICE_ROOT, DicomWebRequest, Resource, Threads, WebServices
from archimage.web.dicomweb.routes import Route, Routes
from archimage.web.hosts import address_of
from archimage.web.measured import ROUTE, where
from archimage.web.permitted import Permits
from archimage.web.receiving import TimedReceive
from archimage.web.sending import Sending, has_body

_log = logger("web")
_error = logger("error")


class DicomWebService:
    """Serves a table of resources.

    public_url is the address of the server as clients see it, empty for that of each request's Host header.
    threads run what blocks; body_timeout_s bounds the wait for a request's body, seconds.
    """

    def __init__(
        self,
        resources: Iterable[Resource],
        services: WebServices,
        threads: Threads,
        permits: Permits,
        *,
        public_url: str = "",
        body_timeout_s: float = 30.0,
    ) -> None:
        self._routes = Routes(resources)
        self._services = services
        self._threads = threads
        self._permits = permits
        self._public_url = public_url
        self._body_timeout_s = body_timeout_s

    def serves(self, raw_path: str) -> bool:
        """Tell whether a path may be one of ours; those outside the service root must be in the table."""
        if raw_path == SERVICE_ROOT or raw_path.startswith(f"{SERVICE_ROOT}/"):
            return True
        return self._routes.has_root(raw_path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        body = TimedReceive(receive, self._body_timeout_s)
        sending = Sending(send, has_body=has_body(scope), body=body)
        try:
            await self._answer(scope, body, sending)
        except ConnectionFailedError:
            return
        except ArchimageError as error:
            if sending.started:
                _log.error("an answer broke off", **where(scope), reason=str(error))
                raise  # the protocol ends the connection, so that the client sees it
            await self._fail(error, scope, sending)
        except Exception:
            if sending.started:
                raise
            _error.exception("a request met a bug", **where(scope))
            await errors.unforeseen()(scope, receive, sending)

    async def _answer(self, scope: Scope, body: TimedReceive, send: Sending) -> None:
        route = self._routes.find(scope["raw_path"].decode("latin-1"))
        if route is None:
            return await _not_found()(scope, body, send)
        resource = route.resources.get(scope["method"])
        if resource is None:
            scope[ROUTE] = next(iter(route.resources.values())).address
            return await _no_method(scope["method"], route)(scope, body, send)
        scope[ROUTE] = resource.address
        await self._permits.enter(scope, resource.address)
        _check_length(scope, resource)
        request = DicomWebRequest(
            resource, route.variables, scope, body, self._services, self._threads, self._base_url(scope)
        )
        answer = await resource.handler(request)
        return await answer(scope, body, send)

    async def _fail(self, error: ArchimageError, scope: Scope, send: Sending) -> None:
        status = errors.answer_to(error).status
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            _log.error("a request failed", **where(scope), status=int(status), reason=repr(error))
        await errors.response(error)(scope, send.body, send)

    def _base_url(self, scope: Scope) -> str:
        return address_of(scope, self._public_url) + SERVICE_ROOT


def _check_length(scope: Scope, resource: Resource) -> None:
    """Refuse what says itself that it is too long, before anything of it is read."""
    limit = resource.max_body_bytes
    for name, value in scope["headers"]:
        if name == b"content-length":
            if not value.isdigit():
                raise InvalidRequestError("Content-Length is not a number")
            if limit is not None and (len(value) > 18 or int(value) > limit):
                raise ExcessiveRequestError(f"the body is longer than {limit} bytes")


def _not_found() -> Response:
    return errors.status_report(HTTPStatus.NOT_FOUND, errors.NOWHERE, "See /openapi.json for what is.")


def _no_method(method: str, route: Route) -> Response:
    headers = {"Allow": route.methods}
    if method == "OPTIONS":
        return Response(status_code=HTTPStatus.NO_CONTENT, headers=headers)
    return errors.status_report(
        HTTPStatus.METHOD_NOT_ALLOWED, f"{method[:20]} cannot be done here", f"Use {route.methods}.", headers
    )
