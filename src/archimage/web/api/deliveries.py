"""`/api/v1/deliveries`: what other nodes are to be told, and have not heard, or have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from archimage.model.deliveries import Delivery, DeliveryState
from archimage.services.deliveries import MAX_SHOWN
from archimage.web.api.resources import Services, failing

Number = Annotated[int, Path(ge=1, le=1 << 62, description="Number of the delivery.")]


class DeliveryListing(BaseModel):
    """Which deliveries are listed."""

    model_config = ConfigDict(extra="forbid")

    kind: str = Field("", max_length=64, description="What is told: `mpps-create`, `availability`, ...")
    state: DeliveryState | None = Field(None, description="Where they stand.")
    limit: int = Field(100, ge=1, le=MAX_SHOWN, description="How many at most.")
    before: int | None = Field(None, ge=1, le=1 << 62, description="Only those that are older than the one of this id.")


@dataclass(frozen=True, slots=True)
class DeliverySummary:
    """A delivery, without what is told; times are seconds since 1970, UTC."""

    id: int
    kind: str
    destination: str
    about: str
    priority: int
    state: DeliveryState
    attempts: int
    created_at: float
    due_at: float
    ended_at: float | None
    error: str


@dataclass(frozen=True, slots=True)
class DeliveryDetail:
    """A delivery, and what is told."""

    delivery: DeliverySummary
    payload: str


def list_deliveries(listing: Annotated[DeliveryListing, Query()], services: Services) -> Sequence[DeliverySummary]:
    """List deliveries, the newest first."""
    wanted = {"kind": listing.kind, "state": listing.state, "before": listing.before, "limit": listing.limit}
    return [_summary(one) for one in services.department.deliveries.find(**wanted)]  # type: ignore[arg-type]


def count_deliveries(services: Services) -> Mapping[str, Mapping[str, int]]:
    """Count deliveries by kind and state."""
    return services.department.deliveries.counts()


def get_delivery(number: Number, services: Services) -> DeliveryDetail:
    """Tell one delivery, and what is told by it."""
    found = services.department.deliveries.get(number)
    return DeliveryDetail(_summary(found), found.payload)


def retry_delivery(number: Number, services: Services) -> DeliverySummary:
    """Try again, at once, what has failed for good."""
    return _summary(services.department.deliveries.retry(number))


def pause_delivery(number: Number, services: Services) -> DeliverySummary:
    """Have a delivery wait until it is resumed, and what is to be told in order after it."""
    return _summary(services.department.deliveries.hold(number))


def resume_delivery(number: Number, services: Services) -> DeliverySummary:
    """Go on with a delivery that was paused, at once."""
    return _summary(services.department.deliveries.let_go(number))


def remove_delivery(number: Number, services: Services) -> None:
    """Forget a delivery; what was not delivered never will be."""
    services.department.deliveries.remove(number)


def _summary(one: Delivery) -> DeliverySummary:
    return DeliverySummary(
        id=one.id,
        kind=one.kind,
        destination=one.destination,
        about=one.about,
        priority=one.priority,
        state=one.state,
        attempts=one.attempts,
        created_at=one.created_at,
        due_at=one.due_at,
        ended_at=one.ended_at,
        error=one.error,
    )


def router() -> APIRouter:
    """Return the resources."""
    found = APIRouter(tags=["deliveries"], responses=failing(400, 403, 503))
    one = "/deliveries/{number}"
    found.add_api_route("/deliveries", list_deliveries, methods=["GET"])
    found.add_api_route("/deliveries/counts", count_deliveries, methods=["GET"])
    found.add_api_route(one, get_delivery, methods=["GET"], responses=failing(404))
    for name, handler in (("retry", retry_delivery), ("pause", pause_delivery), ("resume", resume_delivery)):
        found.add_api_route(f"{one}/{name}", handler, methods=["POST"], responses=failing(404, 409, 507))
    found.add_api_route(one, remove_delivery, methods=["DELETE"], status_code=204, responses=failing(404, 507))
    return found
