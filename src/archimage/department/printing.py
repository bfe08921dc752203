"""Print management."""

from collections.abc import Sequence
from concurrent.futures import Executor

from archimage.department.part import Ground, Part
from archimage.index.printjobs import PrintJobTable
from archimage.net.dispatch import ServiceClass
from archimage.net.scp import printing as scp
from archimage.services.deliveries import Patience
from archimage.services.printing import KIND, PrintService, PrintTools
from archimage.storage import cups
from archimage.storage.films import FilmDirectory


class PrintPart(Part):
    """Film sessions of modalities, and the jobs that they make."""

    def __init__(self, ground: Ground) -> None:
        storage, kept = ground.config.storage, ground.kept
        files = FilmDirectory(storage.directory / "print", durable=storage.durability == "full")
        jobs, store = PrintJobTable(kept.index), ground.services.store
        tools = PrintTools(jobs, files, kept.pixels, store, ground.deliveries, cups.to_paper, cups.fault)
        self.service = PrintService(tools, ground.config.print)
        self._enabled = ground.config.print.enabled
        ground.deliveries.register(KIND, self.service.make, Patience(first_s=1.0, most_s=60.0))

    def dicom(self, executor: Executor) -> Sequence[ServiceClass]:
        """Return the SCP of the print management meta SOP classes, where there is to be one."""
        return (scp.service(self.service, executor),) if self._enabled else ()

    def start(self) -> None:
        """Forget films that are too old, or of which a crash has left no job."""
        self.service.start()
