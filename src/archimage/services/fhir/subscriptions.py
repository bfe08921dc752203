"""Who is told of studies, orders and reports: Subscription resources with a REST hook, and the calls that they make.

A call is a row of `delivery` before it is promised, and is made until it was heard, in order for each subscription.
What is told is looked up when it is sent. A new subscription is `requested`; its first call, which is empty, makes it
`active`. Who cannot be reached for a day is in `error`, and is called no more until he asks for it again.

Ref: https://hl7.org/fhir/R4B/subscription.html.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Final
from uuid import uuid4

import orjson

from archimage.errors import (
    ArchimageError,
    DeliveryRefusedError,
    InvalidRequestError,
    NotFoundError,
    OutOfResourcesError,
    PeerFailedError,
)
from archimage.logger import logger
from archimage.model.deliveries import Delivery
from archimage.model.fhir import KeptResource
from archimage.ports.fhir import CallHook, FhirResources
from archimage.services.deliveries import DeliveryService, Patience, made
from archimage.services.fhir import hooks
from archimage.services.fhir.archive import Found
from archimage.services.fhir.hooks import KIND
from archimage.services.fhir.ids import Resource
from archimage.services.fhir.searching import Asked

DELIVERY: Final = "fhir-hook"
MAX_SUBSCRIPTIONS: Final = 200
PARAMETERS: Final = ("_id", "status", "url")
_PATIENCE: Final = Patience(first_s=1.0, most_s=600.0)
_HANDSHAKE: Final = "handshake"
_FRESH_S: Final = 1.0
_log = logger("web")


@dataclass(frozen=True, slots=True)
class Told:
    """A kind of resources that can be subscribed to: what finds them, its parameters, and what reads one."""

    search: Callable[[Asked], int]
    parameters: Sequence[str]
    read: Callable[[str], Resource]


class SubscriptionService:
    """Keeps subscriptions, and calls their receivers; all of it blocks, safe to call from any thread."""

    def __init__(
        self,
        kept: FhirResources,
        deliveries: DeliveryService,
        kinds: Mapping[str, Told],
        call: CallHook,
        allowed: Sequence[str],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._kept = kept
        self._deliveries = deliveries
        self._kinds = kinds
        self._call = call
        self._allowed = allowed
        self._now = now
        self._active: tuple[float, Sequence[KeptResource]] = (0.0, ())
        deliveries.register(DELIVERY, self._deliver, _PATIENCE)

    def add(self, subscription: Resource) -> tuple[Resource, float]:
        """Keep a new subscription, whose validity was checked, and call its receiver; durable when this returns.

        Raises:
            InvalidRequestError: it is none that can be kept here.
            OutOfResourcesError: too many are kept.
        """
        if self._kept.count(KIND) >= MAX_SUBSCRIPTIONS:
            raise OutOfResourcesError(f"{MAX_SUBSCRIPTIONS} subscriptions are kept, and no more are taken")
        return self._put({**subscription, "id": str(uuid4())}, self._now())

    def change(self, name: str, subscription: Resource) -> tuple[Resource, float]:
        """Change a subscription; one that is not turned off is called first, and active once it has heard that."""
        return self._put({**subscription, "id": name}, self._one(name).created_at)

    def remove(self, name: str) -> None:
        """Forget a subscription, and call its receiver no more."""
        self._one(name)
        self._kept.remove(KIND, name)
        self._forget()

    def get(self, name: str) -> tuple[Resource, float]:
        """Return a subscription, and when it was last changed; NotFoundError where it is not kept."""
        found = self._one(name)
        return orjson.loads(found.body), found.changed_at

    def search(self, asked: Asked) -> Found:
        """Search for subscriptions, the newest first."""
        found: list[Resource] = [orjson.loads(one.body) for one in self._kept.find(KIND)]
        reads: Mapping[str, Callable[[Resource], str]] = {
            "_id": lambda one: str(one["id"]),
            "status": lambda one: str(one["status"]),
            "url": lambda one: str(one["channel"]["endpoint"]),
        }
        for name, value in asked.pairs:
            found = [one for one in found if reads[name](one) in value.split(",")]
        return Found(found[asked.offset : asked.offset + asked.limit], len(found))

    def wants(self, kind: str) -> bool:
        """Tell whether anybody is to be told of a kind."""
        return any(_kind_of(one) == kind for one in self._fresh())

    def changed(self, kind: str, resource_id: str) -> None:
        """Have those told whose criteria a resource meets that is new or was changed."""
        for one in self._fresh():
            if _kind_of(one) == kind and self._meets(one, resource_id):
                self._tell(one, f"{kind}/{resource_id}", "changed")

    def removed(self, kind: str, resource_id: str) -> None:
        """Have those told that a resource is gone who ask for its kind: whether it met their criteria nobody knows."""
        for one in self._fresh():
            if _kind_of(one) == kind:
                self._tell(one, f"{kind}/{resource_id}", "removed")

    def _put(self, subscription: Resource, created_at: float) -> tuple[Resource, float]:
        self._check(subscription)
        off = subscription["status"] == "off"
        kept: Resource = {**subscription, "status": "off" if off else "requested"}
        for name in ("error", "meta", "text"):
            kept.pop(name, None)
        now = self._now()
        resource = KeptResource(KIND, kept["id"], kept["status"], "", orjson.dumps(kept).decode(), created_at, now)
        self._kept.put(resource)
        self._forget()
        if not off:
            self._tell(resource, f"{KIND}/{resource.id}", _HANDSHAKE)
        return kept, now

    def _check(self, subscription: Resource) -> None:
        channel: Resource = subscription["channel"]
        if channel.get("type") != "rest-hook":
            raise InvalidRequestError("channel.type must be rest-hook")
        if channel.get("payload", "") not in hooks.PAYLOADS:
            raise InvalidRequestError(f"channel.payload is {hooks.JSON}, or left out")
        if subscription.get("status") not in {"requested", "active", "off"}:
            raise InvalidRequestError("status is requested, or off")
        hooks.check_address(str(channel.get("endpoint", "")), self._allowed)
        hooks.headers(channel)
        end = hooks.end_of(subscription)
        if end is not None and end <= self._now():
            raise InvalidRequestError("the subscription has ended already")
        kind, pairs = hooks.criterion(subscription["criteria"])
        told = self._kinds.get(kind)
        if told is None:
            raise InvalidRequestError(f"criteria begins with one of {', '.join(self._kinds)}")
        if unknown := [name for name, _ in pairs if name not in told.parameters]:
            raise InvalidRequestError(f"criteria: the parameter {unknown[0][:40]!r} is not known")
        told.search(Asked(pairs, limit=1))

    def _meets(self, one: KeptResource, resource_id: str) -> bool:
        kind, pairs = hooks.criterion(orjson.loads(one.body)["criteria"])
        try:
            return self._kinds[kind].search(Asked((*pairs, ("_id", resource_id)), limit=1)) > 0
        except ArchimageError as error:
            _log.warning("a subscription's criteria could not be looked up", subscription=one.id, reason=str(error))
            return False

    def _tell(self, one: KeptResource, about: str, what: str) -> None:
        destination = f"{KIND}/{one.id}"
        lane = f"{DELIVERY} {one.id}"
        self._deliveries.add_all([made(DELIVERY, destination, about, what, self._now(), lane=lane)])

    def _one(self, name: str) -> KeptResource:
        found = self._kept.get(KIND, name)
        if found is None:
            raise NotFoundError(
                "no Subscription of this id is kept", next_step="List them with GET /fhir/Subscription."
            )
        return found

    def _fresh(self) -> Sequence[KeptResource]:
        """Return those that are to be told, as they were a moment ago at most."""
        now = self._now()
        if not 0 <= now - self._active[0] < _FRESH_S:
            found = [*self._kept.find(KIND, status="active"), *self._kept.find(KIND, status="requested")]
            self._active = (now, [one for one in found if not _is_over(one, now)])
        return self._active[1]

    def _forget(self) -> None:
        self._active = (0.0, ())

    def _deliver(self, one: Delivery) -> None:
        """Call a receiver; nobody is called whose subscription is gone, over, in error or off."""
        name = one.destination.partition("/")[2]
        kept = self._kept.get(KIND, name)
        if kept is None or kept.status not in {"active", "requested"}:
            return None
        if _is_over(kept, self._now()):
            return self._note(kept, "off", "")
        try:
            self._send(orjson.loads(kept.body), one)
        except ArchimageError as error:
            refused = isinstance(error, DeliveryRefusedError)
            over = refused or self._now() - one.created_at >= _PATIENCE.give_up_s
            self._note(kept, "error" if over else kept.status, str(error))
            raise
        if kept.status != "active" or '"error"' in kept.body:
            self._note(kept, "active", "")
        return None

    def _send(self, subscription: Resource, one: Delivery) -> None:
        channel = subscription["channel"]
        hooks.check_address(channel["endpoint"], self._allowed)  # the settings may have changed since
        method, address, body = "POST", channel["endpoint"], b""
        if channel.get("payload") and one.payload != _HANDSHAKE:
            kind, _, resource_id = one.about.partition("/")
            address = f"{address.rstrip('/')}/{one.about}"
            method = "DELETE" if one.payload == "removed" else "PUT"
            if method == "PUT":
                try:
                    body = orjson.dumps(self._kinds[kind].read(resource_id))
                except NotFoundError:  # it was removed meanwhile, of which another call tells
                    return
        headers = {**hooks.headers(channel), **({"Content-Type": hooks.JSON} if body else {})}
        status = self._call(method, address, headers, body)
        if status == HTTPStatus.GONE:
            raise DeliveryRefusedError("the receiver answers that it is gone (410)")
        if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            raise PeerFailedError(f"the receiver answers with HTTP status {status}")

    def _note(self, kept: KeptResource, status: str, error: str) -> None:
        """Note where a subscription stands, unless it was changed or removed meanwhile."""
        now = self._kept.get(KIND, kept.id)
        if now is None or now.changed_at != kept.changed_at:
            return
        body: dict[str, Any] = orjson.loads(kept.body)
        body["status"] = status
        body.pop("error", None)
        if error:
            body["error"] = error[:500]
        self._kept.put(replace(kept, status=status, body=orjson.dumps(body).decode()))
        self._forget()


def _kind_of(one: KeptResource) -> str:
    return str(orjson.loads(one.body)["criteria"]).partition("?")[0]


def _is_over(one: KeptResource, now: float) -> bool:
    end = hooks.end_of(orjson.loads(one.body))
    return end is not None and end <= now
