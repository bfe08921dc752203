"""The management API as one ASGI application."""

from fastapi import APIRouter, Depends, FastAPI, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from archimage import __version__
from archimage.web.api import (
    access,
    associations,
    audit,
    changes,
    commitments,
    deidentified,
    deliveries,
    events,
    holds,
    identity,
    jobs,
    labels,
    messages,
    nodes,
    objects,
    performed_steps,
    plugins,
    printing,
    problems,
    retention,
    routing,
    studies,
    study_jobs,
    system,
    tasks,
    upload,
    workitems,
    worklist,
)
from archimage.web.management import ROOT, ApiServices
from archimage.web.measured import ROUTE
from archimage.web.origins import SameOrigin
from archimage.web.permitted import Permits


def routers() -> tuple[APIRouter, ...]:
    """Return the resources, in the order in which the documentation shows them."""
    return (
        studies.router(),
        labels.router(),
        holds.router(),
        retention.router(),
        changes.router(),
        commitments.router(),
        objects.router(),
        deidentified.router(),
        messages.router(),
        upload.router(),
        performed_steps.router(),
        deliveries.router(),
        routing.router(),
        nodes.router(),
        worklist.router(),
        workitems.router(),
        associations.router(),
        system.router(),
        plugins.router(),
        tasks.router(),
        jobs.router(),
        study_jobs.router(),
        printing.router(),
        events.router(),
        audit.router(),
        access.router(),
        identity.router(),
    )


def build(services: ApiServices, permits: Permits, *, body_timeout_s: float) -> ASGIApp:
    """Make the application; body_timeout_s bounds the wait for a request's body, seconds."""
    application = describe()
    application.state.services = services
    application.state.permits = permits
    problems.register(application, body_timeout_s=body_timeout_s)
    return SameOrigin(_Named(application))


class _Named:
    """Leaves the template of the address that was served: of a router's resources the framework may not tell all."""

    def __init__(self, application: ASGIApp) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            await self._application(scope, receive, send)
        finally:
            if (route := scope.get("route")) is not None:
                scope[ROUTE] = ROOT + route.path.removeprefix(ROOT)


async def _permit(request: Request) -> None:
    """Let a request in, or refuse it, before anything of it is done."""
    await request.app.state.permits.enter(request.scope, ROOT + request.scope["route"].path.removeprefix(ROOT))


def describe() -> FastAPI:
    """Make the application bare: it can only describe itself."""
    application = FastAPI(
        title="archimage",
        version=__version__,
        description="Management API of the archive. DICOMweb is described at /openapi.json.",
        openapi_url=f"{ROOT}/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Depends(_permit)],
    )
    for router in routers():
        application.include_router(router, prefix=ROOT)
    return application
