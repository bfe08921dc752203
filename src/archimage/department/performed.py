"""Performed procedure steps, and who is told of them and of instances that are here."""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from typing import Final

from archimage.department.part import Ground, Part
from archimage.index.availability import GrownStudyTable
from archimage.index.mpps import PerformedStepTable
from archimage.model.mpps import PerformedStep, StepState
from archimage.model.worklist import StepState as WorklistState
from archimage.net.dispatch import ServiceClass
from archimage.net.scp import mpps as scp
from archimage.net.telling import Telling
from archimage.services.availability import AVAILABLE, AvailabilityService
from archimage.services.datasets import items
from archimage.services.mpps import CREATE, NOTIFY, SET, MppsService, Receivers
from archimage.services.mpps_rules import SCHEDULED_STEPS
from archimage.services.worklist import WorklistService

_IN_WORKLIST: Final[Mapping[StepState, WorklistState]] = {
    StepState.IN_PROGRESS: WorklistState.STARTED,
    StepState.COMPLETED: WorklistState.COMPLETED,
    StepState.DISCONTINUED: WorklistState.DISCONTINUED,
}
_REMINDED_S: Final = 600.0


class PerformedPart(Part):
    """MPPS, and Instance Availability Notification."""

    def __init__(self, ground: Ground, worklist: WorklistService) -> None:
        self._worklist = worklist
        self._threads = ground.deliveries.threads
        config, table, wake = ground.config, PerformedStepTable(ground.kept.index), ground.deliveries.wake
        receivers = Receivers(config.mpps.forward, config.mpps.notify, config.availability.notify)
        self.service = MppsService(table, receivers, wake)
        self.service.listeners.append(self._mark)
        studies, ae_title = GrownStudyTable(ground.kept.index), config.dicom.ae_title
        self._availability = AvailabilityService(studies, table, config.availability, wake, ae_title)
        ground.opened.callback(self._availability.close)
        telling = Telling(ground.calls, ground.services.nodes.get, self._availability)
        ground.deliveries.register(CREATE, telling.created)
        ground.deliveries.register(SET, telling.changed)
        ground.deliveries.register(NOTIFY, telling.event)
        ground.deliveries.register(AVAILABLE, telling.available)

    def dicom(self, executor: Executor) -> Sequence[ServiceClass]:
        """Return the SCP of MPPS and of its retrieval."""
        return (scp.service(self.service, executor),)

    def start(self) -> None:
        """Begin to look for instances that others wait for; have the worklist hear of what changed before a crash."""
        self._availability.start()
        self._threads.submit(self.service.remind, time.time() - _REMINDED_S)

    def _mark(self, step: PerformedStep) -> None:
        """Say in the worklist where the entries stand that a step names."""
        for scheduled in items(step.dataset, SCHEDULED_STEPS):
            self._worklist.mark(scheduled, _IN_WORKLIST[step.state])
