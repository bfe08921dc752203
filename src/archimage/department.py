"""The services of the department, wired: what is done beside storing, finding and giving objects."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from pathlib import Path

from archimage.config import Config
from archimage.config_worklist import WorklistConfig
from archimage.index.deliveries import DeliveryTable
from archimage.index.fhir import FhirTable, StudyArrivalTable
from archimage.index.hashed import HashedTable
from archimage.index.sqlite import SqliteIndex
from archimage.index.worklist import WorklistTable
from archimage.model.events import InstanceStored
from archimage.net.calls import NodeCalls
from archimage.net.dispatch import ServiceClass
from archimage.net.looping import LoopThread
from archimage.net.remote import TlsContext
from archimage.net.scp import worklist as worklist_scp
from archimage.net.scp.worklist import WorklistAnswers
from archimage.services.deliveries import DeliveryService
from archimage.services.fhir import use_cases
from archimage.services.fhir.use_cases import FhirUseCases, Outside
from archimage.services.fhir.watching import StudyWatch
from archimage.services.orthanc import OrthancService
from archimage.services.visible import VisibleIndex
from archimage.services.worklist import WorklistRules, WorklistService
from archimage.services.worklist_files import WorklistDirectory
from archimage.threads import Pool
from archimage.use_cases import Services
from archimage.web.hooks import HookCalls
from archimage.web.management import DepartmentServices


class Department:
    """The parts; `start` it once the ports are open, and `close` it."""

    def __init__(self, config: Config, index: SqliteIndex, services: Services, tls: TlsContext) -> None:
        self.config = config
        self._heard: list[Callable[[InstanceStored], None]] = []
        with ExitStack() as opened:
            self.calls = NodeCalls(config.dicom.ae_title, LoopThread("department"), tls)
            self.deliveries = DeliveryService(DeliveryTable(index))
            opened.callback(self.deliveries.close)
            opened.callback(self.calls.close)  # before what waits for calls
            self.worklist = WorklistService(WorklistTable(index), _worklist_rules(config.worklist))
            self._worklist_files = self._watched(opened)
            self.fhir = self._fhir(index, services, tls) if config.fhir.enabled else None
            self._fhir_watch = self._watching(opened, index, services)
            self._nodes = services.nodes
            self._queries = services.query
            self._held = opened.pop_all()

    def _watched(self, opened: ExitStack) -> WorklistDirectory | None:
        """Return what keeps the worklist as a directory has it, None without one."""
        settings = self.config.worklist
        if not settings.directory:
            return None
        directory = WorklistDirectory(self.worklist, Path(settings.directory), settings.look_every_s)
        opened.callback(directory.close)
        return directory

    def _fhir(self, index: SqliteIndex, services: Services, tls: TlsContext) -> FhirUseCases:
        named = OrthancService(HashedTable(index), services.query, services.removal, VisibleIndex(index))
        outside = Outside(FhirTable(index), self.deliveries, HookCalls(tls), self.config.fhir.hooks)
        return use_cases.made(services.query, named, self.worklist, outside)

    def _watching(self, opened: ExitStack, index: SqliteIndex, services: Services) -> StudyWatch | None:
        """Return what tells subscribers of studies, None without FHIR."""
        if self.fhir is None:
            return None
        kept, arrivals = FhirTable(index), StudyArrivalTable(index)
        told, quiet_s = self.fhir.subscriptions, self.config.fhir.quiet_s
        watch = StudyWatch(kept, arrivals, self.deliveries, told, services.events, quiet_s)
        opened.callback(watch.close)
        return watch

    @property
    def services(self) -> DepartmentServices:
        """The use cases, as the web side needs them."""
        return DepartmentServices(deliveries=self.deliveries, worklist=self.worklist, fhir=self.fhir)

    @property
    def pools(self) -> dict[str, Pool]:
        """The threads, by name."""
        return {"deliver": self.deliveries.threads}

    def dicom(self, executor: Executor) -> Sequence[ServiceClass]:
        """Return the DICOM services; executor runs what blocks."""
        limit, own_station = self.config.query.max_results, self.config.worklist.own_station
        answers = WorklistAnswers(limit, own_station, self._queries.meter)
        return (worklist_scp.service(self.worklist, answers, executor),)

    def hear(self, event: InstanceStored) -> None:
        """Hear of an object that was stored, on the thread of the intake: nothing here may block."""
        for listener in self._heard:
            listener(event)

    def take_over(self) -> None:
        """Go on with what processes that are no more were at; for one that is alone in using the archive."""
        self.deliveries.release()

    def start(self) -> None:
        """Begin what is done without being asked."""
        self.deliveries.start()
        if self._fhir_watch is not None:
            self._fhir_watch.start()
        if self._worklist_files is not None:
            self._worklist_files.start()

    def close(self) -> None:
        """End all of it."""
        self._held.close()


def _worklist_rules(settings: WorklistConfig) -> WorklistRules:
    return WorklistRules(settings.expire_days, settings.forget_days, settings.max_entries, settings.stations)
