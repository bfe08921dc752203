"""What people ask to be done with whole studies, wired: compressed, verified, moved, and exported for a while."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from archimage.auditing import Auditing
from archimage.automation.keeping import Keeping
from archimage.automation.scrubbing import Scrubbing
from archimage.config import Config
from archimage.config_object_store import HOT
from archimage.department.part import Kept
from archimage.errors import ArchimageError
from archimage.index.changes import ChangeTable
from archimage.logger import logger
from archimage.services.compress_jobs import CompressJobs
from archimage.services.compressor import Compressor
from archimage.services.export_jobs import ExportJobs
from archimage.services.jobs import JobService
from archimage.services.replacement import ReplacementService
from archimage.services.room import Room
from archimage.services.study_jobs import StudyJobs
from archimage.services.tier_jobs import TierJobs
from archimage.services.verify_jobs import VerifyJobs
from archimage.storage.exports import ExportDirectory
from archimage.use_cases import Services

_TIDIED_EVERY_S: Final = 600.0
_log = logger("task")


@dataclass(frozen=True, slots=True)
class StudiesGround:
    """What is there already."""

    kept: Kept
    services: Services
    replacement: ReplacementService
    jobs: JobService
    scrubbing: Scrubbing
    keeping: Keeping


class StudiesPart:
    """All of them; `start` it, and `close` it."""

    def __init__(self, config: Config, ground: StudiesGround, auditing: Auditing) -> None:
        storage, settings, jobs, kept = config.storage, config.export, ground.jobs, ground.kept
        frames = ground.services.frames
        compressor = Compressor(frames, kept.blobs, kept.pixels, flush=storage.durability == "full")
        CompressJobs(ChangeTable(kept.index), compressor, ground.replacement, jobs)
        VerifyJobs(frames, ground.scrubbing.checker, jobs)
        tiers = (HOT, *config.tiers) if config.tiers else ()
        TierJobs(frames, ground.keeping.retention.move, tiers, jobs)
        self._directory = storage.directory / settings.directory
        self._exports = ExportDirectory(self._directory, settings.keep_hours * 3600)
        self.exports = ExportJobs(frames, self._exports, self._room(storage.reserve_bytes), jobs)
        self.exports.told = auditing.jobs.exported
        self.exports.made = self._watch
        check_held = ground.services.removal.check_held
        self.jobs = StudyJobs(jobs, kept.visible, frames, check_held, lambda: kept.index.counts().instances)
        """Takes them."""
        self.jobs.told, self.jobs.tiers = auditing.jobs.asked, tiers
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to remove exports that were kept for long enough, if there are any."""
        if _is_used(self._directory):
            self._watch()

    def close(self) -> None:
        """Stop; the next start goes on."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _room(self, reserve_bytes: int) -> Callable[[], object]:
        room = Room(self._directory, reserve_bytes)
        return room.check

    def _watch(self) -> None:
        """Have the thread that removes exports, from the first one on."""
        with self._lock:
            if self._thread is None and not self._ended.is_set():
                self._thread = threading.Thread(target=self._run, name="exports")
                self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                self._exports.tidy()
            except ArchimageError as error:
                _log.warning("old exports cannot be removed", reason=str(error))
            if self._ended.wait(_TIDIED_EVERY_S):
                return


def _is_used(directory: Path) -> bool:
    """Tell whether something was exported there."""
    try:
        return any(directory.iterdir())
    except OSError:
        return False
