"""The events of this process, for those who follow them as they happen.

One bounded memory serves all followers: each knows the number of the last event that it has seen, and asks for what
came after. Who falls behind further than the memory reaches misses the oldest, and is told how many. Stored instances
are summed per study for half a second, so that a CT of a thousand images makes few events.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from archimage.model.events import Event, InstanceStored, StudyGrew
from archimage.model.records import InstanceRecord

SUMMED_FOR_S: Final = 0.5
MEMORY: Final = 1_000
_SUMMED_STUDIES: Final = 200

Wake = Callable[[], None]
"""Tells a follower that something is there, or will be within SUMMED_FOR_S; from any thread, and must not block."""
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Told:
    """One event, its number, and when it was told: seconds since 1970, UTC."""

    number: int
    time: float
    event: Event


@dataclass(frozen=True, slots=True)
class News:
    """What a follower has not seen yet; lost counts what is forgotten, last is the number to ask with next.

    due_s tells in how many seconds more will be there, None where nothing waits.
    """

    told: tuple[Told, ...]
    lost: int
    last: int
    due_s: float | None


class EventHub:
    """Takes events from any thread and keeps the newest.

    hear hears of every event as it is published. monotonic and clock tell the time, seconds: the one that passes, and
    the one since 1970, UTC.
    """

    def __init__(
        self,
        hear: Callable[[Event], None] = lambda _: None,
        *,
        memory: int = MEMORY,
        monotonic: Clock = time.monotonic,
        clock: Clock = time.time,
    ) -> None:
        self._hear = hear
        self._monotonic = monotonic
        self._clock = clock
        self._told: deque[Told] = deque(maxlen=memory)
        self._sums: dict[str, StudyGrew] = {}
        self._due_at = 0.0
        self._last = 0
        self._wakes: dict[object, Wake] = {}
        self._lock = threading.Lock()
        self.epoch = f"{time.time_ns():x}"
        """Tells this run of this process from all others."""

    @property
    def followers(self) -> int:
        """How many follow."""
        return len(self._wakes)

    @property
    def kept(self) -> int:
        """How many events are remembered."""
        return len(self._told)

    @property
    def last(self) -> int:
        """The number of the newest event, 0 before the first."""
        return self._last

    def publish(self, event: Event) -> None:
        """Tell an event."""
        self._hear(event)
        with self._lock:
            if isinstance(event, InstanceStored):
                waking = not self._sums
                self._add(event.record)
            else:
                waking = True
                self._keep(event)
            wakes = tuple(self._wakes.values()) if waking else ()
        for wake in wakes:
            wake()

    def since(self, number: int) -> News:
        """Return what was told after an event; a number that was never given out means from here on."""
        with self._lock:
            left_s = self._due_at - self._monotonic() if self._sums else None
            if left_s is not None and left_s <= 0:
                self._settle()
                left_s = None
            if not 0 <= number <= self._last:
                number = self._last
            told = tuple(told for told in self._told if told.number > number)
            return News(told, self._last - number - len(told), self._last, left_s)

    @contextmanager
    def following(self, wake: Wake) -> Iterator[None]:
        """Have a follower woken, for as long as the block lasts."""
        key = object()
        with self._lock:
            self._wakes[key] = wake
        try:
            yield
        finally:
            with self._lock:
                del self._wakes[key]

    def _add(self, record: InstanceRecord) -> None:
        """Add an instance to the sum of its study."""
        if not self._sums:
            self._due_at = self._monotonic() + SUMMED_FOR_S
        elif self._monotonic() >= self._due_at or len(self._sums) >= _SUMMED_STUDIES:
            self._settle()
            self._due_at = self._monotonic() + SUMMED_FOR_S
        uid = record.values["study_instance_uid"]
        sum_ = self._sums.get(uid) or StudyGrew(uid, 0, 0, record.source_ae_title)
        self._sums[uid] = replace(sum_, instances=sum_.instances + 1, size_bytes=sum_.size_bytes + record.size_bytes)

    def _settle(self) -> None:
        """Tell the sums."""
        for sum_ in self._sums.values():
            self._keep(sum_)
        self._sums.clear()

    def _keep(self, event: Event) -> None:
        self._last += 1
        self._told.append(Told(self._last, self._clock(), event))
