"""The services of the department, wired: what is done beside storing, finding and giving objects."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import dataclass

from archimage.config import Config
from archimage.index.commitments import CommitmentTable
from archimage.index.deliveries import DeliveryTable
from archimage.index.sqlite import SqliteIndex
from archimage.model.events import InstanceStored
from archimage.net.calls import NodeCalls
from archimage.net.commitment import CommitmentCalls
from archimage.net.dispatch import ServiceClass
from archimage.net.looping import LoopThread
from archimage.net.remote import TlsContext
from archimage.net.scp import commitment as commitment_scp
from archimage.ports import BlobStore
from archimage.services.commitment_checks import Verification
from archimage.services.commitment_records import CommitmentRecords
from archimage.services.commitment_requests import CommitmentRequestService
from archimage.services.commitments import CommitmentService, CommitmentTools
from archimage.services.deliveries import DeliveryService
from archimage.services.visible import VisibleIndex
from archimage.threads import Pool
from archimage.use_cases import Services
from archimage.web.management import DepartmentServices


@dataclass(frozen=True, slots=True)
class Kept:
    """Where everything is kept; visible is the index as far as whoever asks may see it."""

    index: SqliteIndex
    blobs: BlobStore
    visible: VisibleIndex


class Department:
    """The parts; `start` it once the ports are open, and `close` it."""

    def __init__(self, config: Config, kept: Kept, services: Services, tls: TlsContext) -> None:
        self.config = config
        self._heard: list[Callable[[InstanceStored], None]] = []
        with ExitStack() as opened:
            self.calls = NodeCalls(config.dicom.ae_title, LoopThread("department"), tls)
            deliveries = DeliveryTable(kept.index)
            self.deliveries = DeliveryService(deliveries)
            self._nodes = services.nodes
            self._commit(kept, CommitmentTable(kept.index, deliveries), services)
            opened.callback(self.commitments.close)
            opened.callback(self.deliveries.close)
            opened.callback(self.calls.close)  # before what waits for calls
            self._held = opened.pop_all()

    def _commit(self, kept: Kept, table: CommitmentTable, services: Services) -> None:
        """Make storage commitment, both ways."""
        settings, ae_title = self.config.commitment, self.config.dicom.ae_title
        peers = CommitmentCalls(self.calls)
        verification = Verification(kept.index, kept.blobs, digests=settings.verify == "digest")
        tools = CommitmentTools(table, kept.visible, verification, self.deliveries, peers, services.nodes.known)
        self.commitments = CommitmentService(tools, ae_title, settings)
        wait_s = settings.same_association_s
        self.requests = CommitmentRequestService(table, self.deliveries, peers, services.nodes, wait_s=wait_s)
        self.records = CommitmentRecords(table, self.commitments, self.requests, services.retrieve)

    @property
    def services(self) -> DepartmentServices:
        """The use cases, as the web side needs them."""
        return DepartmentServices(deliveries=self.deliveries, commitments=self.records)

    @property
    def pools(self) -> dict[str, Pool]:
        """The threads, by name."""
        return {"deliver": self.deliveries.threads, "commit": self.commitments.threads}

    def dicom(self, executor: Executor) -> Sequence[ServiceClass]:
        """Return the DICOM services; executor runs what blocks."""
        return (commitment_scp.service(self.commitments, self.requests, executor),)

    def hear(self, event: InstanceStored) -> None:
        """Hear of an object that was stored, on the thread of the intake: nothing here may block."""
        for listener in self._heard:
            listener(event)

    def take_over(self) -> None:
        """Go on with what processes that are no more were at; for one that is alone in using the archive."""
        self.deliveries.release()
        self.commitments.resume()

    def start(self) -> None:
        """Begin what is done without being asked."""
        self.deliveries.start()

    def close(self) -> None:
        """End all of it."""
        self._held.close()
