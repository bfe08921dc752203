"""The contract suites over SQLite and PostgreSQL; `index` is that of conftest."""

import pytest

from archimage.index.arrivals import ArrivalTable
from archimage.index.changes import ChangeTable
from archimage.index.commitments import CommitmentTable
from archimage.index.credentials import SessionTable, ShareTable, TokenTable
from archimage.index.deliveries import DeliveryTable
from archimage.index.failures import FailureTable
from archimage.index.fhir import FhirTable
from archimage.index.hashed import HashedTable
from archimage.index.holds import HoldTable
from archimage.index.jobs import JobTable
from archimage.index.labels import LabelTable
from archimage.index.messages import MessageTable
from archimage.index.nodes import NodeTable
from archimage.index.objects import ObjectTable
from archimage.index.printjobs import PrintJobTable
from archimage.index.relational import RelationalIndex
from archimage.index.reports import PatientLinkTable, ReportTable
from archimage.index.retention import AccessTable, RetentionTable
from archimage.index.routing import RoutedTable
from archimage.index.ups import WorkitemTable
from archimage.index.users import UserTable
from archimage.index.worklist import WorklistTable
from tests.contract.arrivals_contract import ArrivalsContract
from tests.contract.changes_contract import ChangesContract
from tests.contract.commitments_contract import CommitmentsContract
from tests.contract.credentials_contract import SessionsContract, SharesContract, TokensContract
from tests.contract.deliveries_contract import DeliveriesContract
from tests.contract.failures_contract import FailuresContract
from tests.contract.fhir_contract import FhirContract
from tests.contract.hashed_contract import HashedContract
from tests.contract.holds_contract import HoldsContract
from tests.contract.index_contract import IndexContract
from tests.contract.index_extents_contract import ExtentsContract
from tests.contract.index_freetext_contract import FreeTextContract
from tests.contract.index_matching_contract import MatchingContract
from tests.contract.jobs_contract import JobsContract
from tests.contract.labels_contract import LabelsContract
from tests.contract.messages_contract import MessagesContract, PatientLinksContract, ReportsContract
from tests.contract.nodes_contract import NodesContract
from tests.contract.objects_contract import ObjectsContract
from tests.contract.printjobs_contract import PrintJobsContract
from tests.contract.retention_contract import RetentionContract
from tests.contract.routing_contract import RoutingContract
from tests.contract.users_contract import UsersContract
from tests.contract.workitems_contract import WorkitemsContract
from tests.contract.worklist_contract import WorklistContract


class TestIndex(IndexContract):
    """Adding, removing, sorting, retrieving."""


class TestMatching(MatchingContract):
    """Matching."""


class TestJobs(JobsContract):
    """Jobs."""

    @pytest.fixture
    def jobs(self, index: RelationalIndex) -> JobTable:
        """Return the empty table."""
        return JobTable(index)


class TestDeliveries(DeliveriesContract):
    """Deliveries."""

    @pytest.fixture
    def deliveries(self, index: RelationalIndex) -> DeliveryTable:
        """Return the empty table."""
        return DeliveryTable(index)


class TestFhir(FhirContract):
    """Resources of FHIR."""

    @pytest.fixture
    def resources(self, index: RelationalIndex) -> FhirTable:
        """Return the empty table."""
        return FhirTable(index)


class TestRouting(RoutingContract):
    """Where rules of routing stand."""

    @pytest.fixture
    def routed(self, index: RelationalIndex) -> RoutedTable:
        """Return the empty table."""
        return RoutedTable(index)


class TestCommitments(CommitmentsContract):
    """Storage commitment."""

    @pytest.fixture
    def deliveries(self, index: RelationalIndex) -> DeliveryTable:
        """Return the empty table of what is to be done about them."""
        return DeliveryTable(index)

    @pytest.fixture
    def commitments(self, index: RelationalIndex, deliveries: DeliveryTable) -> CommitmentTable:
        """Return the empty table."""
        return CommitmentTable(index, deliveries)


class TestWorklist(WorklistContract):
    """Scheduled procedure steps."""

    @pytest.fixture
    def worklist(self, index: RelationalIndex) -> WorklistTable:
        """Return the empty table."""
        return WorklistTable(index)


class TestObjects(ObjectsContract):
    """Objects without a patient."""

    @pytest.fixture
    def objects(self, index: RelationalIndex) -> ObjectTable:
        """Return the empty table."""
        return ObjectTable(index)


class TestPrintJobs(PrintJobsContract):
    """Print jobs."""

    @pytest.fixture
    def jobs(self, index: RelationalIndex) -> PrintJobTable:
        """Return the empty table."""
        return PrintJobTable(index)


