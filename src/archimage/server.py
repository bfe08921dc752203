"""The listeners of one process over an open archive: both ports, from the first connection to the last."""

import asyncio
import gc
import importlib
import signal
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from archimage.app import App
from archimage.concurrency import sizes
from archimage.concurrency.uses import Uses
from archimage.config import Config, DicomConfig
from archimage.errors import ConfigError
from archimage.hl7.server import Hl7Server
from archimage.listeners import Addresses, bind_all, check_closed
from archimage.logger import logger
from archimage.model.audit import Result
from archimage.model.concurrency import ConcurrencyReport
from archimage.net.admission import AdmissionPolicy
from archimage.net.audited import Audited
from archimage.net.client import ClientSettings
from archimage.net.dispatch import Registry, ServiceClass
from archimage.net.identity import IdentityPolicy
from archimage.net.permitted import Permitted
from archimage.net.scp import objects as objects_scp
from archimage.net.scp import query as query_scp
from archimage.net.scp import retrieve as retrieve_scp
from archimage.net.scp import storage as storage_scp
from archimage.net.scp import verification as verification_scp
from archimage.net.server import DicomServer
from archimage.protocol.association import AssociationSettings
from archimage.services.deletion import DeletionService
from archimage.services.move_jobs import MoveJobs
from archimage.services.orthanc import OrthancService
from archimage.services.tags import TagService
from archimage.threads import ContextThreads, Pool, WorkerThreads
from archimage.tls.forwarded import Balancers
from archimage.web.dicomweb.resources import Threads, WebServices
from archimage.web.protocol import HttpLimits
from archimage.web.server import HttpServer

if TYPE_CHECKING:
    from archimage.web.application import Web
    from archimage.web.management import ApiServices

_log = logger("security")

ReadConfig = Callable[[], Config]
OnReady = Callable[[Addresses], None]
"""Called once all ports are listened on."""


@dataclass(frozen=True, slots=True)
class _Doors:
    """The listeners."""

    dicom: DicomServer
    http: HttpServer
    hl7: Hl7Server

    async def close(self, grace_s: float) -> None:
        """Close all of them at once; what goes on has grace_s, seconds."""
        await asyncio.gather(self.dicom.close(grace_s), self.http.close(grace_s), self.hl7.close(grace_s))


