"""What is served beside DICOMweb and probes: management API, Orthanc's paths, pages, viewer."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from archimage.config import Config
from archimage.model.hashed import is_hashed_id
from archimage.web.api import application as api
from archimage.web.fhir import application as fhir
from archimage.web.fhir.calls import FhirServices
from archimage.web.guarding import Guarded
from archimage.web.management import FHIR
from archimage.web.ohif.adapting import ROOT as VIEWER_ROOT
from archimage.web.ohif.application import Ohif
from archimage.web.ohif.installed import Installation
from archimage.web.origins import SameOrigin
from archimage.web.orthanc import application as orthanc
from archimage.web.orthanc.calls import OrthancServices
from archimage.web.pages import application as pages
from archimage.web.pages import login
from archimage.web.permitted import Permits


@dataclass(frozen=True, slots=True)
class Parts:
    """Sends each request to the part that serves its address."""

    parts: Mapping[str, ASGIApp]
    """By the first segment of the address."""
    orthanc: ASGIApp | None
    others: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = scope["raw_path"].decode("latin-1")
        if self.orthanc is not None and _is_orthanc(scope, path):
            part = self.orthanc
        else:
            part = self.parts.get(path[1:].partition("/")[0], self.others)
        await part(scope, receive, send)


def _is_orthanc(scope: Scope, path: str) -> bool:
    """Tell whether an address is Orthanc's; of those that pages have too, a browser is shown the page."""
    segment, _, rest = path[1:].partition("/")
    if segment not in orthanc.SEGMENTS or segment not in pages.SEGMENTS:
        return segment in orthanc.SEGMENTS
    if rest:
        return is_hashed_id(rest.partition("/")[0])
    accepted = b",".join(value for name, value in scope["headers"] if name == b"accept")
    return not (path in pages.ADDRESSES and b"text/html" in accepted)


def build(services: OrthancServices, permits: Permits, config: Config, others: ASGIApp) -> Parts:
    """Make the parts; others answers where none of them does."""
    settings, management = config.http, services.management
    viewer = Installation(config.viewer_directory)
    shown = SameOrigin(
        Guarded(
            pages.build(management, permits, viewer, settings.public_url),
            body_timeout_s=settings.request_timeout_s,
            held=lambda _path: True,
        )
    )
    parts: dict[str, ASGIApp] = {
        "api": api.build(management, permits, body_timeout_s=settings.request_timeout_s),
        **dict.fromkeys((*pages.SEGMENTS, *login.SEGMENTS), shown),
        VIEWER_ROOT[1:]: Ohif(viewer, shown, management.preparing.begin),
    }
    if management.department.fhir is not None:
        found = FhirServices(management.department.fhir, services.threads.quick, settings.public_url)
        parts[FHIR[1:]] = fhir.build(found, permits, body_timeout_s=settings.request_timeout_s)
    followed = None
    if settings.orthanc_api:
        followed = orthanc.build(services, permits, body_timeout_s=settings.request_timeout_s)
    return Parts(parts, followed, others)
