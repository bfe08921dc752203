"""The composition root: the only place that wires adapters to services."""

import time
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Final

from archimage.auditing import Auditing
from archimage.automation.exchange import ExchangePart
from archimage.automation.jobs import JobsPart
from archimage.automation.keeping import Keeping
from archimage.automation.object_store import ObjectStorePart, open_blobs
from archimage.automation.plugins import PluginsPart
from archimage.automation.recovery import recover_lanes, rely_on_journal
from archimage.automation.routed_plugins import RoutedPlugins
from archimage.automation.routing import RoutingGround
from archimage.automation.scrubbing import Scrubbable, Scrubbing
from archimage.automation.sharing import policy_of, secrets_of, turn_of
from archimage.automation.studies import StudiesGround, StudiesPart
from archimage.automation.tiers import TiersPart
from archimage.config import Config
from archimage.department.department import Department
from archimage.department.part import Kept
from archimage.dicom.scan import ScanLimits
from archimage.equipment import caches_of, region_rules, trust_of, worker_pool
from archimage.errors import ConfigError
from archimage.index.arrivals import ArrivalTable
from archimage.index.changes import ChangeTable
from archimage.index.credentials import SessionTable, ShareTable, TokenTable
from archimage.index.failures import FailureTable
from archimage.index.grouped import GroupedDatabase
from archimage.index.hashed import HashedTable
from archimage.index.labels import LabelTable
from archimage.index.nodes import NodeTable
from archimage.index.objects import ObjectTable
from archimage.index.opening import open_index
from archimage.index.users import UserTable
from archimage.logger import logger
from archimage.messaging import Messaging, Told
from archimage.metering import Metering
from archimage.model.events import InstanceRefused, InstanceStored
from archimage.net.associations import AssociationTable
from archimage.net.audited import AuditedPeers
from archimage.net.looping import LoopThread
from archimage.net.peers import NodePeers
from archimage.net.scp.outgoing import Deidentifier, Outbound, Transcoder
from archimage.net.sending import NodeSender
from archimage.observe import logs
from archimage.services.access import AccessService
from archimage.services.bounds import StoreBounds
from archimage.services.catalogue import CatalogueService
from archimage.services.change_plans import Planner
from archimage.services.change_work import Tools
from archimage.services.changes import ChangeService
from archimage.services.checkpoint import Checkpointer
from archimage.services.compression import CompressionService
from archimage.services.compression_rules import CompressionRules
from archimage.services.compressor import Compressor
from archimage.services.corrector import Corrector
from archimage.services.deidentified import DeidentifiedService
from archimage.services.derived import Derived
from archimage.services.events import EventHub
from archimage.services.frames import FrameService
from archimage.services.health import HealthService
from archimage.services.identity import IdentityService
from archimage.services.importing import ImportService
from archimage.services.intake import Intake
from archimage.services.jobs import JobTasks
from archimage.services.labels import LabelService
from archimage.services.layout import Layout
from archimage.services.metadata import MetadataService
from archimage.services.nodes import NodeService, configured
from archimage.services.objects import ObjectService
from archimage.services.oidc import provider_of
from archimage.services.peers import PeerService
from archimage.services.preparing import PreparingService
from archimage.services.projects import ProjectService
from archimage.services.proofs import Tools as IdentityTools
from archimage.services.query import QueryService
from archimage.services.rates import Rates
from archimage.services.removal import RemovalService
from archimage.services.rendering import RenderingService
from archimage.services.replacement import ReplacementService
from archimage.services.retrieve import RetrieveService
from archimage.services.room import Room
from archimage.services.routing_rules import rules_of
from archimage.services.signatures import SignatureService
from archimage.services.status import StatusService
from archimage.services.store import HELD_AHEAD_BYTES, Durability, StoreService
from archimage.services.tasks import TaskService
from archimage.services.told import object_came
from archimage.services.transcoding import TranscodingService
from archimage.services.uploads import UploadService
from archimage.services.visible import VisibleIndex
from archimage.services.worklist import WorklistService
from archimage.storage.cache import FilesystemCache, boot_id
from archimage.storage.journal import Journal, committed
from archimage.storage.lanes import Occupancy, recovery_turn, take_free_lane
from archimage.threads import ContextThreads
from archimage.tls.contexts import Contexts
from archimage.tracing import tracer
from archimage.use_cases import Services
from archimage.web.dicomweb.resources import SERVICE_ROOT
from archimage.web.errors import explain
from archimage.web.fetching import HttpFetch

