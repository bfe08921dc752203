"""Telling nodes which instances are here: once all of a performed procedure step are, and once a study is quiet.

What is to be told is looked for every few seconds in the index, where it survives whatever ends a process. A delivery
names the study or the step; the notice is made when it goes out, of what is here by then.

Ref: PS3.4 Annex R.
"""

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from archimage.config_mpps import AvailabilityConfig
from archimage.errors import StorageError
from archimage.logger import logger
from archimage.model.availability import KeptInstance
from archimage.model.deliveries import Delivery
from archimage.model.mpps import PerformedStep
from archimage.ports.mpps import GrowingStudies, PerformedSteps
from archimage.protocol.uids import MPPS
from archimage.services.datasets import Model, attribute
from archimage.services.datasets import made as model_of
from archimage.services.deliveries import made

AVAILABLE: Final = "availability"
"""Kind of the deliveries; they are about a study, or a step where that is their payload."""
ONLINE: Final = "ONLINE"
MAX_INSTANCES: Final = 50_000
"""Instances of a study that are told of; its others are had by asking."""
_OF_STEP: Final = "performed-step"
_OF_STUDY: Final = "study"
_LOOK_EVERY_S: Final = 5.0
_OVERLAP_S: Final = 60.0
_PER_LOOK: Final = 1_000
_NAMESPACE: Final = uuid.UUID("f1a66a2a-6b11-4b65-a7a4-4ad0c4f7d7d2")
_log = logger("task")


@dataclass(frozen=True, slots=True)
class Notice:
    """One notification, of one study."""

    sop_instance_uid: str
    model: Model


class AvailabilityService:
    """Looks in a thread of its own, if anybody is to be told. `close` it."""

    def __init__(
        self,
        studies: GrowingStudies,
        steps: PerformedSteps,
        settings: AvailabilityConfig,
        wake: Callable[[], None],
        ae_title: str,
    ) -> None:
        """Tell that instances are had from ae_title; wake is called once something is to be delivered."""
        self._studies = studies
        self._steps = steps
        self._receivers = settings.notify
        self._quiet_s = settings.quiet_s
        self._wake = wake
        self._ae_title = ae_title
        self._closing = threading.Event()
        self._looking = threading.Thread(target=self._look, name="availability", daemon=True)

    def start(self) -> None:
        """Begin to look, where anybody is to be told; what came before the first start is not told of."""
        if self._receivers:
            self._looking.start()

    def close(self) -> None:
        """End."""
        self._closing.set()
        if self._looking.is_alive():
            self._looking.join()

    def look(self, now: float) -> int:
        """Have told what can be; return how much that is."""
        since = self._studies.since()
        self._studies.note(now if since is None else since - _OVERLAP_S)
        told = sum(self._tell_step(uid, now) for uid in self._steps.whole(_PER_LOOK))
        for study in self._studies.quiet(now - self._quiet_s, _PER_LOOK):
            told += self._studies.tell(study, self._deliveries(study.study_instance_uid, _OF_STUDY, now))
        if told:
            self._wake()
        return told

    def notices(self, one: Delivery) -> Iterator[Notice]:
        """Make what a delivery tells; nothing where the archive has nothing of it any more.

        Told twice it has the same UID, so that a receiver knows it.
        """
        step = self._steps.get(one.about) if one.payload == _OF_STEP else None
        if step is None:
            found = self._studies.instances(one.about, MAX_INSTANCES)
        else:
            arrivals = self._steps.arrivals(one.about)
            found = self._studies.kept([arrival.reference.sop_instance_uid for arrival in arrivals])
        for study, instances in groupby(found, key=lambda kept: kept.study_instance_uid):
            uid = f"2.25.{uuid.uuid5(_NAMESPACE, f'{one.id} {study}').int}"
            yield Notice(uid, self._notice(study, list(instances), step))

    def _tell_step(self, uid: str, now: float) -> bool:
        return self._steps.tell(uid, self._deliveries(uid, _OF_STEP, now))

    def _deliveries(self, about: str, what: str, now: float) -> Sequence[Delivery]:
        return [made(AVAILABLE, one, about, what, now, lane=f"{AVAILABLE} {one}") for one in self._receivers]

    def _notice(self, study: str, instances: Sequence[KeptInstance], step: PerformedStep | None) -> Model:
        by_series = groupby(instances, key=lambda kept: kept.series_instance_uid)
        series = [self._series(uid, list(kept)) for uid, kept in by_series]
        return model_of(
            attribute(0x00081111, *([] if step is None else [_performed(step)])),
            attribute(0x0020000D, study),
            attribute(0x00081115, *series),
        )

    def _series(self, uid: str, instances: Sequence[KeptInstance]) -> Model:
        return model_of(attribute(0x0020000E, uid), attribute(0x00081199, *map(self._instance, instances)))

    def _instance(self, kept: KeptInstance) -> Model:
        return model_of(
            attribute(0x00081150, kept.sop_class_uid),
            attribute(0x00081155, kept.sop_instance_uid),
            attribute(0x00080056, ONLINE),
            attribute(0x00080054, self._ae_title),
        )

    def _look(self) -> None:
        while not self._closing.is_set():
            try:
                self.look(time.time())
            except StorageError as error:
                _log.warning("nobody is told what came, for now", reason=str(error))
            self._closing.wait(_LOOK_EVERY_S)


def _performed(step: PerformedStep) -> Model:
    """Refer to a step; which work item of a general purpose worklist it did is not known of any."""
    return model_of(attribute(0x00081150, MPPS), attribute(0x00081155, step.sop_instance_uid), attribute(0x00404019))
