"""Messages of HL7: kept before they are acknowledged, applied once, and never lost.

One thread does it. While it works on a group of messages the next one gathers, so all who wait share the cost of a
flush. A message that a crash has left is applied by whoever is there once nobody answers for it.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from typing import Final

from archimage.errors import ArchimageError, ConflictError, NotFoundError, StorageError
from archimage.logger import logger
from archimage.model.messages import Ack, Fault, Hl7Message, MessageState, Outcome
from archimage.ports.message import Flushing, Messages

GROUP: Final = 64
MAX_SHOWN: Final = 1_000
TAKEN_S: Final = 15.0
_LOOK_EVERY_S: Final = 2.0
_FORGET_EVERY_S: Final = 3_600.0
_DAY_S: Final = 86_400.0
_log = logger("task")

Apply = Callable[[Hl7Message], Outcome]
"""Does what a message says."""
Hear = Callable[[Hl7Message], None]
"""Hears of a message; from the thread of the inbox, so it must not block."""


@dataclass(frozen=True, slots=True)
class _Arrival:
    message: Hl7Message
    kept: Hear | None
    done: Hear


class Inbox:
    """Takes messages from any thread. `start` it, and `close` it."""

    def __init__(
        self,
        table: Messages,
        flushing: Flushing,
        apply: Apply,
        *,
        keep_days: int = 30,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._table = table
        self._flushing = flushing
        self._apply = apply
        self._keep_s = keep_days * _DAY_S
        self._now = now
        self._forgotten_at = 0.0
        self._arrivals: SimpleQueue[_Arrival | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="hl7", daemon=True)

    def start(self) -> None:
        """Begin, with what was left from before."""
        self._thread.start()

    def release(self) -> None:
        """Have what other processes were at be anybody's; for one that is alone in using the archive."""
        self._table.release()

    def close(self) -> None:
        """Finish what was submitted, and end."""
        self._arrivals.put(None)
        if self._thread.is_alive():
            self._thread.join()

    @property
    def waiting(self) -> int:
        """How many messages wait."""
        return self._arrivals.qsize()

    def submit(self, message: Hl7Message, done: Hear, kept: Hear | None = None) -> None:
        """Keep a message and apply it; done hears what became of it, kept, if it wants to, once it is durable."""
        self._arrivals.put(_Arrival(message, kept, done))

    # What people ask for

    def find(
        self, *, state: MessageState | None = None, before: int | None = None, limit: int = 100
    ) -> Sequence[Hl7Message]:
        """Return the newest, in one state and before an id, where these are given."""
        return self._table.find(state=state, before=before, limit=min(limit, MAX_SHOWN))

    def get(self, message_id: int) -> Hl7Message:
        """Return one; NotFoundError where it is not kept."""
        found = self._table.get(message_id)
        if found is None:
            raise NotFoundError(f"no message {message_id} is kept")
        return found

    def counts(self) -> Mapping[MessageState, int]:
        """Count them by state."""
        return dict(self._table.counts())

    def retry(self, message_id: int) -> Hl7Message:
        """Apply a message that failed once more; ConflictError where it has not failed."""
        return self.apply_kept(message_id, MessageState.FAILED)

    def discard(self, message_id: int) -> Hl7Message:
        """Have a message that failed stay as it is; ConflictError where it has not failed."""
        found = self._claimed(message_id, MessageState.FAILED)
        told = replace(found.outcome, state=MessageState.DISCARDED)
        ended = replace(found, outcome=told, ended_at=self._now())
        self._table.settle([ended])
        return ended

    def apply_kept(self, message_id: int, state: MessageState) -> Hl7Message:
        """Apply a message that is in a state; NotFoundError or ConflictError where there is no such."""
        ended = self._applied(self._claimed(message_id, state))
        self._table.settle([ended])
        return ended

    def _claimed(self, message_id: int, state: MessageState) -> Hl7Message:
        now = self._now()
        found = self._table.claim([state], now, now + TAKEN_S, message_id=message_id)
        if found is None:
            there = self.get(message_id)
            raise ConflictError(f"message {message_id} is {there.state}, and not {state} and at rest")
        return found

    # The thread

    def _work(self) -> None:
        while True:
            try:
                group = [self._arrivals.get(timeout=_LOOK_EVERY_S)]
            except Empty:
                self._look()
                continue
            while len(group) < GROUP and not self._arrivals.empty():
                group.append(self._arrivals.get())
            arrivals = [one for one in group if one is not None]
            if arrivals:
                self._group(arrivals)
            if len(arrivals) < len(group):
                return

    def _group(self, arrivals: Sequence[_Arrival]) -> None:
        """Keep and apply messages, and tell of them once all of that is durable."""
        answers: Sequence[Hl7Message]
        try:
            with self._flushing.group():
                answers = self._kept_and_applied(arrivals)
        except ArchimageError as error:
            _log.error("messages could not be kept", messages=len(arrivals), reason=str(error))
            failed = _passing(f"it could not be kept: {error}")
            answers = [_ended(one.message, failed, self._now()) for one in arrivals]
        for one, answer in zip(arrivals, answers, strict=True):
            one.done(answer)

    def _kept_and_applied(self, arrivals: Sequence[_Arrival]) -> Sequence[Hl7Message]:
        """Return what is answered to each; one that came twice is applied once, and answered twice."""
        now = self._now()
        kept = self._table.keep([one.message for one in arrivals], now, now + TAKEN_S)
        if any(one.kept is not None for one in arrivals):
            self._flushing.flush()
        for one, found in zip(arrivals, kept, strict=True):
            if one.kept is not None:
                one.kept(found.message)
        ended = {found.message.id: self._applied(found.message) for found in kept if found.is_ours}
        self._table.settle(list(ended.values()))
        return [
            _answer(one.message, ended.get(found.message.id, found.message))
            for one, found in zip(arrivals, kept, strict=True)
        ]

    def _applied(self, message: Hl7Message) -> Hl7Message:
        try:
            outcome = self._apply(message)
        except StorageError as error:
            outcome = _passing(str(error))
        except Exception as error:  # whatever goes wrong is this message's end, not the thread's
            _log.error("a message could not be applied", message=message.id, exc_info=error)
            outcome = Outcome(MessageState.FAILED, Ack.ERROR, f"a bug: {type(error).__name__}", Fault.INTERNAL)
        if outcome.state is MessageState.FAILED:
            _log.warning("a message failed", message=message.id, kind=message.kind, fault=outcome.fault.value)
        return _ended(message, outcome, self._now())

    def _look(self) -> None:
        """Apply what a crash has left, and forget what is old; nothing waits meanwhile."""
        try:
            now = self._now()
            left = self._table.claim([MessageState.RECEIVED], now, now + TAKEN_S)
            while left is not None:
                self._table.settle([self._applied(left)])
                left = self._table.claim([MessageState.RECEIVED], now, now + TAKEN_S)
            if now - self._forgotten_at > _FORGET_EVERY_S:
                self._forgotten_at = now
                self._table.forget(now - self._keep_s)
        except StorageError as error:
            _log.warning("messages wait for the index", reason=str(error))


def _ended(message: Hl7Message, outcome: Outcome, now: float) -> Hl7Message:
    """Return a message with what became of it; one that waits has not ended."""
    ended_at = None if outcome.state is MessageState.WAITING else now
    return replace(message, outcome=outcome, attempts=message.attempts + 1, ended_at=ended_at)


def _passing(text: str) -> Outcome:
    return Outcome(MessageState.FAILED, Ack.ERROR, text, Fault.INTERNAL)


def _answer(message: Hl7Message, kept: Hl7Message) -> Hl7Message:
    """Return what is answered to a message, of which kept is what came first under its control id."""
    if not kept.is_same(message):
        told = "this control id was that of another message; nothing was done"
        return replace(message, outcome=Outcome(MessageState.FAILED, Ack.REJECT, told, Fault.DUPLICATE_KEY, "MSH^1^10"))
    if kept.state is MessageState.RECEIVED:
        told = "it came before, and is still being applied"
        return replace(kept, outcome=Outcome(MessageState.RECEIVED, Ack.ERROR, told, Fault.LOCKED))
    return kept
