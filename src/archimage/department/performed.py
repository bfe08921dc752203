"""Performed procedure steps, and who is told of them and of instances that are here."""

from collections.abc import Sequence
from concurrent.futures import Executor

from archimage.department.part import Ground, Part
from archimage.index.availability import GrownStudyTable
from archimage.index.mpps import PerformedStepTable
from archimage.net.dispatch import ServiceClass
from archimage.net.scp import mpps as scp
from archimage.net.telling import Telling
from archimage.services.availability import AVAILABLE, AvailabilityService
from archimage.services.mpps import CREATE, NOTIFY, SET, MppsService, Receivers


class PerformedPart(Part):
    """MPPS, and Instance Availability Notification."""

    def __init__(self, ground: Ground) -> None:
        config, table, wake = ground.config, PerformedStepTable(ground.kept.index), ground.deliveries.wake
        receivers = Receivers(config.mpps.forward, config.mpps.notify, config.availability.notify)
        self.service = MppsService(table, receivers, wake)
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
        """Begin to look for instances that others wait for."""
        self._availability.start()
