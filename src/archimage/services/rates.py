"""How often somebody may ask: a bucket of tokens for each, so that who asks without end leaves something to others."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from archimage.logger import logger
from archimage.model.access import Principal
from archimage.ports.meter import LimitedDoor, Meter

BURST_S: Final = 10.0
"""So many seconds' worth of requests may come at once."""
REMEMBERED: Final = 10_000
"""Names whose buckets are kept; whoever has not asked for longest is forgotten first, and begins with a full one."""
_ROUNDING_S: Final = 1e-6
_TOLD_EVERY_S: Final = 60.0
_log = logger("security")


def limited_as(principal: Principal) -> str:
    """Return under which name somebody is limited: his own if he has proved it, else one of his address."""
    if principal.is_known:
        return f"{principal.name}, proved"
    return f"{principal.ae_title} at {principal.address}" if principal.ae_title else principal.address


class Rates:
    """Limits the requests of each name; from any thread. Of each it keeps one number: when its bucket is full again."""

    def __init__(
        self,
        door: LimitedDoor,
        per_s: float,
        meter: Meter | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Let per_s requests through each second, seen over a while; 0 is without limit. clock gives seconds."""
        self.per_s = per_s
        self._door = door
        self._meter = meter or Meter()
        self._clock = clock
        self._full_at: OrderedDict[str, float] = OrderedDict()
        self._turn = threading.Lock()
        self._refused = 0
        self._told_at = float("-inf")

    def take(self, name: str) -> float:
        """Let a request through and return 0.0, or return for how many seconds its sender has to wait."""
        per_s = self.per_s
        if not per_s:
            return 0.0
        with self._turn:
            now = self._clock()
            full_at = max(self._full_at.get(name, now), now) + 1 / per_s
            wait_s = full_at - now - max(BURST_S, 1 / per_s)
            if wait_s <= _ROUNDING_S:
                self._full_at[name] = full_at
                self._full_at.move_to_end(name)
                if len(self._full_at) > REMEMBERED:
                    self._full_at.popitem(last=False)
                return 0.0
            self._refuse(name, now)
        return wait_s

    def _refuse(self, name: str, now: float) -> None:
        self._meter.request_limited(self._door)
        self._refused += 1
        if now - self._told_at >= _TOLD_EVERY_S:
            _log.warning("requests beyond their rate", door=self._door, last_of=name, count=self._refused)
            self._told_at, self._refused = now, 0
