"""The services of the department, wired: what is done beside storing, finding and giving objects."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack

from archimage.config import Config
from archimage.index.deliveries import DeliveryTable
from archimage.index.printjobs import PrintJobTable
from archimage.index.sqlite import SqliteIndex
from archimage.model.events import InstanceStored
from archimage.net.calls import NodeCalls
from archimage.net.dispatch import ServiceClass
from archimage.net.looping import LoopThread
from archimage.net.remote import TlsContext
from archimage.net.scp import printing as print_scp
from archimage.ports import PixelWork
from archimage.services.deliveries import DeliveryService, Patience
from archimage.services.printing import KIND, PrintService, PrintTools
from archimage.storage import cups
from archimage.storage.films import FilmDirectory
from archimage.threads import Pool
from archimage.use_cases import Services
from archimage.web.management import DepartmentServices


class Department:
    """The parts; `start` it once the ports are open, and `close` it."""

    def __init__(
        self, config: Config, index: SqliteIndex, services: Services, tls: TlsContext, pixels: PixelWork
    ) -> None:
        self.config = config
        self._heard: list[Callable[[InstanceStored], None]] = []
        with ExitStack() as opened:
            self.calls = NodeCalls(config.dicom.ae_title, LoopThread("department"), tls)
            opened.callback(self.calls.close)
            self.deliveries = DeliveryService(DeliveryTable(index))
            opened.callback(self.deliveries.close)
            self.printing = self._print_service(index, services, pixels)
            self._nodes = services.nodes
            self._held = opened.pop_all()

    def _print_service(self, index: SqliteIndex, services: Services, pixels: PixelWork) -> PrintService:
        """Make what prints."""
        storage = self.config.storage
        files = FilmDirectory(storage.directory / "print", durable=storage.durability == "full")
        jobs = PrintJobTable(index)
        tools = PrintTools(jobs, files, pixels, services.store, self.deliveries, cups.to_paper, cups.fault)
        printing = PrintService(tools, self.config.print)
        self.deliveries.register(KIND, printing.make, Patience(first_s=1.0, most_s=60.0))
        return printing

    @property
    def services(self) -> DepartmentServices:
        """The use cases, as the web side needs them."""
        return DepartmentServices(deliveries=self.deliveries, printing=self.printing)

    @property
    def pools(self) -> dict[str, Pool]:
        """The threads, by name."""
        return {"deliver": self.deliveries.threads}

    def dicom(self, executor: Executor) -> Sequence[ServiceClass]:
        """Return the DICOM services; executor runs what blocks."""
        return (print_scp.service(self.printing, executor),) if self.config.print.enabled else ()

    def hear(self, event: InstanceStored) -> None:
        """Hear of an object that was stored, on the thread of the intake: nothing here may block."""
        for listener in self._heard:
            listener(event)

    def start(self) -> None:
        """Begin what is done without being asked."""
        self.printing.start()
        self.deliveries.start()

    def close(self) -> None:
        """End all of it."""
        self._held.close()
