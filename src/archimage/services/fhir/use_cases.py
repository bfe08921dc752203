"""The use cases of FHIR in one value, and how they are made of what is there."""

from collections.abc import Sequence
from dataclasses import dataclass

from archimage.ports.fhir import CallHook, FhirResources
from archimage.services.deliveries import DeliveryService
from archimage.services.fhir import ordering, orders, reports, results
from archimage.services.fhir.archive import STUDY_PARAMETERS, FhirArchive
from archimage.services.fhir.ordering import FhirOrders
from archimage.services.fhir.reports import FhirReports
from archimage.services.fhir.results import HospitalReports
from archimage.services.fhir.subscriptions import SubscriptionService, Told
from archimage.services.orthanc import OrthancService
from archimage.services.query import QueryService
from archimage.services.reports import ReportService
from archimage.services.worklist import WorklistService


@dataclass(frozen=True, slots=True)
class Outside:
    """What FHIR stands on beside the archive: what is kept, who is called and where that may be, reports of HL7."""

    kept: FhirResources
    deliveries: DeliveryService
    call: CallHook
    reports: ReportService
    hooks: Sequence[str]


@dataclass(frozen=True, slots=True)
class FhirUseCases:
    """The use cases."""

    archive: FhirArchive
    orders: FhirOrders
    reports: FhirReports
    subscriptions: SubscriptionService


def made(queries: QueryService, named: OrthancService, worklist: WorklistService, outside: Outside) -> FhirUseCases:
    """Make the use cases, and have subscribers told of orders and reports."""
    archive = FhirArchive(queries, named)
    ordered, reported = (
        FhirOrders(worklist, archive),
        FhirReports(outside.kept, archive, HospitalReports(outside.reports)),
    )
    kinds = {
        "ImagingStudy": Told(archive.count_studies, STUDY_PARAMETERS, archive.study),
        ordering.KIND: Told(
            lambda asked: ordered.search(asked).total, ordering.PARAMETERS, lambda order: ordered.get(order)[0]
        ),
        results.KIND: Told(
            lambda asked: reported.search(asked).total, reports.PARAMETERS, lambda report: reported.get(report)[0]
        ),
    }
    subscriptions = SubscriptionService(outside.kept, outside.deliveries, kinds, outside.call, outside.hooks)
    worklist.changed = lambda key: subscriptions.changed(ordering.KIND, orders.id_of(key))
    reported.told = lambda report: subscriptions.changed(results.KIND, report)
    return FhirUseCases(archive, ordered, reported, subscriptions)
