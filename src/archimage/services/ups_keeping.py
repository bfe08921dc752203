"""Forgets work items that are over, and events that nobody has fetched in time."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from archimage.errors import ArchimageError
from archimage.logger import logger
from archimage.services.ups import UpsService
from archimage.services.ups_subscriptions import SubscriptionService

_EVERY_S: Final = 60.0
_log = logger("task")


@dataclass(frozen=True, slots=True)
class Procedures:
    """All that is done with work items."""

    steps: UpsService
    subscriptions: SubscriptionService


@dataclass(frozen=True, slots=True)
class Keeping:
    """How long things are kept: work items after their end, and events, seconds; and events of one subscriber."""

    items_s: float
    events_s: float
    most_events: int


class UpsKeeper:
    """Looks once a minute, in a thread of its own. `close` it."""

    def __init__(self, procedures: Procedures, keeping: Keeping) -> None:
        self._procedures = procedures
        self._keeping = keeping
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._look, name="ups", daemon=True)

    def start(self) -> None:
        """Tell subscribers that the archive is there again, and begin to look."""
        self._thread.start()

    def forget(self) -> tuple[int, int]:
        """Forget what is due; return how many work items and events these were."""
        steps, keeping = self._procedures.steps, self._keeping
        now = steps.now()
        return steps.table.forget(now - keeping.items_s, now - keeping.events_s, keeping.most_events)

    def close(self) -> None:
        """End."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()

    def _look(self) -> None:
        self._try(self._procedures.subscriptions.announce_start)
        while not self._closing.wait(_EVERY_S):
            self._try(self.forget)

    @staticmethod
    def _try(work: Callable[[], object]) -> None:
        try:
            work()
        except (ArchimageError, OSError) as error:
            _log.warning("work items wait for the index", reason=str(error))
