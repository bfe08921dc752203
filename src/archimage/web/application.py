"""The web side as one ASGI application: DICOMweb, management API, Orthanc's paths, pages, viewer, and probes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Final

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from archimage.config import Config
from archimage.meter_ports import Meter
from archimage.model.hashed import is_hashed_id
from archimage.services.health import HealthService
from archimage.services.orthanc import OrthancService
from archimage.web import metrics, openapi, probes
from archimage.web.cors import allow_origins
from archimage.web.dicomweb.resources import Threads, WebServices
from archimage.web.dicomweb.service import DicomWebService
from archimage.web.dicomweb.table import RESOURCES
from archimage.web.errors import status_report
from archimage.web.hosts import HostGuard
from archimage.web.later import Later
from archimage.web.management import ApiServices
from archimage.web.measured import ROUTE, Measured
from archimage.web.ohif.adapting import ROOT as VIEWER_ROOT
from archimage.web.ohif.application import Ohif
from archimage.web.ohif.installed import Installation
from archimage.web.orthanc import application as orthanc
from archimage.web.orthanc.calls import OrthancServices
from archimage.web.pages import application as pages

_READ_ONLY: Final = partial(
    status_report, HTTPStatus.METHOD_NOT_ALLOWED, "this can only be read", "Use GET.", {"Allow": "GET, HEAD"}
)


@dataclass(frozen=True, slots=True)
class Counting:
    """What hears of requests, and what tells the metrics and blocks; None where nothing is counted."""

    meter: Meter
    exposition: Callable[[], bytes] | None


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
    parts: Mapping[str, ASGIApp]
    """By the first segment of the address."""
    orthanc: ASGIApp | None
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
        elif self.orthanc is not None and _is_orthanc(scope, path):
            part = self.orthanc
        else:
            part = self.parts.get(path[1:].partition("/")[0], self.others)
        return await part(scope, receive, send)


def _is_orthanc(scope: Scope, path: str) -> bool:
    """Tell whether an address is Orthanc's; of those that pages have too, a browser is shown the page."""
    segment, _, rest = path[1:].partition("/")
    if segment not in orthanc.SEGMENTS or segment not in pages.SEGMENTS:
        return segment in orthanc.SEGMENTS
    if rest:
        return is_hashed_id(rest.partition("/")[0])
    accepted = b",".join(value for name, value in scope["headers"] if name == b"accept")
    return not (path in pages.ADDRESSES and b"text/html" in accepted)


def build(  # noqa: PLR0913, PLR0917 - called in one place
    services: WebServices,
    management: ApiServices,
    named: OrthancService,
    health: HealthService,
    config: Config,
    threads: Threads,
    counting: Counting,
) -> Web:
    """Make the application; threads run what blocks."""
    settings = config.http
    api = Later(partial(_management, management, settings.request_timeout_s))
    dicomweb = DicomWebService(
        RESOURCES, services, threads, public_url=settings.public_url, body_timeout_s=settings.request_timeout_s
    )
    described = Response(
        openapi.document(RESOURCES), media_type="application/json", headers={"Cache-Control": "no-cache"}
    )
    documents: dict[str, ASGIApp] = {"/openapi.json": described}
    if counting.exposition is not None:
        documents[metrics.PATH] = metrics.endpoint(counting.exposition)
    viewer = Installation(config.viewer_directory)
    shown = pages.build(management, viewer, settings.public_url)
    followed: ASGIApp | None = None
    parts: dict[str, ASGIApp] = {
        "api": api,
        **dict.fromkeys(pages.SEGMENTS, shown),
        VIEWER_ROOT[1:]: Ohif(viewer, shown, management.preparing.begin),
    }
    if settings.orthanc_api:
        served = OrthancServices(named, services, management, threads)
        followed = orthanc.build(served, body_timeout_s=settings.request_timeout_s)
    application = Application(dicomweb, documents, parts, followed, probes.build(health.needed, health.parts))
    guarded = HostGuard(
        allow_origins(application, settings.cors_origins), settings.host, settings.allowed_hosts, settings.cors_origins
    )
    return Web(guarded if counting.exposition is None else Measured(guarded, counting.meter), api.finish)


def _management(services: ApiServices, body_timeout_s: float) -> ASGIApp:
    """Make the management API."""
    from archimage.web.api import application  # FastAPI and its models are a quarter of what a start imports and makes

    return application.build(services, body_timeout_s=body_timeout_s)
