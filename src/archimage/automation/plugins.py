"""Plugins: found, run, told and asked; nothing of it where there is none."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import Final

from archimage.config import Config
from archimage.department.part import Kept
from archimage.errors import NotFoundError
from archimage.index.completeness import CompletingStudyTable
from archimage.index.deliveries import DeliveryTable
from archimage.index.plugins import PluginTable
from archimage.metering import Metering
from archimage.model.associations import AskedAssociation
from archimage.model.deliveries import Delivery
from archimage.model.events import InstanceStored
from archimage.model.jobs import Job
from archimage.plugins.found import find
from archimage.plugins.process import ProcessLoader
from archimage.services.completeness import CompletenessService
from archimage.services.deliveries import DeliveryService, Patience, made
from archimage.services.health import HealthService
from archimage.services.peers import PeerService
from archimage.services.plugins import events
from archimage.services.plugins.acting import Acting
from archimage.services.plugins.service import PluginService, Surroundings
from archimage.services.plugins.serving import Serving
from archimage.threads import Pool
from archimage.use_cases import Services

KIND: Final = "plugin-"
"""Beginning of the kind of deliveries of studies that are complete, before the plugin's name."""
_AUDIENCE: Final = "plugins"
_PATIENCE: Final = Patience(first_s=10.0, most_s=600.0, give_up_s=7 * 86_400.0)


class PluginsPart:
    """All plugins of an archive; `start` it once the ports are open, and `close` it."""

    def __init__(
        self, config: Config, kept: Kept, services: Services, peers: PeerService, told: Callable[[str], object]
    ) -> None:
        """Find the plugins that config names; nothing of them runs before `start`. told hears what people decide.

        Raises:
            ConfigError: one that is named is not there, or two have one name.
        """
        sources = find(config.plugins, config.storage.directory)
        self._catalogue = services.catalogue
        self.service: PluginService | None = None
        """None where there is no plugin."""
        self._deliveries: DeliveryService | None = None
        self._completeness: CompletenessService | None = None
        self._is_started = False
        self._held = ExitStack()
        if not sources:
            return
        with ExitStack() as opened:
            around = Surroundings(
                ProcessLoader(config.plugins.memory_bytes),
                PluginTable(kept.index),
                Serving(kept.index, services.frames, config.plugins.memory_bytes // 4),
                Acting(services.labels, services.nodes, peers),
                services.events,
            )
            self.service = PluginService(sources, config.plugins, around)
            self.service.told = told
            self._deliveries = DeliveryService(DeliveryTable(kept.index), threads="plugin-studies")
            opened.callback(self._deliveries.close)
            opened.callback(self.service.close)  # before, so that no delivery waits for a plugin
            self._tell_of_studies(config, kept, opened, self.service, self._deliveries)
            services.query.review = self.service.review
            self._held = opened.pop_all()

    @property
    def pools(self) -> Mapping[str, Pool]:
        """The threads, by name."""
        if self.service is None or self._deliveries is None:
            return {}
        return {"plugin-load": self.service.threads, "plugin-studies": self._deliveries.threads}

    def hear(self, event: InstanceStored) -> None:
        """Hear of an object that was stored, on the thread of the intake; a command that stores tells no plugin."""
        if self.service is not None and self._is_started:
            self.service.stored(event)

    def job_failed(self, job: Job) -> None:
        """Hear of a job that has failed for good, on the thread that worked on it."""
        if self.service is not None:
            self.service.job_failed(job)

    def vet(self, asked: AskedAssociation) -> str | None:
        """Return why plugins refuse an association; None where they do not. Blocks."""
        return None if self.service is None else self.service.vet(asked)

    def watch(self, metering: Metering, health: HealthService) -> None:
        """Have counted what plugins do, and have them looked at with the other parts."""
        if self.service is not None:
            self.service.count_by(metering.meter)
            metering.watch_plugins(self.service)
            health.add("plugins", self.service.check, needed=False)

    def start(self) -> None:
        """Load all plugins, and begin to look for studies that are complete."""
        if self.service is not None and self._deliveries is not None and self._completeness is not None:
            self._is_started = True
            self.service.start()
            self._deliveries.start()
            self._completeness.start()

    def close(self) -> None:
        """End all of it."""
        self._held.close()

    def _tell_of_studies(
        self, config: Config, kept: Kept, opened: ExitStack, service: PluginService, deliveries: DeliveryService
    ) -> None:
        for name in service.names:
            deliveries.register(KIND + name, self._deliver, _PATIENCE)

        def due(study: str, now: float) -> Sequence[Delivery]:
            names = service.having("on_study_complete")
            return [made(KIND + name, name, study, "", now, lane=f"{KIND}{name} {study}") for name in names]

        def held(name: str, is_held: bool) -> None:
            (deliveries.pause if is_held else deliveries.resume)(KIND + name)

        service.held = held
        studies = CompletingStudyTable(kept.index, _AUDIENCE)
        quiet_s = config.plugins.study_complete_after_s
        self._completeness = CompletenessService(studies, quiet_s, due, deliveries.wake, "plugin-completeness")
        opened.callback(self._completeness.close)

    def _deliver(self, one: Delivery) -> None:
        """Tell a plugin of a study, unless that was removed meanwhile."""
        with suppress(NotFoundError):
            found = self._catalogue.study(one.about)
            if self.service is not None:
                self.service.complete(one.destination, events.study(found))
