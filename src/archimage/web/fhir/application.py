"""FHIR as one ASGI application."""

from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from archimage.errors import ArchimageError
from archimage.logger import logger
from archimage.web.dicomweb.parameters import Parameters
from archimage.web.fhir import capability, imaging, ordering, outcomes, reporting, subscribing
from archimage.web.fhir.calls import Call, Endpoint, FhirServices
from archimage.web.fhir.forms import check_accepted
from archimage.web.guarding import Guarded
from archimage.web.management import FHIR
from archimage.web.measured import ROUTE, where
from archimage.web.permitted import Permits

_log = logger("error")


async def _metadata(call: Call) -> Response:
    return call.answer(capability.statement(call.base, ENDPOINTS, imaging.INCLUDES))


ENDPOINTS: Final = (
    Endpoint("GET", "/metadata", _metadata),
    *imaging.ENDPOINTS,
    *ordering.ENDPOINTS,
    *reporting.ENDPOINTS,
    *subscribing.ENDPOINTS,
)


def build(services: FhirServices, permits: Permits, *, body_timeout_s: float) -> ASGIApp:
    """Make the application; body_timeout_s bounds the wait for a request's body, seconds."""
    paths = dict.fromkeys(endpoint.path for endpoint in ENDPOINTS)
    by_path = {path: {one.method: one for one in ENDPOINTS if one.path == path} for path in paths}
    application = Starlette(
        routes=[_route(FHIR + path, methods, services, permits) for path, methods in by_path.items()],
        exception_handlers={ArchimageError: outcomes.of_ours, HTTPException: outcomes.of_framework},
    )
    application.router.redirect_slashes = False
    return Guarded(application, body_timeout_s=body_timeout_s)


def _route(path: str, endpoints: dict[str, Endpoint], services: FhirServices, permits: Permits) -> Route:
    async def handle(request: Request) -> Response:
        request.scope[ROUTE] = path
        endpoint = endpoints["GET" if request.method == "HEAD" else request.method]
        await permits.enter(request.scope, path)
        parameters = Parameters.parse(request.scope["query_string"])
        check_accepted(request.headers.get("accept"), parameters.one("_format"))
        try:
            return await endpoint.handler(Call(request, services, parameters))
        except (ArchimageError, HTTPException):
            raise
        except Exception:
            _log.exception("a request met a bug", **where(request.scope))
            return outcomes.unforeseen()

    return Route(path, handle, methods=[*endpoints])
