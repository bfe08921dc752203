"""The web side as one ASGI application: probes and DICOMweb."""

from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from archimage.config import HttpConfig
from archimage.web import probes
from archimage.web.cors import allow_origins
from archimage.web.dicomweb.resources import WebServices
from archimage.web.dicomweb.service import DicomWebService
from archimage.web.dicomweb.table import RESOURCES
from archimage.web.hosts import HostGuard
from archimage.web.probes import Check


@dataclass(frozen=True, slots=True)
class Application:
    """Sends each request to the part that serves its address."""

    dicomweb: DicomWebService
    pages: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        serves = self.dicomweb.serves(scope["raw_path"].decode("latin-1"))
        await (self.dicomweb if serves else self.pages)(scope, receive, send)


def build(services: WebServices, checks: Mapping[str, Check], settings: HttpConfig, executor: Executor) -> ASGIApp:
    """Make the application; executor runs what blocks."""
    dicomweb = DicomWebService(
        RESOURCES, services, executor, public_url=settings.public_url, body_timeout_s=settings.request_timeout_s
    )
    application = allow_origins(Application(dicomweb, probes.build(checks)), settings.cors_origins)
    return HostGuard(application, settings.host, settings.allowed_hosts, settings.cors_origins)
