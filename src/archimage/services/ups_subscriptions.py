"""Who is to hear of work items: subscriptions to one, to all, or to those that fit a filter.

A subscription to all is one row: it holds for what is there and for what comes, until it is suspended, but for single
work items that have a row of their own. One with a filter makes such rows as work items come to fit it.

Ref: PS3.4 §CC.2.3.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import orjson

from archimage.dicom.jsonmodel import Model
from archimage.errors import NotAuthorisedError
from archimage.model import callers
from archimage.model.ids import is_ae_title
from archimage.model.ups import Door, EventType, KeptEvent, Reach, Subscription, Workitem
from archimage.ports.ups import WorkitemWriter
from archimage.protocol.status import Status
from archimage.protocol.uids import UPS_FILTERED_GLOBAL_SUBSCRIPTION, UPS_GLOBAL_SUBSCRIPTION
from archimage.services import modelmatching, ups_events
from archimage.services.datasets import attribute
from archimage.services.ups import UpsService
from archimage.services.ups_events import Told
from archimage.services.ups_rules import refused

RECEIVING_AE: Final = 0x00741234
DELETION_LOCK: Final = 0x00741230
MAX_FILTER_BYTES: Final = 16 << 10
MAX_WIDE: Final = 256
"""Subscriptions to more than a single work item: every event is kept for each of them."""
EVENTS_AT_ONCE: Final = 100
_STARTS_WITHIN_S: Final = 60.0
_NOT_APPROPRIATE: Final = 0xC314
_GLOBALS: Final = {UPS_GLOBAL_SUBSCRIPTION: Reach.ALL, UPS_FILTERED_GLOBAL_SUBSCRIPTION: Reach.FILTERED}


class SubscriptionService:
    """Subscribes, and gives those who open WebSockets their events; knows tells whether a node has an AE title."""

    def __init__(self, ups: UpsService, knows: Callable[[str], bool], most: int) -> None:
        self._ups = ups
        self._knows = knows
        self._most = most

    def subscribe(self, uid: str, ae_title: str, door: Door, keys: Model | None = None, *, lock: bool = False) -> None:
        """Have an AE title told of a work item, or, by a well-known UID, of all or of those that fit keys.

        Raises:
            RefusedOperationError: it is not known here, or too many subscribe.
            InvalidQueryError: a key's value does not fit its VR.
        """
        self._check_ae_title(ae_title, door)
        reach = _GLOBALS.get(uid, Reach.ONE)
        if reach is not Reach.ONE and callers.granted().within:
            raise NotAuthorisedError("who was granted a part of the archive may not hear of all of it")
        wanted = Subscription(ae_title, reach, door, "" if reach is not Reach.ONE else uid, lock)
        if reach is Reach.FILTERED:
            wanted = replace(wanted, filter=_checked(keys or {}))
        self._ups.change(lambda writer, told: self._subscribe(writer, wanted, told))

    def _subscribe(self, writer: WorkitemWriter, wanted: Subscription, told: Told) -> None:
        every, wide = writer.subscription_count()
        if every >= self._most or (wanted.reach is not Reach.ONE and wide >= MAX_WIDE):
            raise refused(Status.RESOURCE_LIMITATION, "no more subscriptions are kept")
        if wanted.reach is Reach.ONE:
            item = self._ups.kept(writer, wanted.uid)
            writer.subscribe(wanted)
            self._tell_state(writer, wanted, item, told)
            return
        before = [one for one in writer.subscriptions_of(wanted.ae_title) if one.reach is Reach.ALL]
        if wanted.reach is Reach.ALL:
            writer.unsubscribe_widely(wanted.ae_title)
        writer.subscribe(wanted)
        for page in self._ups.table.pages():
            for item in page:
                if wanted.reach is Reach.ALL:
                    _keep_lock(writer, before, wanted, item)
                elif ups_events.fits(item, wanted.filter):
                    _subscribe_to_one(writer, wanted, item)
                else:
                    continue
                if wanted.lock:
                    self._tell_state(writer, wanted, item, told)

    def _tell_state(self, writer: WorkitemWriter, wanted: Subscription, item: Workitem, told: Told) -> None:
        """Tell a new subscriber where a work item stands."""
        ups_events.tell(writer, [wanted], [ups_events.state_report(item)], self._ups.now(), told)

    def unsubscribe(self, uid: str, ae_title: str) -> bool:
        """Tell an AE title no more of a work item or, by a well-known UID, of anything; tell whether it was told."""

        def work(writer: WorkitemWriter, _told: Told) -> bool:
            if uid in _GLOBALS:
                return writer.unsubscribe(ae_title) > 0
            item = self._ups.kept(writer, uid)
            own = _own(writer, ae_title, uid)
            covering = [one for one in writer.subscriptions_of(ae_title) if _covers(one, item)]
            writer.unsubscribe(ae_title, uid)
            for wide in covering:
                left_out = replace(wide, reach=Reach.ONE, uid=uid, wanted=False, lock=False, until=None)
                writer.subscribe(left_out)
            return any(one.wanted for one in own) if own else bool(covering)

        return self._ups.change(work)

    def suspend(self, uid: str, ae_title: str) -> bool:
        """Subscribe an AE title to no more work items than those it is subscribed to; tell whether it was to more.

        Raises:
            RefusedOperationError: the UID is that of a single work item.
        """
        if uid not in _GLOBALS:
            raise refused(_NOT_APPROPRIATE, "only a subscription to all can be suspended")

        def work(writer: WorkitemWriter, _told: Told) -> bool:
            open_ = [one for one in writer.subscriptions_of(ae_title) if one.until is None]
            for wide in open_:
                writer.subscribe(replace(wide, until=writer.last_number()))
            return bool(open_)

        return self._ups.change(work)

    # Events, for those who open WebSockets

    def events(self, ae_title: str, after: int = 0) -> list[KeptEvent]:
        """Return what a subscriber has still to hear, the oldest first."""
        return list(self._ups.table.events(ae_title, after, EVENTS_AT_ONCE))

    def heard(self, ae_title: str, number: int) -> None:
        """Forget what a subscriber has heard, up to one event."""
        self._ups.table.heard(ae_title, number)

    def announce_start(self) -> None:
        """Tell all who subscribe that the archive is there again, with all that it kept; once for all workers.

        Ref: PS3.4 Table CC.2.4-1, SCP Status Change.
        """
        texts = ((0x00741242, "RESTARTED"), (0x00741244, "WARM START"), (0x00741246, "WARM START"))
        model = dict(attribute(tag, value) for tag, value in texts)
        event = ups_events.event(UPS_GLOBAL_SUBSCRIPTION, EventType.SCP_STATUS_CHANGE, model)

        def work(writer: WorkitemWriter, told: Told) -> None:
            now = self._ups.now()
            if writer.announce(now - _STARTS_WITHIN_S, now):
                ups_events.tell(writer, writer.subscribers(), [event], now, told)

        self._ups.change(work)

    def _check_ae_title(self, ae_title: str, door: Door) -> None:
        if not is_ae_title(ae_title) or (door is Door.DIMSE and not self._knows(ae_title)):
            raise refused(0xC308, f"AE title {ae_title[:16]!r} is not that of a node here", RECEIVING_AE)


def _own(writer: WorkitemWriter, ae_title: str, uid: str) -> list[Subscription]:
    """Return the row that a subscriber has for one work item, if any."""
    return [one for one in writer.subscriptions(uid) if one.uid and one.ae_title == ae_title]


def _covers(wide: Subscription, item: Workitem) -> bool:
    """Tell whether a subscription to all holds for a work item that has no row of its own."""
    return wide.reach is Reach.ALL and (wide.until is None or item.number <= wide.until)


def _keep_lock(writer: WorkitemWriter, before: Sequence[Subscription], wanted: Subscription, item: Workitem) -> None:
    """Let a work item that was subscribed to before keep its deletion lock, or keep being without."""
    for one in before:
        if one.lock != wanted.lock and _covers(one, item) and not _own(writer, wanted.ae_title, item.uid):
            writer.subscribe(replace(one, reach=Reach.ONE, uid=item.uid, until=None))


def _subscribe_to_one(writer: WorkitemWriter, wanted: Subscription, item: Workitem) -> None:
    """Subscribe who has a filter to a work item that fits it, unless that is so already."""
    if not any(one.wanted for one in _own(writer, wanted.ae_title, item.uid)):
        writer.subscribe(replace(wanted, reach=Reach.ONE, uid=item.uid, filter=""))


def _checked(keys: Model) -> str:
    """Return a filter as it is kept, once it was read as the keys of a query."""
    modelmatching.parse(ups_events.filter_keys(keys))
    text = orjson.dumps(keys).decode()
    if len(text) > MAX_FILTER_BYTES:
        raise refused(Status.RESOURCE_LIMITATION, f"a filter has at most {MAX_FILTER_BYTES} bytes")
    return text
