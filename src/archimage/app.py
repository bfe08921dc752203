"""The composition root: the only place that wires adapters to services."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import structlog
from starlette.types import ASGIApp

from archimage.config import Config
from archimage.dicom.scan import ScanLimits
from archimage.errors import ConfigError
from archimage.imaging.pool import WorkerPool
from archimage.imaging.process import WorkerSettings
from archimage.index.arrivals import ArrivalTable
from archimage.index.changes import ChangeTable
from archimage.index.hashed import HashedTable
from archimage.index.labels import LabelTable
from archimage.index.nodes import NodeTable
from archimage.index.sqlite import SqliteIndex
from archimage.metering import Metering
from archimage.model.events import InstanceRefused, InstanceStored
from archimage.model.nodes import Node
from archimage.net.admission import AdmissionPolicy
from archimage.net.associations import AssociationTable
from archimage.net.client import ClientSettings
from archimage.net.dispatch import Registry
from archimage.net.looping import LoopThread
from archimage.net.peers import NodePeers
from archimage.net.scp import query as query_scp
from archimage.net.scp import retrieve as retrieve_scp
from archimage.net.scp import storage as storage_scp
from archimage.net.scp import verification as verification_scp
from archimage.net.scp.outgoing import Outbound, Transcoder
from archimage.net.sending import NodeSender
from archimage.net.server import DicomServer, bind
from archimage.observe import logs
from archimage.protocol.association import AssociationSettings
from archimage.services.catalogue import CatalogueService
from archimage.services.change_plans import Planner
from archimage.services.change_work import Tools
from archimage.services.changes import ChangeService
from archimage.services.checkpoint import Checkpointer
from archimage.services.compression import CompressionService
from archimage.services.compression_rules import CompressionRules
from archimage.services.compressor import Compressor
from archimage.services.corrector import Corrector
from archimage.services.deletion import DeletionService
from archimage.services.derived import Derived
from archimage.services.events import EventHub
from archimage.services.frames import FrameService
from archimage.services.health import HealthService
from archimage.services.importing import ImportService
from archimage.services.intake import Intake
from archimage.services.labels import LabelService
from archimage.services.layout import Layout
from archimage.services.metadata import MetadataService
from archimage.services.nodes import NodeService
from archimage.services.orthanc import OrthancService
from archimage.services.peers import PeerService
from archimage.services.preparing import PreparingService
from archimage.services.query import QueryService
from archimage.services.recovery import recover
from archimage.services.removal import RemovalService
from archimage.services.rendering import RenderingService
from archimage.services.replacement import ReplacementService
from archimage.services.retrieve import RetrieveService
from archimage.services.room import Room
from archimage.services.status import Ports, StatusService
from archimage.services.store import Durability, StoreService
from archimage.services.tags import TagService
from archimage.services.tasks import TaskService
from archimage.services.transcoding import TranscodingService
from archimage.services.uploads import UploadService
from archimage.storage.cache import FilesystemCache, boot_id
from archimage.storage.filesystem import FilesystemBlobStore
from archimage.storage.journal import Journal, committed, replay, retire
from archimage.storage.lanes import Lane, Occupancy, Turn, recovery_turn, take_abandoned_lanes, take_free_lane
from archimage.threads import ContextThreads, WorkerThreads
from archimage.web.dicomweb.resources import SERVICE_ROOT, Threads, WebServices
from archimage.web.errors import explain
from archimage.web.protocol import HttpLimits
from archimage.web.server import HttpServer

_INGEST_THREADS: Final = 4
_READ_THREADS: Final = 8
_WEB_THREADS: Final = 8
_PEER_THREADS: Final = 4
_TRANSCODING_THREADS: Final = 4  # they only wait for worker processes
_IMAGE_THREADS: Final = 2 * (os.cpu_count() or 1) + 2
"""They wait for the worker processes, each for one frame or object at a time."""
_INDEX_TIMEOUT_S: Final = 4.0  # a modality is to have its refusal within five
_log = structlog.get_logger()

Address = tuple[str, int]
ReadConfig = Callable[[], Config]
OnReady = Callable[[Address, Address], None]
"""Called with the DICOM and the HTTP address once both listen."""


@dataclass(frozen=True, slots=True)
class Services:
    """The use cases."""

    store: StoreService
    query: QueryService
    retrieve: RetrieveService
    frames: FrameService
    removal: RemovalService
    metadata: MetadataService
    rendering: RenderingService
    transcoding: TranscodingService
    status: StatusService
    events: EventHub
    tasks: TaskService
    uploads: UploadService
    catalogue: CatalogueService
    labels: LabelService
    nodes: NodeService
    preparing: PreparingService


class App:
    """An open archive: the parts of one process, wired. `close` it."""

    def __init__(self, config: Config, *, alone: bool = False, counting: Path | None = None) -> None:
        self.config = config
        self.metering = Metering(lambda: self.config, self._titles, counting)
        with ExitStack() as opened:  # a start that fails leaves no thread behind, which would keep the process alive
            self._open(opened, alone=alone)
            self._held = opened.pop_all()

    def _open(self, opened: ExitStack, *, alone: bool) -> None:
        """Open the parts one after the other; opened closes them in the opposite order."""
        storage = self.config.storage
        directory, durable = storage.directory, storage.durability == "full"
        directory.mkdir(parents=True, exist_ok=True)
        opened.enter_context(closing(Occupancy(directory, alone=alone)))
        self.index = SqliteIndex(directory / "index.db", durable=durable, busy_timeout_s=_INDEX_TIMEOUT_S)
        opened.callback(self.index.close)
        with recovery_turn(directory):
            lone = _recover(directory, self.index)
        lane = opened.enter_context(closing(take_free_lane(directory)))
        self.blobs = FilesystemBlobStore(directory, lane.name, direct=storage.direct_io)
        opened.callback(self.blobs.close)
        journal = Journal(lane.journal_directory, segment_bytes=storage.journal_segment_bytes, durable=durable)
        opened.callback(journal.close)
        self.checkpointer = Checkpointer(journal, self.blobs, self.index)
        opened.callback(self.checkpointer.close)
        caches = _caches(self.config)
        self.derived = Derived(*caches)
        intake = Intake(self.blobs, journal, self.index, self.derived, replace=storage.duplicates == "replace")
        opened.callback(intake.close)
        self._room = Room(directory, storage.reserve_bytes)
        self.health = HealthService(self.index, self.blobs, intake, self.checkpointer, self._room)
        self._serve_from(opened, intake, caches)
        self.services.removal.resume(alone=lone)

    def _serve_from(self, opened: ExitStack, intake: Intake, caches: tuple[FilesystemCache, FilesystemCache]) -> None:
        """Make the services on what is open."""
        config, directory = self.config, self.config.storage.directory
        frames = FrameService(self.index, self.blobs)
        metadata, transcoded = caches
        events = EventHub()
        removal = RemovalService(self.index, self.blobs, self.derived, lambda: committed(directory), events.publish)
        opened.callback(removal.close)
        self.pixels = _worker_pool(config)
        replacement = opened.enter_context(closing(ReplacementService(intake, removal)))
        self.compression = self._compression(frames, replacement) if config.storage.compress else None
        if self.compression is not None:
            opened.callback(self.compression.close)
        self.associations = AssociationTable(events.publish, self.metering.meter)
        tasks = TaskService(events, explain)
        opened.callback(tasks.close)
        self._transcoding = ContextThreads(_TRANSCODING_THREADS, "transcode")
        opened.callback(self._transcoding.shutdown, cancel_futures=True)
        opened.callback(self.pixels.close)
        made = MetadataService(self.index, self.blobs, metadata, root=config.http.public_url + SERVICE_ROOT)
        preparing = PreparingService(made, self.pixels.warm)
        opened.callback(preparing.close)
        query = QueryService(self.index, max_results=config.query.max_results)
        labels = LabelTable(self.index)
        store = self._store_service(intake)
        uploads = UploadService(store, ImportService(store, self.index), tasks)
        opened.callback(uploads.close)
        self.services = Services(
            store=store,
            query=query,
            retrieve=RetrieveService(self.index, self.blobs),
            frames=frames,
            removal=removal,
            metadata=made,
            rendering=RenderingService(frames, self.pixels),
            transcoding=TranscodingService(frames, self.pixels, transcoded, boot_id()),
            status=StatusService(config, self.index, ArrivalTable(self.index)),
            events=events,
            tasks=tasks,
            uploads=uploads,
            catalogue=CatalogueService(query, labels, dicomweb=SERVICE_ROOT),
            labels=LabelService(labels, events),
            nodes=NodeService(_configured_nodes(config), NodeTable(self.index), events.publish),
            preparing=preparing,
        )
        opened.callback(self.services.status.close)
        self.peers = self._peer_service(opened)
        self.changes = self._change_service(replacement)
        opened.callback(self.changes.close)  # before the tasks, so that what they leave is gone on with
        self._meter(intake)

    def _meter(self, intake: Intake) -> None:
        """Have counted what happens, and what there is looked at."""
        services, metering = self.services, self.metering
        metering.hear(intake, self.pixels, self.compression, services.tasks)
        metering.hear(services.query, services.metadata, services.transcoding)
        metering.watch_machine(self.config.storage.directory, self.index)
        metering.watch_work(intake, self.pixels)
        pools = {"tasks": services.tasks.threads, "transcode": self._transcoding, "upload": services.uploads.pool}
        metering.watch_threads(pools)

    def _titles(self) -> list[str]:
        """Return the AE titles of all nodes; blocks."""
        return [node.ae_title for node in self.services.nodes.all()]

    def _change_service(self, replacement: ReplacementService) -> ChangeService:
        """Make what corrects, merges and moves."""
        config, frames, table = self.config, self.services.frames, ChangeTable(self.index)
        corrector = Corrector(frames, self.blobs, flush=config.storage.durability == "full")
        tools = Tools(table, self.index, frames, corrector, replacement, config.dicom.ae_title)
        turn = partial(Turn.take, config.storage.directory / "changing.lock")
        return ChangeService(tools, Planner(table, frames), self.services.tasks, turn, explain)

    def _peer_service(self, opened: ExitStack) -> PeerService:
        """Make what calls other nodes for people; its threads start with the first call."""
        services, ae_title = self.services, self.config.dicom.ae_title
        readers = ContextThreads(_PEER_THREADS, "peer-read")
        opened.callback(readers.shutdown, cancel_futures=True)
        outbound = Outbound(services.retrieve, readers, Transcoder(services.transcoding, self._transcoding))
        peers = NodePeers(ae_title, services.store, NodeSender(outbound, ae_title), LoopThread("peers"))
        opened.callback(peers.close)
        return PeerService(services.nodes, peers, services.retrieve, services.tasks)

    def _store_service(self, intake: Intake) -> StoreService:
        storage = self.config.storage
        return StoreService(
            self.blobs,
            intake,
            Durability(storage.journal_limit_bytes, flush=storage.durability == "full"),
            Layout(storage.layout),
            ScanLimits(),
            self._publish,
            self._room,
            CompressionRules(storage.compress),
            self.metering.meter,
        )

    def close(self) -> None:
        """Finish what was submitted, make it durable in its place, and let go of everything; once is enough."""
        self._held.close()

    async def serve(self, on_ready: OnReady, read: ReadConfig | None = None) -> None:
        """Listen until SIGTERM or SIGINT, then close the archive; read gives the settings anew at SIGHUP."""
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopped.set)
        with ExitStack() as held:
            held.callback(self.close)
            web = Threads(WorkerThreads(_WEB_THREADS, "web"), WorkerThreads(_IMAGE_THREADS, "image"))
            held.callback(web.slow.close)
            held.callback(web.quick.close)
            readers = ContextThreads(_READ_THREADS, "read")
            held.callback(readers.shutdown)
            ingest = held.enter_context(closing(WorkerThreads(_INGEST_THREADS, "ingest")))
            held.callback(self.pixels.close)  # so that no thread waits for an image
            self.metering.watch_threads({"web": web.quick, "image": web.slow, "read": readers, "ingest": ingest})
            held.callback(self.metering.begin().cancel)
            registry = self.registry(ingest, readers)
            dicom = DicomServer(self.association_settings(), registry, self._policy(), self.associations)
            if read is not None:
                loop.add_signal_handler(signal.SIGHUP, self._reload, read, dicom)
            http = self._http(web)
            try:
                await self._listen(dicom, http, on_ready)
                await stopped.wait()
            finally:
                self.health.end()
                calls = asyncio.to_thread(self.peers.close)  # so that no request waits for a peer
                grace_s = self.config.dicom.grace_s
                await asyncio.gather(dicom.close(grace_s), http.close(grace_s), calls)

    def _reload(self, read: ReadConfig, dicom: DicomServer) -> None:
        """Take over what may change while the archive runs; no association notices."""
        try:
            fresh = read()
        except ConfigError as error:
            _log.error("the settings stay as they are", reason=str(error))
            return
        waiting = self.config.waiting(fresh)
        self.config = self.config.with_reloaded(fresh)
        self.services.nodes.configure(_configured_nodes(self.config))
        self.services.status.configure(self.config)
        dicom.admit_by(self._policy())
        logs.configure(self.config.log.level, self.config.log.format)
        _log.info("the settings were read again")
        if waiting:
            _log.warning("settings were changed that hold from the next start on", settings=", ".join(waiting))

    async def _listen(self, dicom: DicomServer, http: HttpServer, on_ready: OnReady) -> None:
        """Take the ports, last of all, and tell."""
        dicom_socket, http_socket = _bind_listeners(self.config)
        await dicom.listen(dicom_socket)
        await http.listen(http_socket)
        self.services.status.listening(Ports(dicom_socket.getsockname()[1], http_socket.getsockname()[1]))
        if self.compression is not None:
            self.compression.start()
        self.changes.start()
        on_ready(dicom_socket.getsockname()[:2], http_socket.getsockname()[:2])

    def _http(self, threads: Threads) -> HttpServer:
        http = self.config.http
        limits = HttpLimits(http.request_timeout_s, http.send_timeout_s, max_connections=http.max_connections)
        return HttpServer(self.web_application(threads), limits)

    def web_application(self, threads: Threads) -> ASGIApp:
        """Return everything that is served over HTTP; what blocks is done in these threads."""
        from archimage.web import application  # the framework takes a while to import, and only a server needs it
        from archimage.web.api.resources import ApiServices

        services = self.services
        dicomweb = WebServices(
            query=services.query,
            store=services.store,
            frames=services.frames,
            metadata=services.metadata,
            removal=services.removal,
            rendering=services.rendering,
            transcoding=services.transcoding,
        )
        management = ApiServices(
            status=services.status,
            catalogue=services.catalogue,
            tags=TagService(services.catalogue, services.metadata),
            deletion=DeletionService(services.removal, services.catalogue, services.tasks),
            labels=services.labels,
            events=services.events,
            tasks=services.tasks,
            nodes=services.nodes,
            peers=self.peers,
            associations=self.associations,
            uploads=services.uploads,
            preparing=services.preparing,
            changes=self.changes,
        )
        named = OrthancService(HashedTable(self.index), services.query, services.removal)
        counting = application.Counting(self.metering.meter, self.metering.exposition)
        return application.build(dicomweb, management, named, self.health, self.config, threads, counting)

    def registry(self, ingest: WorkerThreads, readers: Executor) -> Registry:
        """Return the DICOM services; their work is done in these threads."""
        destinations = retrieve_scp.Destinations(self.services.nodes, self.config.dicom.ae_title, ClientSettings())
        transcoder = Transcoder(self.services.transcoding, self._transcoding)
        unknown = self.config.dicom.accept_unknown_sop_classes
        return Registry(
            verification_scp.service(),
            storage_scp.service(self.services.store, ingest, unknown_sop_classes=unknown),
            query_scp.service(self.services.query, readers),
            retrieve_scp.service(self.services.retrieve, destinations, readers, transcoder),
        )

    def association_settings(self) -> AssociationSettings:
        """Return what this side brings to an association."""
        dicom = self.config.dicom
        return AssociationSettings(
            ae_title=dicom.ae_title,
            max_pdu_length=dicom.max_pdu_length,
            artim_timeout_s=dicom.artim_timeout_s,
            idle_timeout_s=dicom.idle_timeout_s,
            max_operations_performed=dicom.max_operations,
        )

    def _policy(self) -> AdmissionPolicy:
        dicom = self.config.dicom
        called = frozenset(dicom.accepted_called_ae_titles or (dicom.ae_title,))
        return AdmissionPolicy(
            called_ae_titles=None if dicom.any_called_ae_title else called,
            calling_ae_titles=frozenset(dicom.allowed_calling_ae_titles),
            max_associations=dicom.max_associations,
            max_associations_per_ae=dicom.max_associations_per_ae,
            max_pending=dicom.max_pending_connections,
            max_pending_per_address=dicom.max_pending_per_address,
        )

    def _compression(self, frames: FrameService, replacement: ReplacementService) -> CompressionService:
        storage = self.config.storage
        compressor = Compressor(frames, self.blobs, self.pixels, flush=storage.durability == "full")
        turn = partial(Turn.take, storage.directory / "compressing.lock")
        return CompressionService(self.index, compressor, replacement, turn)

    def _publish(self, event: InstanceStored | InstanceRefused) -> None:
        self.services.events.publish(event)
        if self.compression is not None:
            self.compression.notice(event)
        if isinstance(event, InstanceRefused):
            over = {"association": event.association_id} if event.association_id else {}
            uid, ae_title = event.sop_instance_uid, event.source_ae_title
            _log.warning("object refused", sop_instance_uid=uid, ae=ae_title, reason=event.reason, **over)


def build(config: Config, *, alone: bool = False, counting: Path | None = None) -> App:
    """Open the archive that config describes; complete first what a crash has left.

    counting is the directory where several equal processes count together (`observe.cells`).

    Raises:
        ConfigError: its directory cannot be used, or others use it and this process must be alone.
    """
    directory = config.storage.directory
    try:
        return App(config, alone=alone, counting=counting)
    except OSError as error:
        raise ConfigError(f"storage.directory = {directory}: {error}; choose one that can be written") from error


def _worker_pool(config: Config) -> WorkerPool:
    pixels = config.pixels
    settings = WorkerSettings(timeout_s=pixels.timeout_s, memory_bytes=pixels.memory_bytes)
    return WorkerPool(pixels.workers or os.cpu_count() or 1, settings)


def _configured_nodes(config: Config) -> Iterator[Node]:
    return (Node(title, node.host, node.port) for title, node in config.nodes.items())


def _caches(config: Config) -> tuple[FilesystemCache, FilesystemCache]:
    """Return the caches of metadata and of objects in other transfer syntaxes, without what a crash has left."""
    directory = config.storage.directory / "cache"
    metadata = FilesystemCache(directory / "metadata", config.storage.metadata_cache_bytes)
    transcoded = FilesystemCache(directory / "transcoded", config.pixels.cache_bytes)
    metadata.clean()
    transcoded.clean()
    return metadata, transcoded


def _recover(directory: Path, index: SqliteIndex) -> bool:
    """Recover the lanes that nobody holds; tell whether these are all, so that nobody else uses the archive."""
    held = {path.name for path in (directory / "journal").iterdir()}
    for lane in take_abandoned_lanes(directory):
        held.discard(lane.name)
        try:
            _recover_lane(directory, lane, index)
        finally:
            lane.close()
    return not held


def _recover_lane(directory: Path, lane: Lane, index: SqliteIndex) -> None:
    blobs = FilesystemBlobStore(directory, lane.name)
    try:
        mended = recover(replay(lane.journal_directory), blobs, index)
        retire(lane.journal_directory)
    finally:
        blobs.close()
    if mended:
        _log.warning("completed objects that a crash had interrupted", lane=lane.name, objects=mended)


def _bind_listeners(config: Config) -> tuple[socket.socket, socket.socket]:
    shared = config.dicom.workers > 1
    dicom = bind_listener("dicom", config.dicom.host, config.dicom.port, shared=shared)
    try:
        return dicom, bind_listener("http", config.http.host, config.http.port, shared=shared)
    except ConfigError:
        dicom.close()
        raise


def bind_listener(section: str, host: str, port: int, *, shared: bool) -> socket.socket:
    """Bind the port of a section of the settings; ConfigError when it cannot be had."""
    try:
        return bind(host, port, shared=shared)
    except OSError as error:
        raise ConfigError(
            f"{section}.port = {port}: cannot listen on {host}:{port}: {error.strerror}; choose another port, or 0"
        ) from error
