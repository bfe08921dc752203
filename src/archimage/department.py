"""The services of the department, wired: what is done beside storing, finding and giving objects."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from archimage.config import Config
from archimage.config_worklist import WorklistConfig
from archimage.index.availability import GrownStudyTable
from archimage.index.deliveries import DeliveryTable
from archimage.index.mpps import PerformedStepTable
from archimage.index.sqlite import SqliteIndex
from archimage.index.worklist import WorklistTable
from archimage.model.events import InstanceStored
from archimage.model.mpps import PerformedStep, StepState
from archimage.model.worklist import StepState as WorklistState
from archimage.net.calls import NodeCalls
from archimage.net.dispatch import ServiceClass
from archimage.net.looping import LoopThread
from archimage.net.remote import TlsContext
from archimage.net.scp import mpps as mpps_scp
from archimage.net.scp import worklist as worklist_scp
from archimage.net.scp.worklist import WorklistAnswers
from archimage.net.telling import Telling
from archimage.services.availability import AVAILABLE, AvailabilityService
from archimage.services.datasets import items
from archimage.services.deliveries import DeliveryService
from archimage.services.mpps import CREATE, NOTIFY, SET, MppsService, Receivers
from archimage.services.mpps_rules import SCHEDULED_STEPS
from archimage.services.worklist import WorklistRules, WorklistService
from archimage.services.worklist_files import WorklistDirectory
from archimage.threads import Pool
from archimage.use_cases import Services
from archimage.web.management import DepartmentServices

_IN_WORKLIST: Final[Mapping[StepState, WorklistState]] = {
    StepState.IN_PROGRESS: WorklistState.STARTED,
    StepState.COMPLETED: WorklistState.COMPLETED,
    StepState.DISCONTINUED: WorklistState.DISCONTINUED,
}
_REMINDED_S: Final = 600.0


class Department:
    """The parts; `start` it once the ports are open, and `close` it."""

    def __init__(self, config: Config, index: SqliteIndex, services: Services, tls: TlsContext) -> None:
        self.config = config
        self._heard: list[Callable[[InstanceStored], None]] = []
        with ExitStack() as opened:
            self.calls = NodeCalls(config.dicom.ae_title, LoopThread("department"), tls)
            self.deliveries = DeliveryService(DeliveryTable(index))
            opened.callback(self.deliveries.close)
            opened.callback(self.calls.close)  # before what waits for calls
            self.worklist = WorklistService(WorklistTable(index), _worklist_rules(config.worklist))
            self._worklist_files = self._watched(opened)
            self._nodes = services.nodes
            self._queries = services.query
            self._steps(opened, index)
            self._held = opened.pop_all()

    def _watched(self, opened: ExitStack) -> WorklistDirectory | None:
        """Return what keeps the worklist as a directory has it, None without one."""
        settings = self.config.worklist
        if not settings.directory:
            return None
        directory = WorklistDirectory(self.worklist, Path(settings.directory), settings.look_every_s)
        opened.callback(directory.close)
        return directory

    def _steps(self, opened: ExitStack, index: SqliteIndex) -> None:
        """Make performed procedure steps, and what tells of them and of instances that are here."""
        config, table, wake = self.config, PerformedStepTable(index), self.deliveries.wake
        receivers = Receivers(config.mpps.forward, config.mpps.notify, config.availability.notify)
        self.mpps = MppsService(table, receivers, wake)
        self.mpps.listeners.append(self._mark)
        studies, ae_title = GrownStudyTable(index), config.dicom.ae_title
        self.availability = AvailabilityService(studies, table, config.availability, wake, ae_title)
        opened.callback(self.availability.close)
        telling = Telling(self.calls, self._nodes.get, self.availability)
        self.deliveries.register(CREATE, telling.created)
        self.deliveries.register(SET, telling.changed)
        self.deliveries.register(NOTIFY, telling.event)
        self.deliveries.register(AVAILABLE, telling.available)

    def _mark(self, step: PerformedStep) -> None:
        """Say in the worklist where the entries stand that a step names."""
        for scheduled in items(step.dataset, SCHEDULED_STEPS):
            self.worklist.mark(scheduled, _IN_WORKLIST[step.state])

    @property
    def services(self) -> DepartmentServices:
        """The use cases, as the web side needs them."""
        return DepartmentServices(deliveries=self.deliveries, worklist=self.worklist, mpps=self.mpps)

    @property
    def pools(self) -> dict[str, Pool]:
        """The threads, by name."""
        return {"deliver": self.deliveries.threads}

    def dicom(self, executor: Executor) -> Sequence[ServiceClass]:
        """Return the DICOM services; executor runs what blocks."""
        limit, own_station = self.config.query.max_results, self.config.worklist.own_station
        answers = WorklistAnswers(limit, own_station, self._queries.meter)
        return (worklist_scp.service(self.worklist, answers, executor), mpps_scp.service(self.mpps, executor))

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
        self.availability.start()
        self.deliveries.threads.submit(self.mpps.remind, time.time() - _REMINDED_S)
        if self._worklist_files is not None:
            self._worklist_files.start()

    def close(self) -> None:
        """End all of it."""
        self._held.close()


def _worklist_rules(settings: WorklistConfig) -> WorklistRules:
    return WorklistRules(settings.expire_days, settings.forget_days, settings.max_entries, settings.stations)
