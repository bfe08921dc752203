"""The contract suites over SQLite; `index` is that of conftest."""

import pytest

from archimage.index.arrivals import ArrivalTable
from archimage.index.changes import ChangeTable
from archimage.index.commitments import CommitmentTable
from archimage.index.credentials import SessionTable, ShareTable, TokenTable
from archimage.index.deliveries import DeliveryTable
from archimage.index.failures import FailureTable
from archimage.index.fhir import FhirTable
from archimage.index.hashed import HashedTable
from archimage.index.jobs import JobTable
from archimage.index.labels import LabelTable
from archimage.index.messages import MessageTable
from archimage.index.nodes import NodeTable
from archimage.index.objects import ObjectTable
from archimage.index.printjobs import PrintJobTable
from archimage.index.reports import PatientLinkTable, ReportTable
from archimage.index.routing import RoutedTable
from archimage.index.sqlite import SqliteIndex
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
from tests.contract.routing_contract import RoutingContract
from tests.contract.users_contract import UsersContract
from tests.contract.workitems_contract import WorkitemsContract
from tests.contract.worklist_contract import WorklistContract


class TestSqliteIndex(IndexContract):
    """Adding, removing, sorting, retrieving."""


class TestSqliteMatching(MatchingContract):
    """Matching."""


class TestSqliteJobs(JobsContract):
    """Jobs."""

    @pytest.fixture
    def jobs(self, index: SqliteIndex) -> JobTable:
        """Return the empty table."""
        return JobTable(index)


class TestSqliteDeliveries(DeliveriesContract):
    """Deliveries."""

    @pytest.fixture
    def deliveries(self, index: SqliteIndex) -> DeliveryTable:
        """Return the empty table."""
        return DeliveryTable(index)


class TestSqliteFhir(FhirContract):
    """Resources of FHIR."""

    @pytest.fixture
    def resources(self, index: SqliteIndex) -> FhirTable:
        """Return the empty table."""
        return FhirTable(index)


class TestSqliteRouting(RoutingContract):
    """Where rules of routing stand."""

    @pytest.fixture
    def routed(self, index: SqliteIndex) -> RoutedTable:
        """Return the empty table."""
        return RoutedTable(index)


class TestSqliteCommitments(CommitmentsContract):
    """Storage commitment."""

    @pytest.fixture
    def deliveries(self, index: SqliteIndex) -> DeliveryTable:
        """Return the empty table of what is to be done about them."""
        return DeliveryTable(index)

    @pytest.fixture
    def commitments(self, index: SqliteIndex, deliveries: DeliveryTable) -> CommitmentTable:
        """Return the empty table."""
        return CommitmentTable(index, deliveries)


class TestSqliteWorklist(WorklistContract):
    """Scheduled procedure steps."""

    @pytest.fixture
    def worklist(self, index: SqliteIndex) -> WorklistTable:
        """Return the empty table."""
        return WorklistTable(index)


class TestSqliteObjects(ObjectsContract):
    """Objects without a patient."""

    @pytest.fixture
    def objects(self, index: SqliteIndex) -> ObjectTable:
        """Return the empty table."""
        return ObjectTable(index)


class TestSqlitePrintJobs(PrintJobsContract):
    """Print jobs."""

    @pytest.fixture
    def jobs(self, index: SqliteIndex) -> PrintJobTable:
        """Return the empty table."""
        return PrintJobTable(index)


class TestSqliteMessages(MessagesContract):
    """HL7 messages."""

    @pytest.fixture
    def messages(self, index: SqliteIndex) -> MessageTable:
        """Return the empty table."""
        return MessageTable(index)


class TestSqliteReports(ReportsContract):
    """Reports."""

    @pytest.fixture
    def reports(self, index: SqliteIndex) -> ReportTable:
        """Return the empty table."""
        return ReportTable(index)


class TestSqlitePatientLinks(PatientLinksContract):
    """Links of patients."""

    @pytest.fixture
    def links(self, index: SqliteIndex) -> PatientLinkTable:
        """Return the empty table."""
        return PatientLinkTable(index)


class TestSqliteNodes(NodesContract):
    """Remote nodes."""

    @pytest.fixture
    def nodes(self, index: SqliteIndex) -> NodeTable:
        """Return the empty table."""
        return NodeTable(index)


class TestSqliteFreeText(FreeTextContract):
    """What somebody types."""


class TestSqliteLabels(LabelsContract):
    """Labels."""

    @pytest.fixture
    def labels(self, index: SqliteIndex) -> LabelTable:
        """Return the empty table."""
        return LabelTable(index)


class TestSqliteExtents(ExtentsContract):
    """What somebody may see."""

    @pytest.fixture
    def labels(self, index: SqliteIndex) -> LabelTable:
        """Return the empty table."""
        return LabelTable(index)


class TestSqliteArrivals(ArrivalsContract):
    """What came in."""

    @pytest.fixture
    def arrivals(self, index: SqliteIndex) -> ArrivalTable:
        """Return the table."""
        return ArrivalTable(index)


class TestSqliteChanges(ChangesContract):
    """Corrections, merges and moves."""

    @pytest.fixture
    def changes(self, index: SqliteIndex) -> ChangeTable:
        """Return the empty table."""
        return ChangeTable(index)


class TestSqliteHashed(HashedContract):
    """Orthanc's identifiers."""

    @pytest.fixture
    def hashed(self, index: SqliteIndex) -> HashedTable:
        """Return the empty table."""
        return HashedTable(index)


class TestSqliteUsers(UsersContract):
    """Users, with what is theirs."""

    @pytest.fixture
    def users(self, index: SqliteIndex) -> UserTable:
        """Return the empty table."""
        return UserTable(index)

    @pytest.fixture
    def sessions(self, index: SqliteIndex) -> SessionTable:
        """Return the empty table."""
        return SessionTable(index)

    @pytest.fixture
    def tokens(self, index: SqliteIndex) -> TokenTable:
        """Return the empty table."""
        return TokenTable(index)

    @pytest.fixture
    def shares(self, index: SqliteIndex) -> ShareTable:
        """Return the empty table."""
        return ShareTable(index)


class TestSqliteSessions(SessionsContract):
    """Sessions."""

    @pytest.fixture
    def sessions(self, index: SqliteIndex) -> SessionTable:
        """Return the empty table."""
        return SessionTable(index)


class TestSqliteTokens(TokensContract):
    """API tokens."""

    @pytest.fixture
    def tokens(self, index: SqliteIndex) -> TokenTable:
        """Return the empty table."""
        return TokenTable(index)


class TestSqliteShares(SharesContract):
    """Shares."""

    @pytest.fixture
    def shares(self, index: SqliteIndex) -> ShareTable:
        """Return the empty table."""
        return ShareTable(index)


class TestSqliteFailures(FailuresContract):
    """Logins that failed."""

    @pytest.fixture
    def failures(self, index: SqliteIndex) -> FailureTable:
        """Return the empty table."""
        return FailureTable(index)


class TestSqliteWorkitems(WorkitemsContract):
    """Work items, subscriptions and their events."""

    @pytest.fixture
    def items(self, index: SqliteIndex) -> WorkitemTable:
        """Return the empty tables."""
        return WorkitemTable(index, DeliveryTable(index))
