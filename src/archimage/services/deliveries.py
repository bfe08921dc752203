"""What others are to be told: kept before it is promised, tried until they have heard it, in order where that matters.

Order is that of a lane, in which nothing overtakes; of the lanes in which something is due the most urgent goes first.
One destination is told so few things at once that others are told theirs while it does not answer.

Receivers may hear a thing twice, when a process dies after telling it and before noting that; never not at all. Of
several processes each takes what is due; what one has taken is another's once that one no longer says that it is at it.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from archimage.errors import (
    ArchimageError,
    CancelledError,
    ConflictError,
    DeliveryRefusedError,
    NotFoundError,
    StorageError,
)
from archimage.logger import logger
from archimage.model.deliveries import Delivery, DeliveryState
from archimage.ports.department import Deliveries
from archimage.threads import ContextThreads

THREADS: Final = 4
AT_ONCE: Final = 2
"""How many things one destination is told at once, by all processes that share an index."""
MAX_SHOWN: Final = 1_000
_TAKEN_S: Final = 60.0
_RENEW_EVERY_S: Final = 15.0
_LOOK_EVERY_S: Final = 5.0
_CROWDED_S: Final = 1.0
_KEPT_S: Final = 7 * 86_400.0
_FORGET_EVERY_S: Final = 3_600.0
_log = logger("task")

Deliver = Callable[[Delivery], None]
"""Tells the receiver; raises ArchimageError where it has not heard it, DeliveryRefusedError where it never will."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a kind of delivery is tried: waits double from first_s up to most_s, until give_up_s have passed."""

    first_s: float = 5.0
    most_s: float = 900.0
    give_up_s: float = 86_400.0

    def wait_s(self, attempts: int) -> float:
        """Return how long to wait after so many tries."""
        return float(min(self.first_s * 2 ** min(attempts - 1, 30), self.most_s))


