"""The worklist."""

from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path

from archimage.department.part import Ground, Part
from archimage.index.worklist import WorklistTable
from archimage.net.dispatch import ServiceClass
from archimage.net.scp import worklist as scp
from archimage.net.scp.worklist import WorklistAnswers
from archimage.services.worklist import WorklistRules, WorklistService
from archimage.services.worklist_files import WorklistDirectory


class WorklistPart(Part):
    """Scheduled procedure steps, from every source."""

    def __init__(self, ground: Ground) -> None:
        settings = ground.config.worklist
        rules = WorklistRules(settings.expire_days, settings.forget_days, settings.max_entries, settings.stations)
        self.service = WorklistService(WorklistTable(ground.kept.grouped), rules)
        self._ground = ground
        self._files: WorklistDirectory | None = None
        if settings.directory:
            self._files = WorklistDirectory(self.service, Path(settings.directory), settings.look_every_s)
            ground.opened.callback(self._files.close)

    def dicom(self, executor: Executor) -> Sequence[ServiceClass]:
        """Return the SCP of Modality Worklist."""
        config, meter = self._ground.config, self._ground.services.query.meter
        answers = WorklistAnswers(config.query.max_results, config.worklist.own_station, meter)
        return (scp.service(self.service, answers, executor),)

    def start(self) -> None:
        """Begin to look at the directory of worklist files, if there is one."""
        if self._files is not None:
            self._files.start()
