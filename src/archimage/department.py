"""The services of the department, wired: what is done beside storing, finding and giving objects."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack

from archimage.config import Config
from archimage.config_ups import UpsConfig
from archimage.index.deliveries import DeliveryTable
from archimage.index.sqlite import SqliteIndex
from archimage.index.ups import WorkitemTable
from archimage.model.events import InstanceStored
from archimage.net import ups
from archimage.net.calls import NodeCalls
from archimage.net.dispatch import ServiceClass
from archimage.net.looping import LoopThread
from archimage.net.remote import TlsContext
from archimage.net.scp import ups as ups_scp
from archimage.services import ups_events
from archimage.services.deliveries import DeliveryService
from archimage.services.ups import UpsService
from archimage.services.ups_keeping import Keeping, Procedures, UpsKeeper
from archimage.services.ups_subscriptions import SubscriptionService
from archimage.threads import Pool
from archimage.use_cases import Services
from archimage.web.management import DepartmentServices


class Department:
    """The parts; `start` it once the ports are open, and `close` it."""

    def __init__(self, config: Config, index: SqliteIndex, services: Services, tls: TlsContext) -> None:
        self.config = config
        self._heard: list[Callable[[InstanceStored], None]] = []
        with ExitStack() as opened:
            self.calls = NodeCalls(config.dicom.ae_title, LoopThread("department"), tls)
            table = DeliveryTable(index)
            self.deliveries = DeliveryService(table)
            opened.callback(self.deliveries.close)
            opened.callback(self.calls.close)  # before what waits for calls
            self._nodes = services.nodes
            self.procedures = self._procedures(WorkitemTable(index, table))
            self._keeper = UpsKeeper(self.procedures, _keeping(config.ups))
            opened.callback(self._keeper.close)
            self._held = opened.pop_all()

    def _procedures(self, table: WorkitemTable) -> Procedures:
        """Make what does work items, and tells nodes of them."""
        steps = UpsService(table, self.deliveries)
        self.deliveries.register(ups_events.KIND, ups.delivery(self.calls, self._nodes.get))
        knows = self._nodes.known
        most = self.config.ups.max_subscriptions
        return Procedures(steps, SubscriptionService(steps, lambda title: knows(title) is not None, most))

    @property
    def services(self) -> DepartmentServices:
        """The use cases, as the web side needs them."""
        return DepartmentServices(deliveries=self.deliveries, procedures=self.procedures)

    @property
    def pools(self) -> dict[str, Pool]:
        """The threads, by name."""
        return {"deliver": self.deliveries.threads}

    def dicom(self, executor: Executor) -> Sequence[ServiceClass]:
        """Return the DICOM services; executor runs what blocks."""
        return (ups_scp.service(self.procedures, executor),)

    def hear(self, event: InstanceStored) -> None:
        """Hear of an object that was stored, on the thread of the intake: nothing here may block."""
        for listener in self._heard:
            listener(event)

    def take_over(self) -> None:
        """Go on with what processes that are no more were at; for one that is alone in using the archive."""
        self.deliveries.release()

    def start(self) -> None:
        """Begin what is done without being asked."""
        self.deliveries.start()
        self._keeper.start()

    def close(self) -> None:
        """End all of it."""
        self._held.close()


def _keeping(settings: UpsConfig) -> Keeping:
    return Keeping(settings.kept_days * 86_400, settings.events_kept_hours * 3_600, settings.max_events)
