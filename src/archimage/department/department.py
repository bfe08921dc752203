"""All parts of the department, as the archive and the server see them."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack

from archimage.config import Config
from archimage.department.commitment import CommitmentPart
from archimage.department.fhir import FhirPart
from archimage.department.part import Ground, Kept, Part
from archimage.department.performed import PerformedPart
from archimage.department.printing import PrintPart
from archimage.department.procedures import ProceduresPart
from archimage.department.relevant_patient import RelevantPatientPart
from archimage.department.worklist import WorklistPart
from archimage.index.deliveries import DeliveryTable
from archimage.model.events import InstanceStored
from archimage.net.calls import NodeCalls
from archimage.net.dispatch import ServiceClass
from archimage.net.looping import LoopThread
from archimage.net.remote import TlsContext
from archimage.services.deliveries import DeliveryService
from archimage.threads import Pool
from archimage.use_cases import Services
from archimage.web.management import DepartmentServices


class Department:
    """The parts; `start` it once the ports are open, and `close` it."""

    def __init__(self, config: Config, kept: Kept, services: Services, tls: TlsContext) -> None:
        with ExitStack() as opened:
            calls = NodeCalls(config.dicom.ae_title, LoopThread("department"), tls)
            table = DeliveryTable(kept.grouped)
            self.deliveries = DeliveryService(table)
            opened.callback(self.deliveries.close)
            opened.callback(calls.close)  # before what waits for calls
            ground = Ground(config, kept, services, calls, table, self.deliveries, opened)
            self.worklist = WorklistPart(ground)
            self.performed = PerformedPart(ground, self.worklist.service)
            self.commitment = CommitmentPart(ground)
            self.printing = PrintPart(ground)
            self.procedures = ProceduresPart(ground)
            self.relevant_patient = RelevantPatientPart(ground)
            self.fhir = FhirPart(ground, self.worklist.service, tls)
            self._held = opened.pop_all()

    def _parts(self) -> Iterator[Part]:
        yield self.worklist
        yield self.performed
        yield self.commitment
        yield self.printing
        yield self.procedures
        yield self.relevant_patient
        yield self.fhir

    @property
    def services(self) -> DepartmentServices:
        """The use cases, as the web side needs them."""
        return DepartmentServices(
            deliveries=self.deliveries,
            worklist=self.worklist.service,
            mpps=self.performed.service,
            commitments=self.commitment.records,
            printing=self.printing.service,
            procedures=self.procedures.service,
            fhir=self.fhir.use_cases,
        )

    @property
    def pools(self) -> dict[str, Pool]:
        """The threads, by name."""
        found: dict[str, Pool] = {"deliver": self.deliveries.threads}
        for part in self._parts():
            found.update(part.pools)
        return found

    def dicom(self, executor: Executor) -> Sequence[ServiceClass]:
        """Return the DICOM services; executor runs what blocks."""
        return tuple(served for part in self._parts() for served in part.dicom(executor))

    def hear(self, event: InstanceStored) -> None:
        """Hear of an object that was stored, on the thread of the intake: nothing here may block."""
        for part in self._parts():
            part.hear(event)

    def take_over(self) -> None:
        """Go on with what processes that are no more were at; for one that is alone in using the archive."""
        self.deliveries.release()
        for part in self._parts():
            part.take_over()

    def start(self) -> None:
        """Begin what is done without being asked."""
        self.deliveries.start()
        for part in self._parts():
            part.start()

    def close(self) -> None:
        """End all of it."""
        self._held.close()
