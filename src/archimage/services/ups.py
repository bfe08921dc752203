"""Work items: made, changed, claimed and brought to their end, by DIMSE, DICOMweb and pages alike.

Whoever claims a work item alone has its Transaction UID, and alone may change it from then on. All changes go through
one group commit, so that a claim is one conditional update and is flushed with those of others.

Ref: PS3.4 Annex CC.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from archimage.errors import RefusedOperationError
from archimage.model import callers
from archimage.model.ids import is_uid, new_uid
from archimage.model.ups import StepState, UpsEvent, Workitem
from archimage.ports.ups import Workitems, WorkitemWriter
from archimage.protocol.status import Status
from archimage.protocol.uids import UPS_FILTERED_GLOBAL_SUBSCRIPTION, UPS_GLOBAL_SUBSCRIPTION
from archimage.services import modelmatching, scoped, ups_events
from archimage.services.datasets import Model, attribute, is_empty, items, made, text
from archimage.services.deliveries import DeliveryService
from archimage.services.grouping import GroupCommit
from archimage.services.modelmatching import Wanted
from archimage.services.ups_events import ASSIGNING, Listening, Told
from archimage.services.ups_making import DISCONTINUED, code
from archimage.services.ups_rules import (
    CANCELLED_AT,
    PROGRESS,
    READINESS,
    REASON,
    REASON_CODES,
    STATE,
    TRANSACTION_UID,
    changed,
    created,
    ended,
    refused,
    shown,
)

THREADS: Final = 32
"""Wait for one flush together: of those that claim at a time, all that have a thread are in one group."""
ALREADY_CANCELED: Final = 0xB304
ALREADY_COMPLETED: Final = 0xB306
MODIFIED: Final = 0xB300
GONE: Final = 0xC300
WRONG_TRANSACTION: Final = 0xC301
UNKNOWN: Final = 0xC307
_GLOBAL: Final = frozenset({UPS_GLOBAL_SUBSCRIPTION, UPS_FILTERED_GLOBAL_SUBSCRIPTION})
_SEARCHED: Final = {"00741000": "states", "00080018": "uids", "00100020": "patient_id", "00741202": "label"}
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Made:
    """A work item that was made; status is that of the answer."""

    uid: str
    status: int


class UpsService:
    """Does it; safe to call from any thread. `close` it."""

    def __init__(
        self, table: Workitems, deliveries: DeliveryService, max_items: int, now: Callable[[], float] = time.time
    ) -> None:
        self.table = table
        self.now = now
        self.listening = Listening()
        """Who waits for events in this process."""
        self._deliveries = deliveries
        self._max_items = max_items
        self._group: GroupCommit[WorkitemWriter] = GroupCommit(table.changing, table.sync)

    def change(self, work: Callable[[WorkitemWriter, Told], Result]) -> Result:
        """Do work in a transaction with what others do, durably; then wake who is to be told."""
        told = Told()
        result = self._group.run(lambda writer: work(writer, told))
        if told.nodes:
            self._deliveries.wake()
        if told.web:
            self.listening.wake(told.web)
        return result

    def close(self) -> None:
        """Do what waits, and end."""
        self._group.close()

    def date_time(self) -> str:
        """Return the time as DICOM has it, UTC."""
        return datetime.fromtimestamp(self.now(), UTC).strftime("%Y%m%d%H%M%S+0000")

    # What is asked

    def get(self, uid: str) -> Workitem:
        """Return a work item; RefusedOperationError where there is none."""
        found = self.table.get(uid)
        if found is None or not scoped.is_shown(dict(found.model)):
            raise _unknown(uid)
        return found

    def find(self, wanted: Sequence[Wanted]) -> Iterator[Workitem]:
        """Yield work items that meet the keys of a query, the oldest first; blocks from the first step on."""
        for page in self.table.pages(**_narrowed(wanted)):
            for item in page:
                model = shown(item)
                if modelmatching.matches(model, wanted) and scoped.is_shown(model):
                    yield item

    def counts(self) -> Mapping[StepState, int]:
        """Count by state."""
        return dict(self.table.counts())

    # What is changed

    def create(self, model: Model, uid: str = "") -> Made:
        """Make a work item, under a UID of ours where none is given.

        Raises:
            RefusedOperationError: it is not as it must be, its UID is taken, or no more are kept.
        """
        uid = uid or new_uid()
        if not is_uid(uid) or uid in _GLOBAL:
            raise refused(Status.INVALID_SOP_INSTANCE, f"{uid[:64]!r} cannot name a work item")
        kept, modified = created(model, uid, self.date_time())
        scoped.check(kept)
        new = Workitem(uid, StepState.SCHEDULED, "", kept, 1, self.now())

        def work(writer: WorkitemWriter, told: Told) -> Made:
            if writer.is_full(self._max_items):
                raise self._no_room()
            item = writer.add(new)
            if item is None:
                raise refused(Status.DUPLICATE_SOP_INSTANCE, "a work item of this UID is kept already")
            events = [ups_events.state_report(item)]
            if any(not is_empty(kept, tag) for tag in ASSIGNING):
                events.append(ups_events.assigned(item))
            self._tell(writer, item, events, told)
            return Made(uid, MODIFIED if modified else Status.SUCCESS)

        return self.change(work)

    def _no_room(self) -> RefusedOperationError:
        message = f"{self._max_items:,} work items are kept, and no more are taken"
        step = "End what is over: it is deleted in time; or raise ups.max_items."
        return RefusedOperationError(message, status=Status.RESOURCE_LIMITATION, next_step=step)

    def update(self, uid: str, changes: Model, transaction_uid: str) -> None:
        """Change attributes of a work item.

        Raises:
            RefusedOperationError: it is over, the Transaction UID is not its own, or the changes may not be made.
        """

        def work(writer: WorkitemWriter, told: Told) -> None:
            item = self.kept(writer, uid)
            if item.state.is_final:
                raise refused(GONE, f"it is {item.state.value}, and may no longer be updated")
            if item.state is StepState.IN_PROGRESS and transaction_uid != item.transaction_uid:
                raise _wrong_transaction(transaction_uid)
            if item.state is StepState.SCHEDULED and transaction_uid:
                raise refused(0xC310, "it is not IN PROGRESS yet, and nobody has claimed it", TRANSACTION_UID)
            model = changed(item, changes, self.date_time())
            scoped.check(model)
            later = replace(item, model=model, version=item.version + 1)
            writer.replace(later)
            self._tell(writer, later, _told_of(item, later, changes), told)

        self.change(work)

    def change_state(self, uid: str, state: str, transaction_uid: str) -> int:
        """Claim a work item, or bring it to its end; return the status, a warning where it is there already.

        Raises:
            RefusedOperationError: it may not have that state now.
        """
        if state == StepState.SCHEDULED or not is_uid(transaction_uid):
            self.get(uid)
        if state == StepState.SCHEDULED:
            raise refused(0xC303, "a work item becomes SCHEDULED by being made alone", STATE)
        if state not in set(StepState):
            raise refused(Status.INVALID_ARGUMENT_VALUE, f"{state[:16]!r} is no state of a work item", STATE)
        if not is_uid(transaction_uid):
            raise _wrong_transaction(transaction_uid)
        wanted = StepState(state)
        if wanted is StepState.IN_PROGRESS:
            self.change(lambda writer, told: self._claim(writer, uid, transaction_uid, told))
            return Status.SUCCESS
        return self.change(lambda writer, told: self._end(writer, uid, wanted, transaction_uid, told))

    def _claim(self, writer: WorkitemWriter, uid: str, transaction_uid: str, told: Told) -> None:
        if callers.granted().within:
            self.kept(writer, uid)
        if not writer.claim(uid, transaction_uid):
            item = self.kept(writer, uid)
            if item.transaction_uid != transaction_uid:
                message = f"it is {item.state.value} already, under another Transaction UID"
                raise refused(WRONG_TRANSACTION, message, TRANSACTION_UID)
            if item.state.is_final:
                raise refused(GONE, f"it is {item.state.value}, and may no longer be updated")
            raise refused(0xC302, "it is IN PROGRESS already, and yours")
        if subscriptions := writer.subscriptions(uid):
            item = self.kept(writer, uid)
            who = list(ups_events.hearers(writer, item, subscriptions))
            ups_events.tell(writer, who, [ups_events.state_report(item)], self.now(), told)

    def _end(self, writer: WorkitemWriter, uid: str, state: StepState, transaction_uid: str, told: Told) -> int:
        item = self.kept(writer, uid)
        if item.state is StepState.SCHEDULED:
            raise refused(0xC310, "it is not IN PROGRESS yet: claim it first")
        if transaction_uid != item.transaction_uid:
            raise _wrong_transaction(transaction_uid)
        if item.state is state:
            return ALREADY_CANCELED if state is StepState.CANCELED else ALREADY_COMPLETED
        if item.state.is_final:
            raise refused(GONE, f"it is {item.state.value}, and may no longer be updated")
        model = ended(dict(item.model), state, self.date_time())
        self._ended(writer, replace(item, model=model), state, told)
        return Status.SUCCESS

    def _ended(self, writer: WorkitemWriter, item: Workitem, state: StepState, told: Told) -> None:
        later = replace(item, state=state, version=item.version + 1, ended_at=self.now())
        writer.replace(later)
        self._tell(writer, later, [ups_events.state_report(later)], told)

    def request_cancel(self, uid: str, asked: Model, requesting_ae_title: str) -> int:
        """Have a work item cancelled that nobody has claimed; else ask who has, by an event; return the status.

        Raises:
            RefusedOperationError: it is COMPLETED, or nobody subscribes who could be asked.
        """

        def work(writer: WorkitemWriter, told: Told) -> int:
            item = self.kept(writer, uid)
            if item.state is StepState.CANCELED:
                return ALREADY_CANCELED
            if item.state is StepState.COMPLETED:
                raise refused(0xC311, "it is COMPLETED already")
            requested = ups_events.cancel_requested(uid, asked, requesting_ae_title)
            if item.state is StepState.IN_PROGRESS:
                if not self._tell(writer, item, [requested], told):
                    raise refused(0xC312, "nobody subscribes to it: its performer cannot be told")
                return Status.SUCCESS
            begun = replace(item, state=StepState.IN_PROGRESS, transaction_uid=new_uid(), version=item.version + 1)
            model = self._cancelled(begun, asked)
            begun = replace(begun, model=model)
            writer.replace(begun)
            self._tell(writer, begun, [ups_events.state_report(begun)], told)
            self._ended(writer, begun, StepState.CANCELED, told)
            return Status.SUCCESS

        return self.change(work)

    def _cancelled(self, item: Workitem, asked: Model) -> Model:
        """Return the data set of a work item that the archive itself cancels, as somebody has asked."""
        before = items(dict(item.model), PROGRESS)
        given = {f"{tag:08X}": asked[f"{tag:08X}"] for tag in (REASON, REASON_CODES) if not is_empty(asked, tag)}
        why = made(attribute(CANCELLED_AT, self.date_time()), attribute(REASON_CODES, code(*DISCONTINUED)))
        progress = {**(before[0] if before else {}), **why, **given}
        return {**item.model, **made(attribute(PROGRESS, progress))}

    def kept(self, writer: WorkitemWriter, uid: str) -> Workitem:
        """Return a work item within a change; RefusedOperationError where there is none."""
        item = writer.get(uid)
        if item is None or not scoped.is_shown(dict(item.model)):
            raise _unknown(uid)
        return item

    def _tell(self, writer: WorkitemWriter, item: Workitem, events: Sequence[UpsEvent], told: Told) -> bool:
        """Keep events for who subscribes to a work item; tell whether anybody does."""
        subscriptions = writer.subscriptions(item.uid)
        who = list(ups_events.hearers(writer, item, subscriptions)) if subscriptions else []
        if who:
            ups_events.tell(writer, who, events, self.now(), told)
        return bool(who)


def _told_of(before: Workitem, after: Workitem, changes: Model) -> list[UpsEvent]:
    """Return the events of a change of attributes."""
    events = []
    if text(dict(before.model), READINESS) != text(dict(after.model), READINESS):
        events.append(ups_events.state_report(after))
    if f"{PROGRESS:08X}" in changes:
        events.append(ups_events.progress_report(after))
    if any(f"{tag:08X}" in changes for tag in ASSIGNING):
        events.append(ups_events.assigned(after))
    return events


def _narrowed(wanted: Sequence[Wanted]) -> dict[str, Any]:
    """Return what the index can narrow a query by."""
    found: dict[str, Any] = {}
    for one in wanted:
        name = _SEARCHED.get(one.name)
        values = modelmatching.exact_values(one)
        if name is None or not values:
            continue
        if name == "states":
            found[name] = [StepState(value) for value in values if value in set(StepState)]
            found[name] = found[name] or None
        elif name == "uids":
            found[name] = values
        elif len(values) == 1:
            found[name] = values[0]
    return {name: value for name, value in found.items() if value}


def _unknown(uid: str) -> RefusedOperationError:
    return RefusedOperationError(
        f"no work item {uid[:64]} is kept", status=UNKNOWN, next_step="Search: GET /dicom-web/workitems."
    )


def _wrong_transaction(given: str) -> RefusedOperationError:
    what = "the Transaction UID is not that of who has claimed it" if given else "it needs the Transaction UID"
    return refused(WRONG_TRANSACTION, what, TRANSACTION_UID)
