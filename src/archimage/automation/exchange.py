"""What archives give one another by themselves, wired: routing, earlier studies, and keeping alike."""

from contextlib import ExitStack
from functools import partial
from typing import Final

from archimage.automation.routing import RoutingGround, RoutingPart
from archimage.config import Config
from archimage.config_routing import PrefetchConfig, SyncConfig
from archimage.index.routing import FetchedForTable, RoutingArrivals
from archimage.model.attributes import BY_COLUMN, UNIQUE_KEYS, Level
from archimage.model.events import InstanceStored
from archimage.model.exchange import Reason
from archimage.model.query import Condition, Exact, Query
from archimage.ports.index import Finding
from archimage.ports.jobs import Rules
from archimage.ports.peer import Elsewhere
from archimage.services import prefetch, syncing
from archimage.services.datasets import items, text
from archimage.services.node_archive import NodeArchive
from archimage.services.prefetch import Prefetching
from archimage.services.prefetch_arrivals import ArrivingStudies
from archimage.services.routing_status import RoutingStatus
from archimage.services.syncing import SyncService
from archimage.services.worklist import WorklistService
from archimage.services.worklist_entries import STUDY_UID
from archimage.web.web_archive import Reach, WebArchive

_PATIENT_ID: Final = 0x00100020
_BODY_PART: Final = 0x00180015
_STEPS: Final = 0x00400100
_COUNT: Final = BY_COLUMN["number_of_study_related_instances"]


class ExchangePart:
    """All three; `start` it once the ports are open, and `close` it."""

    def __init__(self, config: Config, ground: RoutingGround, index: Finding, worklist: WorklistService) -> None:
        self._index = index
        self._worklist = worklist
        self._fetches = bool(config.prefetch.nodes and "arrival" in config.prefetch.on)
        jobs, nodes, peers = ground.jobs, ground.services.nodes, ground.peers
        with ExitStack() as opened:
            self.routing = RoutingPart(config, ground)
            opened.callback(self.routing.close)
            self.status = RoutingStatus(self.routing.router, self.routing.routed)
            self.prefetching = Prefetching(config.prefetch, jobs, nodes.get, peers, self._instances_here)
            self._arriving = self._arriving_studies(config.prefetch, ground)
            opened.callback(self._arriving.close)
            self._ground = ground
            self._reach = Reach(ground.services.store, self.routing.stow, ground.tls, self.routing.known)
            self.syncing = SyncService(index, self._archive, jobs)
            self._held = opened.pop_all()
        jobs.register(prefetch.KIND, self.prefetching.work, Rules(attempts=6))
        jobs.register(syncing.KIND, self.syncing.work, Rules(attempts=3))
        jobs.register(syncing.STUDY_KIND, self.syncing.copy_work, Rules(at_once=2, attempts=6))
        if config.sync.nodes:
            jobs.every("sync", config.sync.schedule, partial(self._compare, config.sync))
        if config.prefetch.nodes:
            self._told, worklist.changed = worklist.changed, self._scheduled

    def hear(self, event: InstanceStored) -> None:
        """Hear of an object that was stored, on the thread of the intake."""
        self.routing.hear(event)
        if self._fetches:
            self._arriving.hear(event)

    def start(self) -> None:
        """Begin."""
        self.routing.start()
        if self._fetches:
            self._arriving.start()

    def close(self) -> None:
        """End; jobs go on with the next start."""
        self._held.close()

    def _arriving_studies(self, settings: PrefetchConfig, ground: RoutingGround) -> ArrivingStudies:
        fetched = FetchedForTable(self.routing.routed)
        return ArrivingStudies(RoutingArrivals(ground.database), fetched, self.prefetching.want, settings.nodes)

    def _archive(self, name: str) -> Elsewhere:
        """Return another archive: by its DICOMweb address, or by name one of routing.archives, or a node."""
        address = name if "://" in name else self.routing.known().addresses.get(name)
        if address is not None:
            return WebArchive(name, address, self._reach)
        return NodeArchive(self._ground.services.nodes.get(name), self._ground.peers)

    def _scheduled(self, key: str) -> None:
        """Tell whoever heard of entries before, and have studies fetched of the patient whom one is about."""
        self._told(key)
        model = self._worklist.get(key).model
        step = next(iter(items(model, _STEPS)), {})
        body_part = text(step, _BODY_PART) or text(model, _BODY_PART)
        self.prefetching.scheduled(Reason(text(model, _PATIENT_ID), text(model, STUDY_UID), body_part))

    def _compare(self, settings: SyncConfig) -> None:
        """Have archives compared, and made alike."""
        for ae_title in settings.nodes:
            self.syncing.schedule(ae_title, days=settings.days, direction=settings.direction)

    def _instances_here(self, study: str) -> int:
        query = Query(Level.STUDY, (Condition(UNIQUE_KEYS[Level.STUDY], Exact(study)),), (_COUNT,))
        return sum(prefetch.number(row.get(_COUNT.column)) for page in self._index.find(query) for row in page)
