"""`/api/v1/holds` and `/api/v1/studies/{uid}/hold`: legal holds."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from archimage.model.holds import Hold
from archimage.model.listings import Page
from archimage.services.holds import REASON_LENGTH
from archimage.web.api.parameters import MAX_LIMIT, StudyUid
from archimage.web.api.resources import Services, failing


class HoldListing(BaseModel):
    """Which part of the list."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(50, ge=0, le=MAX_LIMIT, description="How many at most.")
    offset: int = Field(0, ge=0, le=1 << 31, description="How many are left out before them.")


class HoldReason(BaseModel):
    """Why a study is placed on hold."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(
        min_length=1,
        max_length=REASON_LENGTH,
        pattern=r"\S",
        description="Why, in words; stands in the audit trail for good.",
        examples=["Case 2026-114"],
    )


Reason = Annotated[
    str, Query(min_length=1, max_length=REASON_LENGTH, description="Why it is released; stands in the audit trail.")
]


def list_holds(listing: Annotated[HoldListing, Query()], services: Services) -> Page[Hold]:
    """List the studies on legal hold, the newest first."""
    return services.keeping.holds.list(listing.limit, listing.offset)


def get_hold(study_uid: StudyUid, services: Services) -> Hold | None:
    """Tell of the legal hold of a study; null where there is none."""
    return services.keeping.holds.get(study_uid)


def place_hold(study_uid: StudyUid, wanted: HoldReason, services: Services) -> Hold:
    """Place a study on legal hold: nothing of it is removed, replaced or corrected until it is released."""
    services.visible.check_study(study_uid)
    return services.keeping.holds.place(study_uid, wanted.reason)


def release_hold(study_uid: StudyUid, reason: Reason, services: Services) -> Hold:
    """Release a study; returns the hold that it was under."""
    services.visible.check_study(study_uid)
    return services.keeping.holds.release(study_uid, reason)


def router() -> APIRouter:
    """Return the resources."""
    found = APIRouter(tags=["retention"], responses=failing(400, 503))
    one = "/studies/{study_uid}/hold"
    found.add_api_route("/holds", list_holds, methods=["GET"])
    found.add_api_route(one, get_hold, methods=["GET"])
    found.add_api_route(one, place_hold, methods=["PUT"], responses=failing(403, 404, 507))
    found.add_api_route(one, release_hold, methods=["DELETE"], responses=failing(403, 404, 507))
    return found
