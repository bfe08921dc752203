"""The web side as one ASGI application: DICOMweb, descriptions, metrics and probes, and beside them `parts`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Final

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from archimage.config import Config
from archimage.ports.audit import AuditSink
from archimage.ports.meter import Meter
from archimage.services.health import HealthService
from archimage.services.orthanc import OrthancService
from archimage.services.rates import Rates
from archimage.spans import Tracer
from archimage.web import metrics, openapi, probes
from archimage.web.audited import Audited
from archimage.web.authenticated import Authenticator
from archimage.web.cors import allow_origins
from archimage.web.dicomweb.resources import Threads, WebServices
from archimage.web.dicomweb.service import DicomWebService
from archimage.web.dicomweb.table import RESOURCES
from archimage.web.errors import status_report
from archimage.web.hosts import HostGuard
from archimage.web.identified import Identified
from archimage.web.later import Later
from archimage.web.management import ApiServices
from archimage.web.measured import ROUTE, Measured
from archimage.web.permitted import Permits
from archimage.web.sockets import Sockets
from archimage.web.traced import Traced

_READ_ONLY: Final = partial(
    status_report, HTTPStatus.METHOD_NOT_ALLOWED, "this can only be read", "Use GET.", {"Allow": "GET, HEAD"}
)


@dataclass(frozen=True, slots=True)
class Observing:
    """What hears of requests, and what tells the metrics and blocks; None where nothing is counted."""

    meter: Meter
    exposition: Callable[[], bytes] | None
    tracer: Tracer
    sink: AuditSink
    """Says whether anything may be done."""
    rates: Rates
    """Limit how often somebody may ask."""


@dataclass(frozen=True, slots=True)
class Web:
    """The whole web side. It serves at once; finish, which blocks, makes what a start need not wait for."""

    application: ASGIApp
    finish: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Application:
    """Sends each request to the part that serves its address."""

    dicomweb: DicomWebService
    documents: Mapping[str, ASGIApp]
    probes: ASGIApp
    others: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = scope["raw_path"].decode("latin-1")
        if self.dicomweb.serves(path):
            return await self.dicomweb(scope, receive, send)
        document = self.documents.get(path)
        if document is not None:
            scope[ROUTE] = path
            part = document if scope["method"] in {"GET", "HEAD"} else _READ_ONLY()
        else:
            part = self.probes if path in probes.PATHS else self.others
        return await part(scope, receive, send)


def build(  # noqa: PLR0913, PLR0917 - called in one place
    services: WebServices,
    management: ApiServices,
    named: OrthancService,
    health: HealthService,
    config: Config,
    threads: Threads,
    observing: Observing,
) -> Web:
    """Make the application; threads run what blocks."""
    settings = config.http
    permits = Permits(management.access, management.visible)
    dicomweb = DicomWebService(
        RESOURCES, services, threads, permits, public_url=settings.public_url, body_timeout_s=settings.request_timeout_s
    )
    described = Response(
        openapi.document(RESOURCES), media_type="application/json", headers={"Cache-Control": "no-cache"}
    )
    documents: dict[str, ASGIApp] = {"/openapi.json": described}
    if observing.exposition is not None:
        documents[metrics.PATH] = permits.guarding(metrics.endpoint(observing.exposition), metrics.PATH)
    probing = probes.build(health.needed, health.parts, node=config.node.name)

    def make_others() -> ASGIApp:
        from archimage.web import parts  # with FastAPI, its models and templates: half a second of a start
        from archimage.web.orthanc.calls import OrthancServices

        return parts.build(OrthancServices(named, services, management, threads), permits, config, probing)

    others = Later(make_others)
    application = Application(dicomweb, documents, probing, others)
    allowed = allow_origins(application, settings.cors_origins)
    guarded = Audited(
        HostGuard(allowed, settings.host, settings.allowed_hosts, settings.cors_origins),
        management.audit,
        observing.sink,
    )
    authenticator = Authenticator(management.identity, threads.quick, settings.public_url)
    identified = Identified(guarded, authenticator, management.access, observing.rates)
    traced = Traced(identified, observing.tracer) if observing.tracer.traces else identified
    return Web(Sockets(Measured(traced, observing.meter)), others.finish)
