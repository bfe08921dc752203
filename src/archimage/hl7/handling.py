"""What is done with a message that was kept: patients, orders and results, each by its service."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from archimage.errors import (
    ArchimageError,
    ConflictError,
    HeldError,
    Hl7Error,
    NotAuthorisedError,
    NotFoundError,
    OutOfResourcesError,
    StorageError,
    UnavailableError,
)
from archimage.hl7 import orders, patients, results
from archimage.hl7.orders import Order, Task
from archimage.hl7.parsing import Message, parse
from archimage.hl7.scheduling import Scheduling
from archimage.model.access import Operation, Principal
from archimage.model.callers import Caller, DoneFor
from archimage.model.changes import Asker
from archimage.model.deliveries import DeliveryState
from archimage.model.jobs import Priority
from archimage.model.messages import Ack, Fault, Hl7Message, MessageState, Outcome
from archimage.services.deliveries import DeliveryService, made
from archimage.services.patients import NOTHING_KEPT, NOTHING_NEW, PatientService
from archimage.services.reports import ReportService

UPDATES: Final = frozenset({"ADT^A01", "ADT^A04", "ADT^A05", "ADT^A08", "ADT^A31"})
MERGES: Final = frozenset({"ADT^A18", "ADT^A34", "ADT^A40"})
LINKS: Final = frozenset({"ADT^A24"})
UNLINKS: Final = frozenset({"ADT^A37"})
KINDS: Final = UPDATES | MERGES | LINKS | UNLINKS | orders.KINDS | results.KINDS
"""The messages that are taken; of others the sender is told that they are not."""
OPERATIONS: Final[Mapping[str, Operation]] = {
    "ADT": Operation.MODIFY,
    "ORM": Operation.WORKLIST,
    "OMI": Operation.WORKLIST,
    "OMG": Operation.WORKLIST,
    "ORU": Operation.STORE,
}
"""What somebody must be allowed to do who sends a message, by its first component."""
LATER: Final = "hl7-apply"
"""Deliveries to ourselves: what is applied once the change before it has ended."""
FORWARD: Final = "hl7-forward"
_LATER_LANE: Final = "hl7 patients"
_WAITS_S: Final = 80_000.0
_IGNORED: Final = frozenset({NOTHING_KEPT, NOTHING_NEW})
_WAITING: Final = Outcome(MessageState.WAITING, text="kept; it is applied once the change before it has ended")


@dataclass(frozen=True, slots=True)
class Rules:
    """What the settings say: the encoding of messages that tell none, and to whom what is handed on."""

    character_set: str
    receivers: Sequence[str] = ()
    forwarded: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Targets:
    """The services that messages go to."""

    patients: PatientService
    orders: Scheduling
    reports: ReportService
    deliveries: DeliveryService


class Handler:
    """Applies messages, on any thread; all of it blocks."""

    def __init__(self, rules: Rules, targets: Targets, now: Callable[[], float] = time.time) -> None:
        self._rules = rules
        self._targets = targets
        self._now = now
        self.ordered: Callable[[Order, str], None] = lambda _order, _done: None
        """Hears of orders that were taken."""

    def apply(self, message: Hl7Message) -> Outcome:
        """Do what a message says; return what became of it.

        Raises:
            StorageError: the index does not answer.
        """
        principal = Principal(address=message.address)
        with DoneFor(Caller("hl7", f"hl7 {message.id}", principal)):
            try:
                parsed = parse(message.raw, self._rules.character_set)
                outcome = self._done(message, parsed)
            except Hl7Error as error:
                return Outcome(MessageState.FAILED, Ack(error.ack), str(error), Fault(error.fault), error.location)
            except StorageError:
                raise
            except ArchimageError as error:
                return _refused(error)
            if message.kind[:3] in self._rules.forwarded and outcome.state is MessageState.DONE:
                self._forward(message)
            return outcome

    def _done(self, message: Hl7Message, parsed: Message) -> Outcome:
        kind = message.kind
        if kind in UPDATES | MERGES:
            return self._in_turn(message, parsed)
        if kind in LINKS | UNLINKS:
            return self._linked(parsed, message)
        if kind in orders.KINDS:
            return self._ordered(parsed)
        if kind in results.KINDS:
            found = results.reports_of(parsed, message.id, message.received_at)
            self._targets.reports.add(found)
            return Outcome(text=f"{len(found)} kept")
        told = f"messages of type {kind or 'none'} are not taken"
        raise Hl7Error(told, Fault.UNSUPPORTED_TYPE, "MSH^1^9", Ack.REJECT)

    # Patients

    def _in_turn(self, message: Hl7Message, parsed: Message) -> Outcome:
        """Change a patient, or have that done later where others wait for it before."""
        again = message.state is MessageState.WAITING
        if again and self._now() - message.received_at > _WAITS_S:
            raise ConflictError("the changes before it did not end")
        if not again and self._targets.deliveries.find(kind=LATER, state=DeliveryState.WAITING, limit=1):
            return self._later(message)
        try:
            done = self._updated(message, parsed) if message.kind in UPDATES else self._merged(message, parsed)
        except UnavailableError:
            return _WAITING if again else self._later(message)
        state = MessageState.IGNORED if set(done) <= _IGNORED else MessageState.DONE
        return Outcome(state, text="; ".join(done))

    def _later(self, message: Hl7Message) -> Outcome:
        one = made(LATER, "archive", str(message.id), "", self._now(), lane=_LATER_LANE)
        self._targets.deliveries.add_all([replace(one, priority=Priority.HIGH)])
        return _WAITING

    def _updated(self, message: Hl7Message, parsed: Message) -> Sequence[str]:
        pid = parsed.first("PID")
        who, values = patients.identifiers(pid, 3), patients.values(pid)
        if values.get("PatientName") == "":
            raise Hl7Error("the name of a patient cannot be deleted", Fault.DATA_TYPE, "PID^1^5")
        return [self._targets.patients.update(who, values, _asker(message), _reason(message, 1))]

    def _merged(self, message: Hl7Message, parsed: Message) -> Sequence[str]:
        """Merge each pair of PID and MRG: what is told of the second becomes the first's."""
        done, pid = [], parsed.first("PID")
        pairs = []
        for segment in parsed.segments:
            if segment.name == "PID":
                pid = segment
            elif segment.name == "MRG":
                pairs.append((patients.identifiers(segment, 1), patients.identifiers(pid, 3), patients.values(pid)))
        if not pairs:
            raise Hl7Error("it has no segment MRG", Fault.SEGMENT_SEQUENCE, "MRG")
        for number, (before, after, values) in enumerate(pairs, 1):
            done.append(self._targets.patients.merge(before, after, values, _asker(message), _reason(message, number)))
        return done

    def _linked(self, parsed: Message, message: Hl7Message) -> Outcome:
        found = [patients.identifiers(one, 3)[0] for one in parsed.all("PID")]
        if len(found) != 2 or found[0] == found[1]:
            raise Hl7Error("it names no two patients", Fault.REQUIRED_FIELD_MISSING, "PID^2^3")
        one, other = found
        if message.kind in LINKS:
            self._targets.patients.link(one, other, self._now())
            return Outcome(text="linked")
        self._targets.patients.unlink(one, other)
        return Outcome(text="unlinked")

    # Orders and results

    def _ordered(self, parsed: Message) -> Outcome:
        done = []
        for order in orders.orders_of(parsed):
            if order.task is Task.NOTHING:
                continue
            place = self._targets.orders.put if order.task is Task.PUT else self._targets.orders.close
            done.append(place(order))
            self.ordered(order, done[-1])
        return Outcome(text="; ".join(done)) if done else Outcome(MessageState.IGNORED, text="nothing is to be done")

    def _forward(self, message: Hl7Message) -> None:
        """Have a message handed on as it came, with its control id, so that whoever hears it twice knows."""
        now = self._now()
        to = self._rules.receivers
        self._targets.deliveries.add_all([made(FORWARD, one, str(message.id), "", now) for one in to])


def _asker(message: Hl7Message) -> Asker:
    return Asker(message.address, f"HL7 {message.sender}")


def _reason(message: Hl7Message, number: int) -> str:
    """Return why something is changed, in words that no other message has."""
    return f"HL7 {message.kind}, message {message.id}.{number}"


def _refused(error: ArchimageError) -> Outcome:
    """Return what is told of what a service refused."""
    match error:
        case NotFoundError():
            return Outcome(MessageState.FAILED, Ack.ERROR, str(error), Fault.UNKNOWN_KEY)
        case ConflictError() | HeldError():
            return Outcome(MessageState.FAILED, Ack.ERROR, str(error), Fault.LOCKED)
        case NotAuthorisedError():
            return Outcome(MessageState.FAILED, Ack.REJECT, str(error), Fault.INTERNAL)
        case OutOfResourcesError() | UnavailableError():
            return Outcome(MessageState.FAILED, Ack.ERROR, str(error), Fault.INTERNAL)
    return Outcome(MessageState.FAILED, Ack.ERROR, str(error), Fault.DATA_TYPE)
