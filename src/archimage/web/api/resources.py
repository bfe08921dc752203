"""What the management API stands on, and how its handlers come by it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Depends, Request

from archimage.model.concurrency import ConcurrencyReport
from archimage.peer_ports import Associations
from archimage.services.catalogue import CatalogueService
from archimage.services.changes import ChangeService
from archimage.services.deletion import DeletionService
from archimage.services.events import EventHub
from archimage.services.labels import LabelService
from archimage.services.nodes import NodeService
from archimage.services.peers import PeerService
from archimage.services.preparing import PreparingService
from archimage.services.status import StatusService
from archimage.services.tags import TagService
from archimage.services.tasks import TaskService
from archimage.services.uploads import UploadService

ROOT: Final = "/api/v1"
UPLOAD: Final = "/upload"
"""Address below it that takes bodies of any length."""
MAX_BODY_BYTES: Final = 1 << 20
"""What a request may bring, unless it is an upload: its body is held in memory."""


@dataclass(frozen=True, slots=True)
class ApiServices:
    """The use cases."""

    status: StatusService
    catalogue: CatalogueService
    tags: TagService
    deletion: DeletionService
    labels: LabelService
    events: EventHub
    tasks: TaskService
    nodes: NodeService
    peers: PeerService
    associations: Associations
    uploads: UploadService
    preparing: PreparingService
    changes: ChangeService
    concurrency: Callable[[], ConcurrencyReport]
    """Tells every pool, queue, limit and cache of this process, without a wait."""


async def services_of(request: Request) -> ApiServices:
    """Return the use cases; asynchronous, or it would cost a change of threads."""
    found: ApiServices = request.app.state.services
    return found


Services = Annotated[ApiServices, Depends(services_of)]


@dataclass(frozen=True, slots=True)
class Problem:
    """What every failed request is answered with."""

    error: str
    """What is wrong."""
    next: str
    """What to do next."""


def failing(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the failures of a resource."""
    return {status: {"model": Problem} for status in statuses}
