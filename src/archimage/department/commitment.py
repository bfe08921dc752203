"""Storage commitment, both ways."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor

from archimage.department.part import Ground, Part
from archimage.index.commitments import CommitmentTable
from archimage.net.commitment import CommitmentCalls
from archimage.net.dispatch import ServiceClass
from archimage.net.scp import commitment as scp
from archimage.services.commitment_checks import Verification
from archimage.services.commitment_records import CommitmentRecords
from archimage.services.commitment_requests import CommitmentRequestService
from archimage.services.commitments import CommitmentService, CommitmentTools
from archimage.threads import Pool


class CommitmentPart(Part):
    """What others ask us to commit to, and what we ask of them."""

    def __init__(self, ground: Ground) -> None:
        kept, deliveries, services = ground.kept, ground.deliveries, ground.services
        settings, ae_title = ground.config.commitment, ground.config.dicom.ae_title
        table = CommitmentTable(kept.index, ground.delivery_table)
        peers = CommitmentCalls(ground.calls)
        verification = Verification(kept.index, kept.blobs, kept.objects, digests=settings.verify == "digest")
        tools = CommitmentTools(table, kept.visible, verification, deliveries, peers, services.nodes.known)
        self._committing = CommitmentService(tools, ae_title, settings)
        ground.opened.callback(self._committing.close)
        wait_s = settings.same_association_s
        self.requests = CommitmentRequestService(table, deliveries, peers, services.nodes, wait_s=wait_s)
        self.records = CommitmentRecords(table, self._committing, self.requests, services.retrieve)

    @property
    def pools(self) -> Mapping[str, Pool]:
        """The threads that verify."""
        return {"commit": self._committing.threads}

    def take_over(self) -> None:
        """Tell results that nobody waits for on an association any more."""
        self._committing.resume()

    def dicom(self, executor: Executor) -> Sequence[ServiceClass]:
        """Return the SCP, and what hears results of what we asked for."""
        return (scp.service(self._committing, self.requests, executor),)
