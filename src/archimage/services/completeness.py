"""When a study is complete: nothing of it came for a while. Whoever is to hear of that has a delivery made of it.

Studies that grew are looked for in the index, every second while anybody may want to know: storing costs nothing more,
it does not matter which process stored, and a server that was killed goes on from where it had looked. What came before
the first look is not told of. A study that grows once more is complete once more.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from archimage.errors import ArchimageError
from archimage.logger import logger
from archimage.model.deliveries import Delivery
from archimage.ports.completeness import CompletingStudies

LOOK_EVERY_S: Final = 1.0
PER_LOOK: Final = 1_000
"""Studies that are told of at once; the next look tells of the rest."""
CATCH_UP_S: Final = 7 * 86_400.0
"""Who has not looked for longer than this is not told of what came meanwhile."""
_log = logger("task")

Tell = Callable[[str, float], Sequence[Delivery]]
"""Makes the deliveries of a study that is complete, at a time."""


class CompletenessService:
    """Looks in a thread of its own, for one audience. `close` it."""

    def __init__(
        self, studies: CompletingStudies, quiet_s: float, tell: Tell, wake: Callable[[], None], name: str
    ) -> None:
        """Have deliveries made by tell, of studies that were quiet for so long; wake is called when there are any.

        name is that of the thread.
        """
        self._studies = studies
        self._quiet_s = quiet_s
        self._tell = tell
        self._wake = wake
        self._is_first = True
        self._ended = threading.Event()
        self._looking = threading.Thread(target=self._look_on, name=name, daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._looking.start()

    def close(self) -> None:
        """End."""
        self._ended.set()
        if self._looking.is_alive():
            self._looking.join()

    def look(self, now: float) -> int:
        """Have told what is complete; return how many studies that are."""
        mark = self._studies.since()
        if mark is None or (self._is_first and mark < now - CATCH_UP_S):
            self._studies.begin(now)
        else:
            self._studies.note(mark, now)
        self._is_first = False
        told = 0
        for study in self._studies.quiet(now - self._quiet_s, PER_LOOK):
            told += self._studies.tell(study, self._tell(study.study_instance_uid, now))
        if told:
            self._wake()
        return told

    def _look_on(self) -> None:
        while not self._ended.is_set():
            try:
                self.look(time.time())
            except (ArchimageError, OSError) as error:
                _log.warning("studies that are complete wait for the index", reason=str(error))
            self._ended.wait(LOOK_EVERY_S)