class TestMessages(MessagesContract):
    """HL7 messages."""

    @pytest.fixture
    def messages(self, index: RelationalIndex) -> MessageTable:
        """Return the empty table."""
        return MessageTable(index)


class TestReports(ReportsContract):
    """Reports."""

    @pytest.fixture
    def reports(self, index: RelationalIndex) -> ReportTable:
        """Return the empty table."""
        return ReportTable(index)


class TestPatientLinks(PatientLinksContract):
    """Links of patients."""

    @pytest.fixture
    def links(self, index: RelationalIndex) -> PatientLinkTable:
        """Return the empty table."""
        return PatientLinkTable(index)


class TestNodes(NodesContract):
    """Remote nodes."""

    @pytest.fixture
    def nodes(self, index: RelationalIndex) -> NodeTable:
        """Return the empty table."""
        return NodeTable(index)


class TestFreeText(FreeTextContract):
    """What somebody types."""


class TestLabels(LabelsContract):
    """Labels."""

    @pytest.fixture
    def labels(self, index: RelationalIndex) -> LabelTable:
        """Return the empty table."""
        return LabelTable(index)


class TestHolds(HoldsContract):
    """Legal holds."""

    @pytest.fixture
    def holds(self, index: RelationalIndex) -> HoldTable:
        """Return the empty table."""
        return HoldTable(index)


class TestRetention(RetentionContract):
    """Retention."""

    @pytest.fixture
    def holds(self, index: RelationalIndex) -> HoldTable:
        """Return the empty table of holds."""
        return HoldTable(index)

    @pytest.fixture
    def labels(self, index: RelationalIndex) -> LabelTable:
        """Return the empty table of labels."""
        return LabelTable(index)

    @pytest.fixture
    def accesses(self, index: RelationalIndex) -> AccessTable:
        """Return the empty table of accesses."""
        return AccessTable(index)

    @pytest.fixture
    def retention(self, index: RelationalIndex) -> RetentionTable:
        """Return the table."""
        return RetentionTable(index)


class TestExtents(ExtentsContract):
    """What somebody may see."""

    @pytest.fixture
    def labels(self, index: RelationalIndex) -> LabelTable:
        """Return the empty table."""
        return LabelTable(index)


class TestArrivals(ArrivalsContract):
    """What came in."""

    @pytest.fixture
    def arrivals(self, index: RelationalIndex) -> ArrivalTable:
        """Return the table."""
        return ArrivalTable(index)


class TestChanges(ChangesContract):
    """Corrections, merges and moves."""

    @pytest.fixture
    def changes(self, index: RelationalIndex) -> ChangeTable:
        """Return the empty table."""
        return ChangeTable(index)


class TestHashed(HashedContract):
    """Orthanc's identifiers."""

    @pytest.fixture
    def hashed(self, index: RelationalIndex) -> HashedTable:
        """Return the empty table."""
        return HashedTable(index)


class TestUsers(UsersContract):
    """Users, with what is theirs."""

    @pytest.fixture
    def users(self, index: RelationalIndex) -> UserTable:
        """Return the empty table."""
        return UserTable(index)

    @pytest.fixture
    def sessions(self, index: RelationalIndex) -> SessionTable:
        """Return the empty table."""
        return SessionTable(index)

    @pytest.fixture
    def tokens(self, index: RelationalIndex) -> TokenTable:
        """Return the empty table."""
        return TokenTable(index)

    @pytest.fixture
    def shares(self, index: RelationalIndex) -> ShareTable:
        """Return the empty table."""
        return ShareTable(index)


class TestSessions(SessionsContract):
    """Sessions."""

    @pytest.fixture
    def sessions(self, index: RelationalIndex) -> SessionTable:
        """Return the empty table."""
        return SessionTable(index)


class TestTokens(TokensContract):
    """API tokens."""

    @pytest.fixture
    def tokens(self, index: RelationalIndex) -> TokenTable:
        """Return the empty table."""
        return TokenTable(index)


class TestShares(SharesContract):
    """Shares."""

    @pytest.fixture
    def shares(self, index: RelationalIndex) -> ShareTable:
        """Return the empty table."""
        return ShareTable(index)


class TestFailures(FailuresContract):
    """Logins that failed."""

    @pytest.fixture
    def failures(self, index: RelationalIndex) -> FailureTable:
        """Return the empty table."""
        return FailureTable(index)


class TestWorkitems(WorkitemsContract):
    """Work items, subscriptions and their events."""

    @pytest.fixture
    def items(self, index: RelationalIndex) -> WorkitemTable:
        """Return the empty tables."""
        return WorkitemTable(index, DeliveryTable(index))
