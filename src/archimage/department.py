"""The services of the department, wired: what is done beside storing, finding and giving objects."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack

from archimage.config import Config
from archimage.index.availability import GrownStudyTable
from archimage.index.deliveries import DeliveryTable
from archimage.index.mpps import PerformedStepTable
from archimage.index.sqlite import SqliteIndex
from archimage.model.events import InstanceStored
from archimage.net.calls import NodeCalls
from archimage.net.dispatch import ServiceClass
from archimage.net.looping import LoopThread
from archimage.net.remote import TlsContext
from archimage.net.scp import mpps as mpps_scp
from archimage.net.telling import Telling
from archimage.services.availability import AVAILABLE, AvailabilityService
from archimage.services.deliveries import DeliveryService
from archimage.services.mpps import CREATE, NOTIFY, SET, MppsService, Receivers
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
            opened.callback(self.calls.close)
            self.deliveries = DeliveryService(DeliveryTable(index))
            opened.callback(self.deliveries.close)
            self._nodes = services.nodes
            self._steps(opened, index)
            self._held = opened.pop_all()

    def _steps(self, opened: ExitStack, index: SqliteIndex) -> None:
        """Make performed procedure steps, and what tells of them and of instances that are here."""
        config, table, wake = self.config, PerformedStepTable(index), self.deliveries.wake
        receivers = Receivers(config.mpps.forward, config.mpps.notify, config.availability.notify)
        self.mpps = MppsService(table, receivers, wake)
        studies, ae_title = GrownStudyTable(index), config.dicom.ae_title
        self.availability = AvailabilityService(studies, table, config.availability, wake, ae_title)
        opened.callback(self.availability.close)
        telling = Telling(self.calls, self._nodes.get, self.availability)
        self.deliveries.register(CREATE, telling.created)
        self.deliveries.register(SET, telling.changed)
        self.deliveries.register(NOTIFY, telling.event)
        self.deliveries.register(AVAILABLE, telling.available)

    @property
    def services(self) -> DepartmentServices:
        """The use cases, as the web side needs them."""
        return DepartmentServices(deliveries=self.deliveries, mpps=self.mpps)

    @property
    def pools(self) -> dict[str, Pool]:
        """The threads, by name."""
        return {"deliver": self.deliveries.threads}

    def dicom(self, executor: Executor) -> Sequence[ServiceClass]:
        """Return the DICOM services; executor runs what blocks."""
        return (mpps_scp.service(self.mpps, executor),)

    def hear(self, event: InstanceStored) -> None:
        """Hear of an object that was stored, on the thread of the intake: nothing here may block."""
        for listener in self._heard:
            listener(event)

    def start(self) -> None:
        """Begin what is done without being asked."""
        self.deliveries.start()
        self.availability.start()

    def close(self) -> None:
        """End all of it."""
        self._held.close()
