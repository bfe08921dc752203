"""What many steps do to one study, gathered: one audit message an association or request and study, not one an image.

What is gathered is told soon after its association or request has ended, when nothing was added for QUIET_S, and after
AGE_S at the latest. That instances begin to be transferred is told at once: so much is known after a crash.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Literal

from archimage.model.audit import Participant

LINGER_S: Final = 0.5
"""What an association has brought may be heard of a moment after its end."""
QUIET_S: Final = 10.0
AGE_S: Final = 60.0
MAX_GATHERED: Final = 2_000
"""Studies of which something is gathered; beyond that the oldest are told."""
Kind = Literal["stored", "sent", "accessed", "exported", "imported"]


@dataclass(frozen=True, slots=True)
class Key:
    """What is told by one message: by what, of which association or request, of which study."""

    kind: Kind
    source: str
    study_instance_uid: str


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was done.

    series is that whose instances it was about, all of them; empty for all of the study where sop_class_uid is too.
    failed_uid is that of an instance with which it did not work, reason why.
    """

    sop_class_uid: str = ""
    series: str = ""
    counted: int = 0
    failed_uid: str = ""
    reason: str = ""


@dataclass(slots=True)
class Gathered:
    """What is gathered under one key.

    whole maps series, an empty text for the study, of which all instances are meant, to how many these are; None where
    that is still to be looked up.
    """

    who: Participant
    patient_id: str = ""
    patient_name: str = ""
    accession_number: str = ""
    sop_classes: Counter[str] = field(default_factory=Counter)
    whole: dict[str, int | None] = field(default_factory=dict)
    failed: int = 0
    failed_uids: list[str] = field(default_factory=list)
    reason: str = ""
    since: float = 0.0
    last: float = 0.0
    ended: float | None = None

    def is_due(self, now: float) -> bool:
        """Tell whether it is to be told."""
        over = self.ended is not None and now - self.ended >= LINGER_S
        return over or now - self.last >= QUIET_S or now - self.since >= AGE_S

    def add(self, step: Step, most_named: int) -> None:
        """Add a step."""
        if step.reason:
            self.failed += 1
            self.reason = self.reason or step.reason
            if step.failed_uid and len(self.failed_uids) < most_named:
                self.failed_uids.append(step.failed_uid)
        elif step.counted:
            self.sop_classes[step.sop_class_uid] += step.counted
        else:
            self.whole.setdefault(step.series, None)


Tell = Callable[[Key, Gathered], None]


class Gathering:
    """Gathers steps, from any thread; begun is called with the first of a key, ended with all that was gathered."""

    def __init__(
        self, begun: Tell, ended: Tell, *, most_named: int, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._begun = begun
        self._ended = ended
        self._most_named = most_named
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._open: dict[Key, Gathered] = {}

    def add(self, key: Key, step: Step, make: Callable[[], Gathered]) -> Gathered:
        """Add a step; make tells of the first one who did it, and to whose study. Return what is gathered by now."""
        now = self._monotonic()
        oldest: list[tuple[Key, Gathered]] = []
        with self._lock:
            found = self._open.get(key)
            new = found is None
            if found is None:
                found = self._open[key] = make()
                found.since = now
                if len(self._open) > MAX_GATHERED:
                    first = next(iter(self._open))
                    oldest = [(first, self._open.pop(first))]
            found.add(step, self._most_named)
            found.last = now
        if new:
            self._begun(key, found)
        self._tell(oldest)
        return found

    def end(self, source: str) -> None:
        """Have told soon what an association or request has done: it is over."""
        now = self._monotonic()
        with self._lock:
            for key, one in self._open.items():
                if key.source == source:
                    one.ended = now

    def settle(self) -> None:
        """Tell what is due."""
        now = self._monotonic()
        self._tell(self._take(lambda one: one.is_due(now)))

    def close(self) -> None:
        """Tell everything."""
        self._tell(self._take(lambda _: True))

    def _take(self, wanted: Callable[[Gathered], bool]) -> list[tuple[Key, Gathered]]:
        with self._lock:
            taken = [(key, one) for key, one in self._open.items() if wanted(one)]
            for key, _ in taken:
                del self._open[key]
        return taken

    def _tell(self, taken: Iterable[tuple[Key, Gathered]]) -> None:
        for key, one in taken:
            self._ended(key, one)
