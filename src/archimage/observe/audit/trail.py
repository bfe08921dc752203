"""The audit trail of a process: takes what happened from any thread, and one thread of its own writes it.

Whoever tells something never waits. What waits is bounded, and what comes when no room is left is counted; the journal
says so as soon as it can be written. A disk that refuses is asked again, and meanwhile nothing that waits is dropped.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from archimage.errors import UnavailableError
from archimage.logger import logger
from archimage.model.audit import AuditEvent
from archimage.observe.audit.journal import Journal
from archimage.ports.audit import Told
from archimage.ports.meter import Meter

MAX_WAITING: Final = 10_000
"""Happenings that may wait to be written."""
GROUP: Final = 250
"""Records that one flush makes durable."""
HEAD_EVERY_S: Final = 60.0
GATHERED_S: Final = 0.1
"""For so long messages gather for one flush: each flush is one that the ingest journal has to wait for, and each time
the thread wakes the event loop has to wait for the interpreter."""
STUCK_S: Final = 10.0
"""A write that takes longer has failed, for whoever asks."""
_RETRY_S: Final = 1.0
_LOOK_EVERY_S: Final = 1.0
_NEVER: Final = MAX_WAITING + 1
_log = logger("security")


@dataclass(frozen=True, slots=True)
class Messages:
    """How the trail makes its own messages, and encodes all of them."""

    encode: Callable[[AuditEvent], bytes]
    lost: Callable[[int], AuditEvent]
    failed: Callable[[str], AuditEvent]


class Trail:
    """Implements `ports.audit.AuditSink`. required tells that nothing may be done that cannot be recorded.

    settle is called about every second, so that what gathers elsewhere is told in time; written after every group.
    clock tells when a head is due: seconds, monotonic.
    """

    def __init__(
        self, journal: Journal, messages: Messages, *, required: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.meter = Meter()
        """Hears of messages."""
        self.settle: Callable[[], None] = lambda: None
        self.written: Callable[[], None] = lambda: None
        self._journal = journal
        self._messages = messages
        self._required = required
        self._waiting: deque[Told] = deque()
        self._changed = threading.Condition(threading.Lock())
        self._wakes_at = _NEVER  # how many happenings wake the thread, while it waits
        self._hurried = False  # whether one of those that wait has to be made at once
        self._ending = self._ended = False
        self._lost = 0
        self._failing = ""
        self._writing_since = 0.0
        self._clock = clock
        self._signed_at = clock()
        self._thread = threading.Thread(target=self._run, name="audit")
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many happenings wait to be written."""
        return len(self._waiting)

    @property
    def is_failing(self) -> bool:
        """Whether it cannot be written."""
        since = self._writing_since
        return bool(self._failing or self._lost or (since and time.monotonic() - since > STUCK_S))

    def record(self, told: Told, *, at_once: bool = True) -> None:
        """Take what happened; never blocks."""
        with self._changed:
            if len(self._waiting) < MAX_WAITING and not self._ended:
                self._waiting.append(told)
                self._hurried = self._hurried or at_once
                if at_once or len(self._waiting) >= self._wakes_at:
                    self._changed.notify()
                return
            self._lost += 1
            first = self._lost == 1
            reason = "the trail has ended" if self._ended else self._failing or "too many at once"
        self.meter.audit_lost()
        if first:
            _log.error("audit messages are lost", waiting=len(self._waiting), reason=reason)

    def check(self) -> None:
        """Raise UnavailableError where nothing new may be done, because it could not be recorded."""
        if self._required:
            self._check()
            if len(self._waiting) > MAX_WAITING // 2:
                raise UnavailableError("too much waits for the audit trail, which is required (audit.required)")

    def health(self) -> Mapping[str, int]:
        """Tell how it is; UnavailableError where it cannot be written."""
        self._check()
        return {"waiting": len(self._waiting), "records": self._journal.number}

    def close(self) -> None:
        """Write what waits, sign it, and end."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        self._thread.join()

    def _check(self) -> None:
        if self.is_failing:
            raise UnavailableError("the audit trail cannot be written", next_step="Make room, or look at its disk.")

    def _run(self) -> None:
        while self._wait():
            self._step()
        while told := self._last_taken():
            self._write(self._made(told))
        self._attempt(self._journal.close)

    def _step(self) -> None:
        """Write what waits; a bug of ours must not end the only thread that does."""
        try:
            self.settle()
            self._write(self._gathered())
        except Exception:
            _log.exception("the audit trail met a bug")
            self.meter.audit_lost()

    def _wait(self) -> bool:
        """Wait until something is there, or a while has passed; tell whether to go on."""
        self._wait_for(1, _LOOK_EVERY_S)
        return not self._ending

    def _gathered(self) -> list[bytes]:
        """Make the messages of what comes within a moment: all at its end, but at once what may be gone soon."""
        until = time.monotonic() + GATHERED_S
        payloads = self._made(self._taken())
        while payloads and (room := GROUP - len(payloads)) > 0 and (left_s := until - time.monotonic()) > 0:
            if not self._wait_for(room, left_s):
                break
            payloads += self._made(self._taken(room))
        return payloads

    def _wait_for(self, count: int, wait_s: float) -> bool:
        """Wait for so many happenings, or one that has to be made at once; tell whether any wait, and no end."""
        with self._changed:
            if not (self._ending or self._hurried or len(self._waiting) >= count):
                self._wakes_at = count
                self._changed.wait(wait_s)
                self._wakes_at = _NEVER
            return bool(self._waiting) and not self._ending

    def _made(self, told: Sequence[Told]) -> list[bytes]:
        return [payload for one in told for payload in self._encoded(one)]

    def _taken(self, most: int = GROUP) -> list[Told]:
        with self._changed:
            taken = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
            self._hurried = self._hurried and bool(self._waiting)
            return taken

    def _last_taken(self) -> list[Told]:
        """Take what still waits; once nothing does, nothing is taken any more."""
        with self._changed:
            self._ended = not self._waiting
        return self._taken()

    def _write(self, payloads: Sequence[bytes]) -> None:
        """Write messages, and a head when it is due."""
        for start in range(0, len(payloads), GROUP):
            self._put(payloads[start : start + GROUP])
        if self._lost and not self._failing:
            with self._changed:
                lost, self._lost = self._lost, 0
            self._put([self._messages.encode(self._messages.lost(lost))])
        if self._clock() - self._signed_at >= HEAD_EVERY_S:
            self._signed_at = self._clock()
            self._attempt(self._journal.sign)
        if payloads:
            self.written()

    def _put(self, payloads: Sequence[bytes]) -> None:
        """Append a group; tries until it is done, or the end has come."""
        write = partial(self._journal.write, payloads)
        done = self._attempt(write)
        while not done and not self._ended_within(_RETRY_S):
            done = self._attempt(write)
        if done or self._attempt(write):
            self.meter.audit_written(len(payloads))
        else:
            self.meter.audit_lost(len(payloads))
            _log.error("audit messages are lost at the end", count=len(payloads))

    def _ended_within(self, wait_s: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self._ending, wait_s)

    def _attempt(self, work: Callable[[], None]) -> bool:
        """Do what writes; tell whether it worked, and the log when that changes."""
        self._writing_since = time.monotonic()
        try:
            work()
        except OSError as error:
            if not self._failing:
                _log.error("the audit journal cannot be written", reason=str(error))
            self._failing = str(error)
            return False
        finally:
            self._writing_since = 0.0
        if self._failing:
            self._failing = ""
            _log.warning("the audit journal is written again")
        return True

    def _encoded(self, told: Told) -> list[bytes]:
        """Make messages; what cannot be made is told by a message too."""
        try:
            return [self._messages.encode(event) for event in told()]
        except Exception as error:
            _log.exception("an audit message could not be made")
            return [self._messages.encode(self._messages.failed(type(error).__name__))]