class DeliveryService:
    """Delivers in threads of its own; safe to call from any thread. `close` it."""

    def __init__(self, table: Deliveries, now: Callable[[], float] = time.time, *, threads: str = "deliver") -> None:
        """Deliver what table keeps, in threads of a name."""
        self._table = table
        self._now = now
        self.told: Callable[[str, Delivery], None] = lambda _deed, _delivery: None
        """Hears what people do with deliveries: paused, resumed, retried, removed."""
        self._kinds: dict[str, tuple[Deliver, Patience]] = {}
        self._paused: set[str] = set()
        self._woken = threading.Event()
        self._closing = False
        self._busy: set[int] = set()
        self._lock = threading.Lock()
        self._forgotten_at = 0.0
        self._renewed_at = 0.0
        self.threads = ContextThreads(THREADS, threads)
        """Do the telling."""
        self._looking = threading.Thread(target=self._look, name="deliveries", daemon=True)

    def register(self, kind: str, deliver: Deliver, patience: Patience | None = None) -> None:
        """Say who delivers a kind; before `start`."""
        self._kinds[kind] = (deliver, patience or Patience())

    def pause(self, kind: str) -> None:
        """Have what is of a kind wait, however long, until `resume`."""
        self._paused.add(kind)

    def resume(self, kind: str) -> None:
        """Deliver again what is of a kind, at once; nothing may have waited."""
        if kind in self._paused:
            self._paused.discard(kind)
            self.hasten(kind)

    def release(self) -> None:
        """Take over what others were at; to be called by a process that is alone in using the index."""
        self._table.release()

    @property
    def kinds(self) -> Sequence[str]:
        """The kinds that are delivered, by name."""
        return tuple(self._kinds)

    def start(self) -> None:
        """Begin to deliver, with what is left from before."""
        self._looking.start()

    def add(self, kind: str, destination: str, about: str, payload: str, *, lane: str = "", after_s: float = 0) -> None:
        """Keep something to be delivered; durable when this returns.

        What has the same lane is delivered in order, one after the other; without one, all of a kind to a destination.
        """
        now = self._now()
        self.add_all([replace(made(kind, destination, about, payload, now, lane=lane), due_at=now + after_s)])

    def add_all(self, deliveries: Sequence[Delivery]) -> None:
        """Keep several at once."""
        if deliveries:
            self._table.add(deliveries)
            self.wake()

    def hasten(self, kind: str, about: str = "") -> None:
        """Deliver now what waits of a kind, about something where that is given; nothing may."""
        if self._table.hasten(kind, about, self._now()):
            self.wake()

    def wake(self) -> None:
        """Look now for what is due."""
        self._woken.set()

    def find(
        self, *, kind: str = "", state: DeliveryState | None = None, before: int | None = None, limit: int = 100
    ) -> Sequence[Delivery]:
        """Return the newest, of one kind, in one state, and before an id, where these are given."""
        return self._table.find(kind=kind, state=state, before=before, limit=min(limit, MAX_SHOWN))

    def get(self, delivery_id: int) -> Delivery:
        """Return one; NotFoundError where it is not kept."""
        found = self._table.get(delivery_id)
        if found is None:
            raise NotFoundError("no delivery of this number is kept")
        return found

    def retry(self, delivery_id: int) -> Delivery:
        """Try again what has failed; ConflictError where it has not."""
        if not self._table.retry(delivery_id, self._now()):
            raise ConflictError(
                f"delivery {delivery_id} is {self.get(delivery_id).state}; only what failed is tried again"
            )
        return self._turned("retried", delivery_id)

    def hold(self, delivery_id: int) -> Delivery:
        """Pause one that waits, until it is let go; what comes after it in its lane waits too, to be told in order.

        Raises:
            ConflictError: it does not wait.
        """
        if not self._table.pause(delivery_id):
            raise ConflictError(f"delivery {delivery_id} is {self.get(delivery_id).state}; only what waits is paused")
        return self._turned("paused", delivery_id)

    def let_go(self, delivery_id: int) -> Delivery:
        """Go on with one that was paused; ConflictError where it was not."""
        if not self._table.resume(delivery_id, self._now()):
            state = self.get(delivery_id).state
            raise ConflictError(f"delivery {delivery_id} is {state}; only what was paused is resumed")
        return self._turned("resumed", delivery_id)

    def remove(self, delivery_id: int) -> None:
        """Forget one, delivered or not; NotFoundError where it is not kept."""
        removed = self.get(delivery_id)
        if not self._table.remove(delivery_id):
            raise NotFoundError("no delivery of this number is kept")
        self.told("removed", removed)

    def _turned(self, deed: str, delivery_id: int) -> Delivery:
        turned = self.get(delivery_id)
        self.told(deed, turned)
        self.wake()
        return turned

    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """Count by kind and state."""
        found: dict[str, dict[str, int]] = {}
        for kind, state, count in self._table.counts():
            found.setdefault(kind, {})[state.value] = count
        return found

    def close(self) -> None:
        """End; what is being delivered may be delivered again at the next start."""
        self._closing = True
        self._woken.set()
        if self._looking.is_alive():
            self._looking.join()
        self.threads.shutdown(cancel_futures=True)

    def _look(self) -> None:
        """Hand out what is due, again and again."""
        while not self._closing:
            self._woken.clear()
            try:
                wait_s = self._hand_out()
            except (ArchimageError, OSError) as error:
                _log.warning("deliveries wait for the index", reason=str(error))
                wait_s = _LOOK_EVERY_S
            self._woken.wait(wait_s)

    def _hand_out(self) -> float:
        """Give what is due to the threads; return how long to wait for more, seconds."""
        now = self._now()
        kinds = tuple(self._kinds.keys() - self._paused)
        if now - self._forgotten_at > _FORGET_EVERY_S:
            self._forgotten_at = now
            self._table.forget(now - _KEPT_S)
        if self._busy and now - self._renewed_at > _RENEW_EVERY_S:
            self._renewed_at = now
            with self._lock:
                busy = tuple(self._busy)
            self._table.renew(busy, now + _TAKEN_S)
        free = THREADS - len(self._busy)
        if free <= 0:
            return _LOOK_EVERY_S
        due = self._table.next_due(kinds)
        if due is None or due > now:
            return _LOOK_EVERY_S if due is None else min(_LOOK_EVERY_S, due - now)
        if not self._busy:
            self._renewed_at = now
        taken = self._table.take(kinds, now, now + _TAKEN_S, free, at_once=AT_ONCE)
        for one in taken:
            with self._lock:
                self._busy.add(one.id)
            self.threads.submit(self._deliver, one)
        if len(taken) == free:
            return _LOOK_EVERY_S  # or until a thread is free
        return 0.0 if taken else _CROWDED_S  # all that is due is for those who are told something by now

    def _deliver(self, one: Delivery) -> None:
        deliver, patience = self._kinds[one.kind]
        try:
            self._note(one, patience, self._failure(deliver, one))
        except StorageError as error:
            _log.warning("a delivery could not be noted, and may be made again", delivery=one.id, reason=str(error))
        finally:
            with self._lock:
                self._busy.discard(one.id)
            self.wake()

    def _failure(self, deliver: Deliver, one: Delivery) -> Exception | None:
        try:
            deliver(one)
        except Exception as error:  # whatever goes wrong is this try's end, not the thread's
            return error
        return None

    def _note(self, one: Delivery, patience: Patience, failure: Exception | None) -> None:
        now = self._now()
        if self._closing and isinstance(failure, CancelledError):
            return  # it is gone on with by whoever comes next
        if failure is None:
            self._table.settle(one.id, now)
            return
        told = str(failure) if isinstance(failure, ArchimageError) else f"a bug: {type(failure).__name__}"
        about: Mapping[str, object] = {"delivery": one.id, "kind": one.kind, "destination": one.destination}
        if isinstance(failure, DeliveryRefusedError) or now - one.created_at >= patience.give_up_s:
            self._table.give_up(one.id, now, told)
            _log.error("a delivery failed", **about, reason=told)
        else:
            self._table.postpone(one.id, now + patience.wait_s(one.attempts + 1), told)
            _log.warning("a delivery is tried again later", **about, reason=told)


def made(kind: str, destination: str, about: str, payload: str, now: float, *, lane: str = "") -> Delivery:
    """Return a delivery that is due now, and still to be kept; see `DeliveryService.add`."""
    return Delivery(kind, destination, about, payload, lane or f"{kind} {destination}", now, now)
