"""Which studies are new or grew, whoever brought them: looked up in the index, told once they are quiet.

Each look notes what came since the one before as a row of `delivery` that is due when the study has been quiet for a
while; what comes in the meantime makes a later row, which takes the place of the earlier. How far was looked is kept,
so that a server that was killed goes on from there. Removed studies are told of at once.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from archimage.errors import ArchimageError, NotFoundError
from archimage.logger import logger
from archimage.model.deliveries import Delivery, DeliveryState
from archimage.model.events import StudyRemoved
from archimage.model.fhir import KeptResource
from archimage.ports.fhir import FhirResources, StudyArrivals
from archimage.services.deliveries import MAX_SHOWN, DeliveryService
from archimage.services.events import EventHub
from archimage.services.fhir.subscriptions import SubscriptionService

DELIVERY: Final = "fhir-study"
LOOK_EVERY_S: Final = 1.0
MAX_STUDIES: Final = 1_000
"""Studies that are noted in one look; the next one goes on."""
_OVERLAP_S: Final = 5.0
"""What came so long before the last look may have been committed after it."""
_MARK: Final = ("Arrivals", "looked")
_STUDY: Final = "ImagingStudy"
_log = logger("web")


class StudyWatch:
    """Looks, in a thread of its own. `close` it."""

    def __init__(
        self,
        kept: FhirResources,
        arrivals: StudyArrivals,
        deliveries: DeliveryService,
        subscriptions: SubscriptionService,
        events: EventHub,
        quiet_s: float,
    ) -> None:
        self._kept = kept
        self._arrivals = arrivals
        self._deliveries = deliveries
        self._subscriptions = subscriptions
        self._events = events
        self._quiet_s = quiet_s
        self._now: Callable[[], float] = time.time
        self._noted: dict[str, float] = {}
        self._is_idle = False
        self._ended = threading.Event()
        self._looking = threading.Thread(target=self._look_on, name="fhir-watch", daemon=True)
        deliveries.register(DELIVERY, self._tell)

    def start(self) -> None:
        """Begin to look."""
        self._looking.start()

    def close(self) -> None:
        """End."""
        self._ended.set()
        if self._looking.is_alive():
            self._looking.join()

    def _look_on(self) -> None:
        last = self._events.last
        while not self._ended.is_set():
            try:
                last = self._look(last)
            except (ArchimageError, OSError) as error:
                _log.warning("subscribers wait for the index", reason=str(error))
            self._ended.wait(LOOK_EVERY_S)

    def _look(self, last: int) -> int:
        """Note what came and what went; return the number of the last event that was looked at."""
        news = self._events.since(last)
        if not self._subscriptions.wants(_STUDY):
            self._go_idle()
            return news.last
        self._is_idle = False
        mark = self._kept.get(*_MARK)
        now = self._now()
        self._note_arrivals(now if mark is None else mark.changed_at, now, is_first=mark is None)
        for told in news.told:
            if isinstance(told.event, StudyRemoved):
                self._add(told.event.study_instance_uid, "removed", 0)
        return news.last

    def _go_idle(self) -> None:
        """Forget how far was looked: who subscribes later is not told of what came before."""
        if not self._is_idle:
            self._noted.clear()
            self._kept.remove(*_MARK)
            self._is_idle = True

    def _note_arrivals(self, since: float, now: float, *, is_first: bool) -> None:
        found = self._arrivals.studies_since(since - _OVERLAP_S, MAX_STUDIES)
        new = [(uid, at) for uid, at in found if self._noted.get(uid, 0.0) < at]
        for uid, at in new:
            self._add(uid, "changed", self._quiet_s)
            self._noted[uid] = at
        if new or is_first:
            self._kept.put(KeptResource(*_MARK, "", "", "", now, now))
            self._noted = {uid: at for uid, at in self._noted.items() if at >= now - 2 * _OVERLAP_S}

    def _add(self, uid: str, what: str, after_s: float) -> None:
        lane = f"{DELIVERY} {uid}"
        self._deliveries.add(DELIVERY, _STUDY, uid, what, lane=lane, after_s=after_s)

    def _tell(self, one: Delivery) -> None:
        """Tell subscribers of a study, unless something later is to be told of it."""
        if one.payload == "removed":
            return self._subscriptions.removed(_STUDY, one.about)
        waiting = self._deliveries.find(kind=DELIVERY, state=DeliveryState.WAITING, limit=MAX_SHOWN)
        if not any(other.about == one.about and other.id > one.id for other in waiting):
            return self._subscriptions.changed(_STUDY, one.about)
        with suppress(NotFoundError):
            self._deliveries.remove(one.id)
        return None
