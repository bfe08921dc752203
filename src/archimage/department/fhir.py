"""FHIR."""

from archimage.department.part import Ground, Part
from archimage.index.fhir import FhirTable, StudyArrivalTable
from archimage.index.hashed import HashedTable
from archimage.index.reports import ReportTable
from archimage.net.remote import TlsContext
from archimage.services.fhir import use_cases
from archimage.services.fhir.use_cases import FhirUseCases, Outside
from archimage.services.fhir.watching import StudyWatch
from archimage.services.orthanc import OrthancService
from archimage.services.reports import ReportService
from archimage.services.worklist import WorklistService
from archimage.web.hooks import HookCalls


class FhirPart(Part):
    """Resources of FHIR, and subscriptions to them; nothing of it where it is not enabled."""

    def __init__(self, ground: Ground, worklist: WorklistService, tls: TlsContext) -> None:
        self.use_cases: FhirUseCases | None = None
        self._watch: StudyWatch | None = None
        settings = ground.config.fhir
        if not settings.enabled:
            return
        services, kept = ground.services, ground.kept
        named = OrthancService(HashedTable(kept.index), services.query, services.removal, kept.visible)
        table = FhirTable(kept.index)
        outside = Outside(
            table, ground.deliveries, HookCalls(tls), ReportService(ReportTable(kept.index)), settings.hooks
        )
        self.use_cases = use_cases.made(services.query, named, worklist, outside)
        arrivals, told = StudyArrivalTable(kept.index), self.use_cases.subscriptions
        self._watch = StudyWatch(table, arrivals, ground.deliveries, told, services.events, settings.quiet_s)
        ground.opened.callback(self._watch.close)

    def start(self) -> None:
        """Begin to look for studies that subscribers are to be told of."""
        if self._watch is not None:
            self._watch.start()
