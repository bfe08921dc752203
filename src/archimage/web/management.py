"""What the management API, the pages and Orthanc's paths stand on; no framework is needed to name it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from archimage.model.concurrency import ConcurrencyReport
from archimage.ports.peer import Associations
from archimage.ports.tiers import TierRecords
from archimage.services.access import AccessService
from archimage.services.audit import AuditService
from archimage.services.catalogue import CatalogueService
from archimage.services.changes import ChangeService
from archimage.services.commitment_records import CommitmentRecords
from archimage.services.deidentified import DeidentifiedService
from archimage.services.deletion import DeletionService
from archimage.services.deliveries import DeliveryService
from archimage.services.events import EventHub
from archimage.services.export_jobs import ExportJobs
from archimage.services.fhir.use_cases import FhirUseCases
from archimage.services.holds import HoldService
from archimage.services.identity import IdentityService
from archimage.services.inbox import Inbox
from archimage.services.jobs import JobService
from archimage.services.labels import LabelService
from archimage.services.mpps import MppsService
from archimage.services.nodes import NodeService
from archimage.services.objects import ObjectService
from archimage.services.oidc import OidcClient
from archimage.services.patients import PatientService
from archimage.services.peers import PeerService
from archimage.services.plugins.service import PluginService
from archimage.services.preparing import PreparingService
from archimage.services.printing import PrintService
from archimage.services.quota import Quota
from archimage.services.reports import ReportService
from archimage.services.retention import RetentionService
from archimage.services.routing_status import RoutingStatus
from archimage.services.signatures import SignatureService
from archimage.services.status import StatusService
from archimage.services.study_jobs import StudyJobs
from archimage.services.tags import TagService
from archimage.services.tasks import TaskService
from archimage.services.uploads import UploadService
from archimage.services.ups_keeping import Procedures
from archimage.services.visible import VisibleIndex
from archimage.services.worklist import WorklistService

ROOT: Final = "/api/v1"
"""Where the management API stands."""
FHIR: Final = "/fhir"
"""Where FHIR stands."""
UPLOAD: Final = "/upload"
"""Address below it that takes bodies of any length."""
MAX_BODY_BYTES: Final = 1 << 20
"""What a request may bring, unless it is an upload: its body is held in memory."""


@dataclass(frozen=True, slots=True)
class DepartmentServices:
    """The use cases of the department: worklist, performed steps, what others are to be told."""

    deliveries: DeliveryService
    worklist: WorklistService
    mpps: MppsService
    commitments: CommitmentRecords
    printing: PrintService
    procedures: Procedures
    fhir: FhirUseCases | None
    """None where it is turned off."""


@dataclass(frozen=True, slots=True)
class MessagingServices:
    """The use cases of HL7: messages, and what they told."""

    inbox: Inbox
    reports: ReportService
    patients: PatientService


@dataclass(frozen=True, slots=True)
class KeepingServices:
    """The use cases of how long what is kept is kept."""

    holds: HoldService
    retention: RetentionService
    quota: Quota
    tiers: TierRecords


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
    jobs: JobService
    study_jobs: StudyJobs
    exports: ExportJobs
    nodes: NodeService
    peers: PeerService
    associations: Associations
    uploads: UploadService
    preparing: PreparingService
    changes: ChangeService
    deidentified: DeidentifiedService
    audit: AuditService
    signatures: SignatureService
    access: AccessService
    visible: VisibleIndex
    identity: IdentityService
    oidc: OidcClient | None
    objects: ObjectService
    department: DepartmentServices
    messaging: MessagingServices
    keeping: KeepingServices
    plugins: PluginService | None
    """None where there is no plugin."""
    routing: RoutingStatus
    concurrency: Callable[[], ConcurrencyReport]
    """Tells every pool, queue, limit and cache of this process, without a wait."""
