"""Routing: rules, what finds work for them, and what does it."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from archimage.config import Config
from archimage.config_routing import RoutingConfig
from archimage.errors import NotFoundError
from archimage.index.nodes import Database
from archimage.index.routing import RoutedTable, RoutingArrivals
from archimage.model.events import InstanceStored
from archimage.model.records import StoredInstance
from archimage.model.routing import Rule
from archimage.net.remote import TlsContext
from archimage.ports.jobs import Jobs, Rules
from archimage.ports.peer import Peers
from archimage.ports.routing import RuleHooks
from archimage.ports.storage import BlobStore
from archimage.services.audit import AuditService
from archimage.services.deliveries import DeliveryService
from archimage.services.projects import ProjectService
from archimage.services.routing import KIND, Router, Tools
from archimage.services.routing_notices import Notices
from archimage.services.routing_rules import rules_of
from archimage.services.routing_subjects import Subjects
from archimage.services.routing_work import NOTICE, Doing, RoutingWork
from archimage.threads import ContextThreads
from archimage.use_cases import Services
from archimage.web.audited_stow import AuditedStow
from archimage.web.hooks import HookCalls
from archimage.web.known_archives import KnownArchives
from archimage.web.stow_client import StowClient

MOST_AT_ONCE: Final = 64


@dataclass(frozen=True, slots=True)
class RoutingGround:
    """What routing stands on."""

    database: Database
    blobs: BlobStore
    services: Services
    peers: Peers
    projects: ProjectService
    deliveries: DeliveryService
    jobs: Jobs
    tls: TlsContext
    audit: AuditService


class RoutingPart:
    """`start` it once the ports are open, and `close` it."""

    def __init__(self, config: Config, ground: RoutingGround) -> None:
        settings = config.routing
        self._held = ExitStack()
        rules = rules_of(settings)
        arrivals = RoutingArrivals(ground.database)
        self.routed = RoutedTable(ground.database)
        self.subjects = Subjects(arrivals, ground.blobs)
        self.threads = ContextThreads(min(MOST_AT_ONCE, settings.associations * settings.at_once), "route")
        self._held.callback(self.threads.shutdown, cancel_futures=True)
        services = ground.services
        self._known = known_archives(settings)
        client = StowClient(ground.blobs, ground.projects, services.transcoding, ground.tls, self.known)
        self.stow = AuditedStow(client, ground.audit)
        doing = Doing(
            services.nodes.get,
            ground.peers,
            self.stow,
            services.labels,
            ground.deliveries,
            self.threads,
            settings.associations,
            self._run_plugin,
            tells_patients=settings.webhook_patient_data,
        )
        self._plugins: RuleHooks | None = None
        self._work = RoutingWork(rules, self.subjects, self.routed, doing, settings.attempts)
        self.router = Router(Tools(arrivals, self.routed, self.subjects, ground.jobs), rules, settings.gather_s)
        self._work.again = self.router.again
        self._held.callback(self.router.close)
        ground.jobs.register(KIND, self._work, Rules(settings.at_once, attempts=settings.attempts))
        notices = Notices(HookCalls(ground.tls), settings.webhook_secret.get_secret_value())
        ground.deliveries.register(NOTICE, notices.deliver)

    def hear(self, event: InstanceStored) -> None:
        """Hear of an object that was stored, on the thread of the intake."""
        self.router.hear(event)

    def run_with(self, plugins: RuleHooks) -> None:
        """Have plugins run by this; ConfigError where a rule cannot have one run."""
        plugins.check(self.router.rules)
        self._plugins = plugins

    def check(self, rules: Sequence[Rule]) -> None:
        """Raise ConfigError where other rules could not have a plugin run."""
        if self._plugins is not None:
            self._plugins.check(rules)

    def known(self) -> KnownArchives:
        """Return what other archives there are; may be called from any thread."""
        return self._known

    def configure(self, settings: RoutingConfig, rules: Sequence[Rule]) -> None:
        """Go on with other archives, and rules; what is being sent goes on as before."""
        self._known = known_archives(settings)
        self.router.rules = self._work.rules = tuple(rules)

    def _run_plugin(self, name: str, rule: Rule, study: str, instances: Sequence[StoredInstance]) -> None:
        if self._plugins is None:
            raise NotFoundError(f"no plugin {name!r} is there")
        self._plugins.run(name, rule, study, instances)

    def start(self) -> None:
        """Begin to route."""
        self.router.start()

    def close(self) -> None:
        """End; jobs go on with the next start."""
        self._held.close()


def known_archives(settings: RoutingConfig) -> KnownArchives:
    """Return the archives that settings name, and what addresses are told that begin so."""
    addresses = {name: archive.address for name, archive in settings.archives.items()}
    told = {begin: secret.get_secret_value() for begin, secret in settings.authorization.items()}
    of_archives = {f"{one.address}/": one.authorization.get_secret_value() for one in settings.archives.values()}
    return KnownArchives(addresses, told | {address: secret for address, secret in of_archives.items() if secret})
