"""`/api/v1/commitments`: storage commitment, asked of this archive and by it."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from archimage.model.commitments import Commitment, CommitmentState, Direction
from archimage.services.commitment_records import CommitmentDetails
from archimage.web.api.parameters import MAX_LIMIT
from archimage.web.api.resources import Services, failing

Number = Annotated[int, Path(ge=1, le=(1 << 31) - 1, description="Number of the transaction.")]


class CommitmentListing(BaseModel):
    """Which transactions."""

    model_config = ConfigDict(extra="forbid")

    direction: Direction | None = Field(None, description="Only those asked of us, or by us.")
    state: CommitmentState | None = Field(None, description="Only those in this state.")
    before: int | None = Field(None, ge=1, le=(1 << 31) - 1, description="Only those of a lower number.")
    limit: int = Field(50, ge=1, le=MAX_LIMIT, description="How many at most.")


def list_commitments(listing: Annotated[CommitmentListing, Query()], services: Services) -> Sequence[Commitment]:
    """List transactions of storage commitment, the newest first."""
    return services.department.commitments.list(
        direction=listing.direction, state=listing.state, before=listing.before, limit=listing.limit
    )


def get_commitment(number: Number, services: Services) -> CommitmentDetails:
    """Tell all of a transaction: what it is about, and what is not committed to, with the reasons."""
    return services.department.commitments.get(number)


def report_commitment(number: Number, services: Services) -> Commitment:
    """Have the result of what was asked of us told again, to the node of the AE title that asked."""
    return services.department.commitments.report_again(number)


def remove_commitment(number: Number, services: Services) -> None:
    """Forget a transaction; a result that was not told yet is told no more."""
    services.department.commitments.remove(number)


def router() -> APIRouter:
    """Return the resources."""
    found = APIRouter(tags=["commitments"], responses=failing(400, 503))
    one = "/commitments/{number}"
    found.add_api_route("/commitments", list_commitments, methods=["GET"])
    found.add_api_route(one, get_commitment, methods=["GET"], responses=failing(404))
    telling = failing(403, 404, 409)
    found.add_api_route(f"{one}/report", report_commitment, methods=["POST"], status_code=202, responses=telling)
    found.add_api_route(one, remove_commitment, methods=["DELETE"], status_code=204, responses=failing(403, 404))
    return found
