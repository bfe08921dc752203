"""What every part of the department stands on, and what it brings to the server."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import dataclass

from archimage.config import Config
from archimage.index.deliveries import DeliveryTable
from archimage.index.grouped import GroupedDatabase
from archimage.index.relational import RelationalIndex
from archimage.model.events import InstanceStored
from archimage.net.calls import NodeCalls
from archimage.net.dispatch import ServiceClass
from archimage.ports.pixels import PixelWork
from archimage.ports.storage import BlobStore
from archimage.services.deliveries import DeliveryService
from archimage.services.objects import ObjectService
from archimage.services.visible import VisibleIndex
from archimage.threads import Pool
from archimage.use_cases import Services


@dataclass(frozen=True, slots=True)
class Kept:
    """Where everything is kept; visible is the index as far as whoever asks may see it, pixels work on frames.

    grouped is the index for tables that HL7 messages write to, so that those which come together cost one flush.
    objects are those without a patient.
    """

    index: RelationalIndex
    grouped: GroupedDatabase
    blobs: BlobStore
    visible: VisibleIndex
    pixels: PixelWork
    objects: ObjectService


@dataclass(frozen=True, slots=True)
class Ground:
    """What is there already; opened closes, in the opposite order, what a part has opened."""

    config: Config
    kept: Kept
    services: Services
    calls: NodeCalls
    delivery_table: DeliveryTable
    deliveries: DeliveryService
    opened: ExitStack


class Part:
    """Brings nothing: each part says what it does bring."""

    @property
    def pools(self) -> Mapping[str, Pool]:
        """The threads, by name."""
        return {}

    def dicom(self, executor: Executor) -> Sequence[ServiceClass]:  # noqa: ARG002
        """Return the DICOM services; executor runs what blocks."""
        return ()

    def hear(self, event: InstanceStored) -> None:
        """Hear of an object that was stored, on the thread of the intake: nothing here may block."""

    def take_over(self) -> None:
        """Go on with what processes that are no more were at; called where this one is alone."""

    def start(self) -> None:
        """Begin what is done without being asked."""
