"""What subscribers of work items are told, and who they are.

An event is kept for each subscriber in the transaction that it tells of: as a delivery for who is called at its node,
as a row for who opens a WebSocket.

Ref: PS3.4 §CC.2.3 (subscriptions), §CC.2.4 (events).
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

import orjson

from archimage.dicom.jsonmodel import Model
from archimage.errors import InvalidQueryError
from archimage.model.ups import Door, EventType, Reach, Subscription, UpsEvent, Workitem
from archimage.ports.ups import WorkitemWriter
from archimage.services import modelmatching
from archimage.services.datasets import attribute, is_empty, items, texts
from archimage.services.deliveries import made
from archimage.services.identifiers import Key
from archimage.services.ups_rules import PROGRESS, READINESS, REASON, REASON_CODES, STATE, STATIONS, shown

KIND: Final = "ups-event"
"""The kind of delivery that tells a node of an event."""
_CANCEL: Final = (0x00741236, REASON, REASON_CODES, 0x0074100A, 0x0074100C)
_ASSIGNED: Final = (STATIONS, 0x00404009, 0x00404036)
_PERFORMERS: Final = 0x00404034
ASSIGNING: Final = (STATIONS, _PERFORMERS)
"""What a change of assigns a work item anew."""


@dataclass(slots=True)
class Told:
    """Whom a change has something for: whether nodes, and which subscribers of the web."""

    nodes: bool = False
    web: set[str] = field(default_factory=set)


def event(uid: str, kind: EventType, model: Mapping[str, Any]) -> UpsEvent:
    """Return an event that tells a data set."""
    return UpsEvent(uid, kind, orjson.dumps(model).decode())


def _picked(model: Mapping[str, Any], tags: Sequence[int]) -> Model:
    """Return attributes that have a value: an event has none without."""
    return {f"{tag:08X}": model[f"{tag:08X}"] for tag in tags if not is_empty(dict(model), tag)}


def state_report(item: Workitem) -> UpsEvent:
    """Tell of a new state, or of input that is ready."""
    model = shown(item)
    told = _picked(model, (STATE, READINESS))
    if item.state.is_final and (progress := items(model, PROGRESS)):
        told |= _picked(progress[0], (REASON, REASON_CODES))
    return event(item.uid, EventType.STATE_REPORT, told)


def progress_report(item: Workitem) -> UpsEvent:
    """Tell how far it is."""
    return event(item.uid, EventType.PROGRESS_REPORT, _picked(item.model, (PROGRESS,)))


def assigned(item: Workitem) -> UpsEvent:
    """Tell to whom it is assigned."""
    told = _picked(item.model, _ASSIGNED)
    for performer in items(dict(item.model), _PERFORMERS)[:1]:
        told |= _picked(performer, _ASSIGNED)
    return event(item.uid, EventType.ASSIGNED, told)


def cancel_requested(uid: str, asked: Model, requesting_ae_title: str) -> UpsEvent:
    """Tell that somebody wants it cancelled."""
    told = {**dict([attribute(0x00741236, requesting_ae_title)]), **_picked(asked, _CANCEL)}
    return event(uid, EventType.CANCEL_REQUESTED, told)


def filter_keys(model: Mapping[str, Any]) -> tuple[Key, ...]:
    """Return the keys of a data set as those of a query."""
    return tuple(_key(name, found) for name, found in sorted(model.items()))


def _key(name: str, found: Mapping[str, Any]) -> Key:
    tag = int(name, 16)
    if found["vr"] == "SQ":
        return Key(tag, "SQ", "", tuple(filter_keys(item) for item in found.get("Value", ())))
    return Key(tag, found["vr"], "\\".join(texts({name: dict(found)}, tag)))


def keys_model(keys: Sequence[Key]) -> Model:
    """Return the keys of a query as a data set: the other way round."""
    model: Model = {}
    for key in keys:
        values: list[object] = list(key.value.split("\\"))
        if key.vr == "SQ":
            values = list(map(keys_model, key.items))
        elif key.vr == "PN":
            values = [{"Alphabetic": value} for value in key.value.split("\\")]
        model[f"{key.tag:08X}"] = {"vr": key.vr, "Value": values} if any(values) else {"vr": key.vr}
    return model


def fits(item: Workitem, keys: str) -> bool:
    """Tell whether a work item is of those that a filter asks for."""
    try:
        wanted = modelmatching.parse(filter_keys(orjson.loads(keys)))
    except InvalidQueryError:  # it was checked when it came: of an archimage whose matching was another
        return False
    return modelmatching.matches(shown(item), wanted)


def hearers(writer: WorkitemWriter, item: Workitem, subscriptions: Sequence[Subscription]) -> Iterator[Subscription]:
    """Yield who hears of a work item; who has a filter that it fits is subscribed to it from now on."""
    own = {one.ae_title: one for one in subscriptions if one.uid}
    yield from (one for one in own.values() if one.wanted)
    for one in subscriptions:
        if one.uid or one.ae_title in own:
            continue
        if one.reach is Reach.ALL and (one.until is None or item.number <= one.until):
            yield one
        elif one.reach is Reach.FILTERED and fits(item, one.filter):
            to_one = replace(one, reach=Reach.ONE, uid=item.uid, filter="")
            writer.subscribe(to_one)
            own[one.ae_title] = to_one
            yield to_one


def tell(
    writer: WorkitemWriter, who: Sequence[Subscription], events: Sequence[UpsEvent], now: float, told: Told
) -> None:
    """Keep events for who subscribes."""
    nodes = sorted({one.ae_title for one in who if one.door is Door.DIMSE})
    web = sorted({one.ae_title for one in who if one.door is Door.WEB})
    for one in events:
        payload = orjson.dumps({"type": int(one.type), "model": orjson.loads(one.payload)}).decode()
        writer.tell([made(KIND, node, one.uid, payload, now) for node in nodes], web, one, now)
    told.nodes |= bool(nodes)
    told.web.update(web)


class Listening:
    """Who waits in this process for events of a subscriber."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wake: dict[str, list[Callable[[], None]]] = {}

    @contextmanager
    def of(self, ae_title: str, wake: Callable[[], None]) -> Iterator[None]:
        """Have wake called, from any thread, whenever there is something for a subscriber."""
        with self._lock:
            self._wake.setdefault(ae_title, []).append(wake)
        try:
            yield
        finally:
            with self._lock:
                self._wake[ae_title].remove(wake)
                if not self._wake[ae_title]:
                    del self._wake[ae_title]

    def wake(self, ae_titles: set[str]) -> None:
        """Wake who waits."""
        with self._lock:
            waiting = [wake for title in ae_titles for wake in self._wake.get(title, ())]
        for wake in waiting:
            wake()
