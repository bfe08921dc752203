"""Orthanc's paths as one ASGI application."""

from typing import Any, Final, cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from archimage.errors import ArchimageError
from archimage.web.dicomweb.parameters import Parameters
from archimage.web.guarding import Guarded
from archimage.web.origins import SameOrigin
from archimage.web.orthanc import failures, instances, resources, storing, system, tools
from archimage.web.orthanc.calls import Call, Endpoint, OrthancServices, check_parameters
from archimage.web.permitted import Permits

ENDPOINTS: Final = (
    *system.ENDPOINTS,
    *resources.ENDPOINTS,
    *instances.ENDPOINTS,
    *storing.ENDPOINTS,
    *tools.ENDPOINTS,
)
SEGMENTS: Final = frozenset(endpoint.path[1:].partition("/")[0] for endpoint in ENDPOINTS)
"""First segments of the addresses that are served here."""


def build(services: OrthancServices, permits: Permits, *, body_timeout_s: float) -> ASGIApp:
    """Make the application; body_timeout_s bounds the wait for a request's body, seconds."""
    paths = dict.fromkeys(endpoint.path for endpoint in ENDPOINTS)
    by_path = {path: {one.method: one for one in ENDPOINTS if one.path == path} for path in paths}
    application = Starlette(
        routes=[_route(path, methods, services, permits) for path, methods in by_path.items()],
        exception_handlers={ArchimageError: failures.of_ours, HTTPException: failures.of_framework},
    )
    application.router.redirect_slashes = False
    return SameOrigin(Guarded(application, body_timeout_s=body_timeout_s))


def _route(path: str, endpoints: dict[str, Endpoint], services: OrthancServices, permits: Permits) -> Route:
    async def handle(request: Request) -> Any:
        endpoint = endpoints["GET" if request.method == "HEAD" else request.method]
        await permits.enter(request.scope, path)
        parameters = Parameters.parse(request.scope["query_string"])
        check_parameters(parameters, endpoint.parameters)
        return cast("Response", await endpoint.handler(Call(request, services, parameters)))

    return Route(path, handle, methods=[*endpoints])
