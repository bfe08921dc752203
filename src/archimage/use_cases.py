"""The use cases that every door of a process shares."""

from dataclasses import dataclass

from archimage.services.access import AccessService
from archimage.services.catalogue import CatalogueService
from archimage.services.events import EventHub
from archimage.services.frames import FrameService
from archimage.services.labels import LabelService
from archimage.services.metadata import MetadataService
from archimage.services.nodes import NodeService
from archimage.services.preparing import PreparingService
from archimage.services.query import QueryService
from archimage.services.removal import RemovalService
from archimage.services.rendering import RenderingService
from archimage.services.retrieve import RetrieveService
from archimage.services.status import StatusService
from archimage.services.store import StoreService
from archimage.services.tasks import TaskService
from archimage.services.transcoding import TranscodingService
from archimage.services.uploads import UploadService


@dataclass(frozen=True, slots=True)
class Services:
    """The use cases."""

    store: StoreService
    query: QueryService
    retrieve: RetrieveService
    frames: FrameService
    removal: RemovalService
    metadata: MetadataService
    rendering: RenderingService
    transcoding: TranscodingService
    status: StatusService
    events: EventHub
    tasks: TaskService
    uploads: UploadService
    catalogue: CatalogueService
    labels: LabelService
    nodes: NodeService
    preparing: PreparingService
    access: AccessService
