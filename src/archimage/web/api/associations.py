"""`/api/v1/associations`: who has or had an association with this process, where its time goes, and its end."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Path

from archimage.model.associations import EndedAssociation, OpenAssociation
from archimage.web.api.resources import Services, failing

AssociationId = Annotated[str, Path(pattern="^[0-9]{1,10}-[0-9]{1,18}$", description="Name of the association.")]


async def list_associations(services: Services) -> Sequence[OpenAssociation]:
    """List the associations that peers have open, the oldest first; of several worker processes each knows its own."""
    return services.associations.all()


async def list_ended_associations(services: Services) -> Sequence[EndedAssociation]:
    """List the last 100 associations that ended, the newest first; of several worker processes each knows its own."""
    return services.associations.ended_lately()


async def abort_association(association_id: AssociationId, services: Services) -> None:
    """Abort an association: the peer is sent an A-ABORT; what it has stored so far stays."""
    services.associations.abort(association_id)


def router() -> APIRouter:
    """Return the resources."""
    found = APIRouter(tags=["associations"])
    found.add_api_route("/associations", list_associations, methods=["GET"])
    found.add_api_route("/associations/ended", list_ended_associations, methods=["GET"])
    found.add_api_route(
        "/associations/{association_id}",
        abort_association,
        methods=["DELETE"],
        status_code=204,
        responses=failing(400, 403, 404),
    )
    return found
