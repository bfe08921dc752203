"""`/api/v1/workitems`: work items as people look for them; all that is done with them is done by UPS-RS."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from archimage.model.ups import StepState, WorkitemPage
from archimage.services.ups_listing import MAX_SHOWN, WorkitemListing, listed
from archimage.web.api.resources import Services, failing


class ListingQuery(BaseModel):
    """Which work items are listed."""

    model_config = ConfigDict(extra="forbid")

    state: StepState | None = Field(None, description="Where they stand.")
    q: str = Field("", max_length=64, description="A part of a label, a patient's name or ID, a UID, or a performer.")
    limit: int = Field(100, ge=1, le=MAX_SHOWN, description="How many at most.")
    before: int | None = Field(None, ge=1, le=1 << 62, description="Only those that are older than this number.")


def list_workitems(listing: Annotated[ListingQuery, Query()], services: Services) -> WorkitemPage:
    """List work items, the newest first; `next` leads to older ones, where there may be some, as `before`."""
    wanted = WorkitemListing(listing.state, listing.q, listing.before, listing.limit)
    return listed(services.department.procedures.steps.table, wanted)


def router() -> APIRouter:
    """Return the resource."""
    found = APIRouter(tags=["work items"], responses=failing(400, 403, 503))
    found.add_api_route("/workitems", list_workitems, methods=["GET"])
    return found