async def serve(app: App, on_ready: OnReady, read: ReadConfig | None = None) -> None:
    """Listen until SIGTERM or SIGINT, then close the archive; read gives the settings anew at SIGHUP."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    with ExitStack() as held:
        held.callback(app.close)
        web = Threads(WorkerThreads(sizes.WEB_THREADS, "web"), WorkerThreads(sizes.IMAGE_THREADS, "image"))
        held.callback(web.slow.close)
        held.callback(web.quick.close)
        readers = ContextThreads(sizes.READ_THREADS, "read")
        held.callback(readers.shutdown)
        ingest = held.enter_context(closing(WorkerThreads(sizes.INGEST_THREADS, "ingest")))
        held.callback(app.pixels.close)  # so that no thread waits for an image
        default = ContextThreads(sizes.DEFAULT_THREADS, "default")
        loop.set_default_executor(default)
        pools: dict[str, Pool] = {
            "web": web.quick,
            "image": web.slow,
            "read": readers,
            "ingest": ingest,
            "default": default,
        }
        app.metering.watch_threads(pools)
        uses = Uses(app)
        uses.threads(pools)
        held.callback(app.metering.begin().cancel)
        dicom = DicomServer(
            association_settings(app.config.dicom),
            registry(app, ingest, readers),
            _admission(app),
            app.associations,
        )
        if read is not None:
            loop.add_signal_handler(signal.SIGHUP, _reload, app, read, dicom)
        served = web_side(app, web, uses)
        http = _http_server(app, served)
        doors = _Doors(dicom, http, app.messaging.listener(app.services.access))
        uses.listeners(dicom, http, doors.hl7)
        app.metering.watch_threads({"pages": http.framework_threads})
        try:
            await _listen(app, doors, on_ready)
            web.quick.run(_finish, served)
            await stopped.wait()
        finally:
            _leave(app)
            calls = asyncio.to_thread(app.peers.close)  # so that no request waits for a peer
            await asyncio.gather(doors.close(app.config.dicom.grace_s), calls)
            app.auditing.service.listening(attached=False)


def _leave(app: App) -> None:
    """Tell whoever asks, and what others wait for, that this process is about to stop."""
    app.health.end()
    app.jobs.service.leave()


def _reload(app: App, read: ReadConfig, dicom: DicomServer) -> None:
    """Take over what may change while the archive runs; no association notices."""
    try:
        fresh = read()
        waiting = app.config.waiting(fresh)
        app.configure(app.config.with_reloaded(fresh))
    except ConfigError as error:
        _log.error("the settings stay as they are", reason=str(error))
        app.auditing.service.configured(f"the settings stay as they are: {error}", result=Result.MINOR_FAILURE)
        return
    dicom.admit_by(_admission(app))
    _log.info("the settings were read again")
    app.auditing.service.configured("the settings were read again")
    if waiting:
        _log.warning("settings were changed that hold from the next start on", settings=", ".join(waiting))


async def _listen(app: App, doors: _Doors, on_ready: OnReady) -> None:
    """Take the ports, last of all, and tell."""
    config = app.config
    check_closed(config, has_users=app.services.access.has_users)
    bound = bind_all(config, shared=config.dicom.workers > 1)
    failed = app.auditing.service.handshake_failed
    if bound.dicom is not None:
        await doors.dicom.listen(bound.dicom, Balancers(config.dicom.proxy_from))
    if bound.dicom_tls is not None:
        trusted = Balancers(config.dicom.proxy_from)
        doors.dicom.listen_tls(bound.dicom_tls, partial(app.tls.acceptor, "dicom"), failed, trusted)
    context = partial(app.tls.acceptor, "http") if config.http.tls else None
    await doors.http.listen(bound.http, context, failed, Balancers(config.http.proxy_from))
    if bound.hl7 is not None and config.hl7.tls:
        doors.hl7.listen_tls(bound.hl7, partial(app.tls.acceptor, "hl7"), failed)
    elif bound.hl7 is not None:
        await doors.hl7.listen(bound.hl7)
    app.auditing.service.started()
    app.auditing.service.listening(attached=True)
    app.services.status.listening(bound.addresses.ports)
    app.begin()
    on_ready(bound.addresses)


def _finish(web: "Web") -> None:
    """Make what the start did not wait for; it stays, so that no request is to wait while it is looked through."""
    web.finish()
    importlib.import_module("archimage.concurrency.report")
    gc.freeze()


def _http_server(app: App, web: "Web") -> HttpServer:
    http = app.config.http
    limits = HttpLimits(http.request_timeout_s, http.send_timeout_s, max_connections=http.max_connections)
    return HttpServer(web.application, limits)


def web_side(app: App, threads: Threads, uses: Uses) -> "Web":
    """Return everything that is served over HTTP; what blocks is done in these threads, and uses is told."""
    from archimage.web import application  # the framework takes a while to import, and only a server needs it

    services = app.services
    dicomweb = WebServices(
        query=services.query,
        store=services.store,
        frames=services.frames,
        metadata=services.metadata,
        removal=services.removal,
        rendering=services.rendering,
        transcoding=services.transcoding,
        signatures=app.signatures,
        procedures=app.department.procedures.service,
    )
    named = OrthancService(app.hashed, services.query, services.removal, app.visible)
    observing = application.Observing(
        app.metering.meter, app.metering.exposition, app.tracer, app.auditing.trail, app.web_rates
    )
    return application.build(dicomweb, _management(app, uses), named, app.health, app.config, threads, observing)


def _management(app: App, uses: Uses) -> "ApiServices":
    """Return the use cases of the management API and the pages."""
    from archimage.web.management import ApiServices

    services = app.services
    return ApiServices(
        status=services.status,
        catalogue=services.catalogue,
        tags=TagService(services.catalogue, services.metadata),
        deletion=DeletionService(services.removal, services.catalogue, app.jobs.service),
        labels=services.labels,
        events=services.events,
        tasks=services.tasks,
        jobs=app.jobs.service,
        study_jobs=app.studies.jobs,
        exports=app.studies.exports,
        nodes=services.nodes,
        peers=app.peers,
        associations=app.associations,
        uploads=services.uploads,
        preparing=services.preparing,
        changes=app.changes,
        deidentified=app.deidentified,
        audit=app.auditing.service,
        signatures=app.signatures,
        access=services.access,
        visible=app.visible,
        identity=app.identity,
        oidc=app.oidc,
        objects=app.objects,
        concurrency=partial(_report, app, uses),
        department=app.department.services,
        routing=app.exchange.status,
        messaging=app.messaging.services,
        keeping=app.keeping.services,
        plugins=app.plugins.service,
    )


def _report(app: App, uses: Uses) -> ConcurrencyReport:
    """Tell every pool, queue, limit and cache."""
    from archimage.concurrency.report import report  # with all parts, whose limits it tells: a start is not to wait

    return report(app.config, uses)


def registry(app: App, ingest: WorkerThreads, readers: Executor) -> Registry:
    """Return the DICOM services; their work is done in these threads."""
    services, dicom = app.services, app.config.dicom
    destinations = retrieve_scp.Destinations(services.nodes, dicom.ae_title, ClientSettings(), app.tls.requestor)
    moves = MoveJobs(app.jobs.service, app.visible, dicom.large_move)
    audited = Audited(app.auditing.service, app.auditing.trail)
    permitted = Permitted(services.access, app.rates, app.auditing.service.denied, services.store.publish)
    served: tuple[ServiceClass, ...] = (
        verification_scp.service(),
        storage_scp.service(services.store, ingest, unknown_sop_classes=dicom.accept_unknown_sop_classes),
        audited.service(query_scp.service(services.query, readers)),
        audited.service(
            retrieve_scp.service(services.retrieve, destinations, readers, app.transcoder, app.deidentifier, moves)
        ),
        audited.service(objects_scp.finding(app.objects, app.config.query.max_results, readers)),
        audited.service(objects_scp.retrieval(app.objects, destinations, readers)),
        *map(audited.service, app.department.dicom(readers)),
    )
    return Registry(*map(permitted.service, served))


def association_settings(dicom: DicomConfig) -> AssociationSettings:
    """Return what this side brings to an association."""
    return AssociationSettings(
        ae_title=dicom.ae_title,
        max_pdu_length=dicom.max_pdu_length,
        artim_timeout_s=dicom.artim_timeout_s,
        idle_timeout_s=dicom.idle_timeout_s,
        max_operations_performed=dicom.max_operations,
    )


def _admission(app: App) -> AdmissionPolicy:
    config, dicom = app.config, app.config.dicom
    called = frozenset(dicom.accepted_called_ae_titles or (dicom.ae_title,))
    return AdmissionPolicy(
        called_ae_titles=None if dicom.any_called_ae_title else called,
        calling_ae_titles=frozenset(dicom.allowed_calling_ae_titles),
        max_associations=dicom.max_associations,
        max_associations_per_ae=dicom.max_associations_per_ae,
        max_pending=dicom.max_pending_connections,
        max_pending_per_address=dicom.max_pending_per_address,
        certificates=config.tls.peers,
        may=app.services.access.may,
        vet=None if app.plugins.service is None else app.plugins.vet,
        identity=IdentityPolicy(
            app.identity,
            config.access.identity == "required",
            lambda: not app.services.access.is_open,
            app.auditing.identity.login,
        ),
    )
