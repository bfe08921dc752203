"""`/api/v1/routing`: what goes where by itself, and what became of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from archimage.model.routing import Routed
from archimage.services.routing_status import SHOWN
from archimage.web.api.resources import Services, failing


class RoutedListing(BaseModel):
    """Which studies are listed."""

    model_config = ConfigDict(extra="forbid")

    rule: str = Field("", max_length=64, description="Of this rule alone.")
    study: str = Field("", max_length=64, description="Study Instance UID.")
    state: Literal["", "waiting", "failing", "failed", "done"] = Field("", description="How they stand.")
    limit: int = Field(100, ge=1, le=SHOWN, description="How many at most.")


@dataclass(frozen=True, slots=True)
class RuleSummary:
    """A rule in words, for how many studies it stands how, and for how many instances all was done."""

    name: str
    on: str
    conditions: Sequence[str]
    actions: Sequence[str]
    studies: Mapping[str, int]
    instances: int


@dataclass(frozen=True, slots=True)
class RoutedSummary:
    """How a rule stands with a study; job does what is left. changed_at: seconds since 1970, UTC."""

    rule: str
    study_instance_uid: str
    state: str
    instances: int
    job: int
    error: str
    changed_at: float


def list_rules(services: Services) -> Sequence[RuleSummary]:
    """List the rules, in their order, and what they did."""
    return [
        RuleSummary(one.name, one.on, one.conditions, one.actions, one.studies, one.instances)
        for one in services.routing.rules()
    ]


def list_routed(listing: Annotated[RoutedListing, Query()], services: Services) -> Sequence[RoutedSummary]:
    """List the studies that rules had to do with, what changed last first."""
    found = services.routing.find(rule=listing.rule, study=listing.study, state=listing.state, limit=listing.limit)
    return [_summary(one) for one in found]


def _summary(one: Routed) -> RoutedSummary:
    return RoutedSummary(one.rule, one.study_instance_uid, one.state, one.instances, one.job, one.error, one.changed_at)


def router() -> APIRouter:
    """Return the resources."""
    found = APIRouter(tags=["routing"], responses=failing(400, 403, 503))
    found.add_api_route("/routing/rules", list_rules, methods=["GET"])
    found.add_api_route("/routing/studies", list_routed, methods=["GET"])
    return found