PEER_THREADS: Final = 4
DEIDENTIFYING_THREADS: Final = 4  # they mostly wait for worker processes, and for the disk
TRANSCODING_THREADS: Final = 4  # they only wait for worker processes
_log = logger("storage")


class App:
    """An open archive: the parts of one process, wired. `close` it."""

    def __init__(self, config: Config, *, alone: bool = False, counting: Path | None = None) -> None:
        self.config = config
        self.metering = Metering(lambda: self.config, self._titles, counting)
        self.tracer = tracer(config)
        self.tls = Contexts(config)
        with ExitStack() as opened:  # a start that fails leaves no thread behind, which would keep the process alive
            self._open(opened, alone=alone)
            self._held = opened.pop_all()

    def _open(self, opened: ExitStack, *, alone: bool) -> None:
        """Open the parts one after the other; opened closes them in the opposite order."""
        opened.callback(self.tracer.close)
        storage = self.config.storage
        directory, durable = storage.directory, storage.durability == "full"
        directory.mkdir(parents=True, exist_ok=True)
        opened.enter_context(closing(Occupancy(directory, alone=alone)))
        self.index = open_index(self.config)
        opened.callback(self.index.close)
        self.auditing = opened.enter_context(
            closing(Auditing(self.config, self.index, self.tls.requestor))
        )  # hears of all below to the end
        with recovery_turn(directory):
            lone = recover_lanes(self.config, self.index)
        self._lane = lane = opened.enter_context(closing(take_free_lane(directory)))
        self.blobs = open_blobs(self.config, directory, lane.name)
        opened.callback(self.blobs.close)
        journal = Journal(lane.journal_directory, segment_bytes=storage.journal_segment_bytes, durable=durable)
        opened.callback(journal.close)
        self.journal = journal
        rely_on_journal(self.config, lane, self.blobs, self.index)
        self.checkpointer = Checkpointer(journal, self.blobs, self.index)
        opened.callback(self.checkpointer.close)
        caches = caches_of(self.config)
        self.derived = Derived(*caches)
        intake = Intake(self.blobs, journal, self.index, self.derived, replace=storage.duplicates == "replace")
        opened.callback(intake.close)
        self._room = Room(directory, storage.reserve_bytes)
        self.health = HealthService(self.index, self.blobs, intake, self.checkpointer, self._room)
        if self.config.tls.certificate:
            self.health.parts["certificate"] = self.tls.check
        self.auditing.health(self.health)
        self.object_store = opened.enter_context(closing(ObjectStorePart(self.config, self.blobs, self.index)))
        self.object_store.watch(self.health, self.metering)
        self.tiers = opened.enter_context(closing(TiersPart(self.config, self.blobs, self.index)))
        self.tiers.watch(self.health, self.metering)
        is_shared = bool(self.config.index.url and self.config.object_store.url)
        archive = Scrubbable(self.index, self.index, self.blobs, turn_of(self.config, "scrubbing"), is_shared)
        self.scrubbing = opened.enter_context(closing(Scrubbing(self.config.scrub, archive, self.auditing.keeping)))
        self.scrubbing.health(self.health)
        self._serve_from(opened, intake, caches)
        self.services.removal.resume(alone=lone)
        if lone and not self.config.index.url:  # other nodes may use what is in a database, whoever uses the directory
            self.department.take_over()
            self.jobs.service.take_over()
            self.messaging.inbox.release()

    def _serve_from(self, opened: ExitStack, intake: Intake, caches: tuple[FilesystemCache, FilesystemCache]) -> None:
        """Make the services on what is open."""
        config = self.config
        self.oidc = provider_of(config.access.oidc, HttpFetch(self.tls.requestor))
        self.identity = self._identity_service()
        self.visible = visible = VisibleIndex(self.index)
        frames = FrameService(visible, self.blobs)
        metadata, transcoded = caches
        events = EventHub(self.auditing.service.hear)
        removal = opened.enter_context(closing(self._removal_service(events)))
        self.pixels = worker_pool(config)
        replacement = opened.enter_context(closing(ReplacementService(intake, removal)))
        self.compression = self._compression(frames, replacement) if config.storage.compress else None
        if self.compression is not None:
            opened.callback(self.compression.close)
        self.associations = AssociationTable(events.publish, self.metering.meter, self.tracer)
        tasks = self._task_service(opened, events)
        made = MetadataService(visible, self.blobs, metadata, root=config.http.public_url + SERVICE_ROOT)
        preparing = PreparingService(made, self.pixels.warm)
        opened.callback(preparing.close)
        query = QueryService(self.index, max_results=config.query.max_results)
        labels = LabelTable(self.index)
        nodes = NodeService(configured(config.nodes), NodeTable(self.index), events.publish)
        self.objects = ObjectService(ObjectTable(self.index), replace=config.storage.duplicates == "replace")
        store = self._store_service(intake, labels)
        uploads = UploadService(store, ImportService(store, self.index), tasks)
        opened.callback(uploads.close)
        self.services = Services(
            store=store,
            query=query,
            retrieve=RetrieveService(visible, self.blobs),
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
            labels=LabelService(labels, events, visible),
            nodes=nodes,
            preparing=preparing,
            access=self._access_service(nodes),
        )
        opened.callback(self.services.status.close)
        self._work_with(opened, replacement)
        self._meter(intake)

    def _task_service(self, opened: ExitStack, events: EventHub) -> TaskService:
        """Make what works in the background, and the threads beside it."""
        self.jobs = JobsPart(self.index, events, explain, self.tracer)
        self.jobs.service.told = self.auditing.jobs.turned
        tasks = TaskService(events, explain, self.tracer, lasting=JobTasks(self.jobs.service))
        opened.callback(tasks.close)
        self._transcoding = ContextThreads(TRANSCODING_THREADS, "transcode")
        opened.callback(self._transcoding.shutdown, cancel_futures=True)
        opened.callback(self.pixels.close)
        return tasks

    def _work_with(self, opened: ExitStack, replacement: ReplacementService) -> None:
        """Make what works with the services."""
        self.transcoder = Transcoder(self.services.transcoding, self._transcoding)
        self._deidentify_with(opened)
        self.hashed = HashedTable(self.index)
        services = self.services
        self.signatures = SignatureService(
            services.catalogue, services.frames, services.metadata, trust_of(self.config)
        )
        self.rates = Rates("dicom", self.config.access.operations_per_s, self.metering.meter)
        self.web_rates = Rates("http", self.config.access.requests_per_s, self.metering.meter)
        self.peers = self._peer_service(opened)
        self.changes = self._change_service(replacement)
        self.changes.asked = self.auditing.service.changed
        self.changes.ended = self.auditing.service.change_ended
        self.changes.check = self.visible.check_study
        self.tiers.move_with(services.removal, self.auditing.service.moved)
        keeping = Keeping(self.config, self.index, services, self.auditing, self._room, self.tiers)
        self.keeping = opened.enter_context(closing(keeping))
        self.keeping.guard(self.changes)
        opened.callback(self.changes.close)  # before the tasks, so that what they leave is gone on with
        kept = Kept(self.index, GroupedDatabase(self.index), self.blobs, self.visible, self.pixels, self.objects)
        self.department = Department(self.config, kept, services, self.tls.requestor)
        self.department.performed.service.told = self.auditing.service.performed
        self.department.printing.service.told = self.auditing.service.printed
        self.department.deliveries.told = self.auditing.jobs.delivery
        opened.callback(self.department.close)
        told = Told(self.auditing.service, self.department.deliveries, self.tls.requestor)
        worklist = self.department.worklist.service
        self._exchange_with(opened, worklist)
        ground = StudiesGround(kept, services, replacement, self.jobs.service, self.scrubbing, keeping)
        self.studies = opened.enter_context(closing(StudiesPart(self.config, ground, self.auditing)))
        self.messaging = Messaging(self.config.hl7, kept.grouped, self.changes, worklist, told)
        opened.callback(self.messaging.close)
        opened.callback(self.jobs.close)
        self.plugins = PluginsPart(self.config, kept, services, self.peers, self.auditing.service.configured)
        opened.callback(self.plugins.close)
        self.jobs.service.worker.failed = self.plugins.job_failed
        self.exchange.routing.run_with(RoutedPlugins(self.plugins.service, services.catalogue))

    def _removal_service(self, events: EventHub) -> RemovalService:
        """Make what removes; what other nodes have in their journals is not known here."""
        payloads = None if self.config.index.url else partial(committed, self.config.storage.directory)
        return RemovalService(self.index, self.blobs, self.derived, payloads, events.publish)

    def _exchange_with(self, opened: ExitStack, worklist: WorklistService) -> None:
        """Make what gives other archives what came, and takes from them."""
        deliveries, tls, audit = self.department.deliveries, self.tls.requestor, self.auditing.service
        ground = RoutingGround(
            self.index, self.blobs, self.services, self._peers, self.projects, deliveries, self.jobs.service, tls, audit
        )
        self.exchange = opened.enter_context(closing(ExchangePart(self.config, ground, self.index, worklist)))

    def _identity_service(self) -> IdentityService:
        """Make what knows who somebody is."""
        index = self.index
        tools = IdentityTools(
            UserTable(index),
            SessionTable(index),
            TokenTable(index),
            ShareTable(index),
            FailureTable(index),
            self.auditing.identity,
            time.time,
        )
        return IdentityService(tools, self.config.access, self.oidc)

    def _deidentify_with(self, opened: ExitStack) -> None:
        """Make what de-identifies."""
        services, directory = self.services, self.config.storage.directory
        self._deidentifying = ContextThreads(DEIDENTIFYING_THREADS, "deidentify")
        opened.callback(self._deidentifying.shutdown, cancel_futures=True)
        opened.callback(self.pixels.close)
        made = FilesystemCache(directory / "cache" / "deidentified", 0)  # a file is gone once it is closed
        made.clean()
        self.projects = ProjectService(services.frames, self.pixels, made, secrets_of(self.config, self.index))
        self.projects.rules = region_rules(self.config)
        self.deidentifier = Deidentifier(self.projects, self._deidentifying)
        self.deidentified = DeidentifiedService(
            self.projects, services.frames, services.store, services.labels, services.tasks, self._deidentifying
        )
        self.deidentified.told = self.auditing.service.deidentified
        self.auditing.service.deidentifies = services.nodes.deidentifies

    def _meter(self, intake: Intake) -> None:
        """Have counted what happens, and what there is looked at."""
        services, metering = self.services, self.metering
        metering.hear(intake, self.pixels, self.compression, services.tasks, self.jobs.service.worker)
        metering.hear(services.query, services.metadata, services.transcoding)
        metering.watch_machine(self.config.storage.directory, self.index)
        metering.watch_work(intake, self.pixels)
        metering.watch_audit(self.auditing)
        self.pools = {
            "tasks": services.tasks.threads,
            "transcode": self._transcoding,
            "deidentify": self._deidentifying,
            "upload": services.uploads.pool,
            "peer-read": self._peer_readers,
            "peer-write": self._peer_writers,
            **self.department.pools,
            **self.plugins.pools,
            **self.object_store.pools,
            "route": self.exchange.routing.threads,
        }
        metering.watch_threads(self.pools)
        metering.watch_deliveries(self.department.deliveries)
        metering.watch_objects(self.scrubbing.scrubber, self.scrubbing.table.count)
        self.plugins.watch(metering, self.health)

    def _titles(self) -> list[str]:
        """Return the AE titles of all nodes; blocks."""
        return [node.ae_title for node in self.services.nodes.all()]

    def _change_service(self, replacement: ReplacementService) -> ChangeService:
        """Make what corrects, merges and moves."""
        config, frames, table = self.config, self.services.frames, ChangeTable(self.index)
        corrector = Corrector(frames, self.blobs, flush=config.storage.durability == "full")
        tools = Tools(table, self.index, frames, corrector, replacement, config.dicom.ae_title)
        turn = turn_of(config, "changing")
        return ChangeService(tools, Planner(table, frames), self.services.tasks, turn, explain)

    def _peer_service(self, opened: ExitStack) -> PeerService:
        """Make what calls other nodes for people; its threads start with the first call."""
        services, ae_title = self.services, self.config.dicom.ae_title
        self._peer_readers = ContextThreads(PEER_THREADS, "peer-read")
        opened.callback(self._peer_readers.shutdown, cancel_futures=True)
        self._peer_writers = ContextThreads(PEER_THREADS, "peer-write")
        opened.callback(self._peer_writers.shutdown)
        outbound = Outbound(services.retrieve, self._peer_readers, self.transcoder, self.deidentifier)
        loop = LoopThread("peers", self._peer_writers)
        peers = NodePeers(ae_title, services.store, NodeSender(outbound, ae_title), loop, tls=self.tls.requestor)
        opened.callback(peers.close)
        self._peers = AuditedPeers(peers, self.auditing.service)
        return PeerService(services.nodes, self._peers, services.retrieve, self.jobs.service)

    def _access_service(self, nodes: NodeService) -> AccessService:
        """Make what decides who may do what."""
        access = AccessService(policy_of(self.config, self.index), self.identity.has_users, nodes.known)
        access.changed = self.auditing.service.policy_changed
        return access

    def _durability(self) -> Durability:
        limit_bytes, is_full = self.config.storage.journal_limit_bytes, self.config.storage.durability == "full"
        if self.blobs.sends_ahead:
            return Durability(max(limit_bytes, HELD_AHEAD_BYTES), flush=False)
        return Durability(limit_bytes, flush=is_full)

    def _store_service(self, intake: Intake, labels: LabelTable) -> StoreService:
        storage = self.config.storage
        return StoreService(
            self.blobs,
            intake,
            self._durability(),
            Layout(storage.layout),
            ScanLimits(),
            self._publish,
            self._room,
            CompressionRules(storage.compress),
            self.metering.meter,
            self.auditing.trail.check,
            StoreBounds(self.index, labels).check,
            self.objects.begin,
        )

    def begin(self) -> None:
        """Begin what the archive does by itself."""
        if self.compression is not None:
            self.compression.start()
        self.object_store.start()
        self.tiers.start()
        self.changes.start()
        self.scrubbing.start()
        self.studies.start()
        self.keeping.start()
        self.department.start()
        self.messaging.start()
        self.exchange.start()
        self.metering.watch_jobs(self.jobs.service)
        self.jobs.start(self.config, self._lane.name)
        self.plugins.start()

    def configure(self, config: Config) -> None:
        """Go on with other settings, as far as they may change while the archive runs (`config.RELOADED`).

        Raises:
            ConfigError: a certificate, a node or the rules of regions cannot be used; then nothing has changed.
        """
        nodes, rules, routes = list(configured(config.nodes)), region_rules(config), rules_of(config.routing)
        self.exchange.routing.check(routes)
        self.tls.configure(config)
        self.config = config
        self.exchange.routing.configure(config.routing, routes)
        self.keeping.configure(config)
        self.projects.rules = rules
        self.services.nodes.configure(nodes)
        self.services.status.configure(config)
        self.rates.per_s, self.web_rates.per_s = config.access.operations_per_s, config.access.requests_per_s
        logs.configure(config.log, node=config.node.name)

    def close(self) -> None:
        """Finish what was submitted, make it durable in its place, and let go of everything; once is enough."""
        self._held.close()

    def _compression(self, frames: FrameService, replacement: ReplacementService) -> CompressionService:
        storage = self.config.storage
        compressor = Compressor(frames, self.blobs, self.pixels, flush=storage.durability == "full")
        turn = turn_of(self.config, "compressing")
        return CompressionService(self.index, compressor, replacement, turn)

    def _publish(self, event: InstanceStored | InstanceRefused) -> None:
        self.services.events.publish(event)
        if self.compression is not None:
            self.compression.notice(event)
        object_came(event)
        if isinstance(event, InstanceStored):
            self.department.hear(event)
            self.keeping.hear(event)
            self.plugins.hear(event)
            self.exchange.hear(event)


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
