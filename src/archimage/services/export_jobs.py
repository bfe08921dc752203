"""Writing studies into a ZIP archive for somebody to take away, as a job: a folder for each study.

What was written of a study is durable before it counts; who goes on cuts off what came after, and adds what is left.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

from archimage.errors import BlobNotFoundError, ConflictError, IntegrityError, NotFoundError
from archimage.model.attributes import UNIQUE_KEYS, Level
from archimage.model.callers import granted
from archimage.model.jobs import Job, JobState, JsonValue
from archimage.model.query import Condition, Exact, Query
from archimage.model.records import StoredInstance
from archimage.ports.export import ExportFile, Exports
from archimage.ports.jobs import Progress, Rules
from archimage.ports.storage import BlobReader
from archimage.services.frames import FrameService
from archimage.services.integrity import Inspection, inspected, pieces_of
from archimage.services.jobs import JobService
from archimage.services.study_jobs import EXPORT, Tally, objects_of, reached_of, studies_of, total_of
from archimage.services.visible import VisibleIndex

_MB = 1_000_000


@dataclass(slots=True)
class _Exported(Tally):
    """How far an export is; size_bytes is how long its archive is, of which that much is durable."""

    size_bytes: int = 0

    @property
    def words(self) -> str:
        """What came of it, for people."""
        return f"{self.objects} written, {self.size_bytes / _MB:.1f} MB"


class ExportJobs:
    """Does the jobs, and gives away what came of them.

    told hears of every study that was written or given away: its UID, its objects by SOP class, and where.
    """

    def __init__(
        self, frames: FrameService, exports: Exports, check_room: Callable[[], object], jobs: JobService
    ) -> None:
        """check_room raises where the disk has no room for exports."""
        self._frames = frames
        self._exports = exports
        self._check_room = check_room
        self._jobs = jobs
        self.told: Callable[[str, Mapping[str, int], str], None] = lambda *_: None
        self.made: Callable[[], None] = lambda: None
        """Hears that an archive was begun."""
        jobs.register(EXPORT, self.work, Rules(at_once=2))

    def work(self, job: Job, progress: Progress) -> JsonValue:
        """Write study by study."""
        exported = _Exported(**reached_of(job))
        studies = studies_of(job)
        if exported.studies == len(studies) and self._exports.size(job.id) is not None:
            return self._told(exported, progress)
        self.made()
        file = self._exports.begin(job.id, exported.size_bytes)
        if file is None:  # another node has it, or it was removed: all is written anew
            exported, file = _Exported(), self._exports.begin(job.id, 0)
        assert file is not None  # noqa: S101 - a new one can be begun anywhere
        with closing(file):
            for study in studies[exported.studies :]:
                self._check_room()
                written = self._study(study, file, exported, lambda done: progress.tell(done, total_of(job)))
                exported.studies += 1
                exported.size_bytes = file.sync()
                progress.reach(cast("JsonValue", asdict(exported)))
                self.told(study, written, f"export {job.id}")
            progress.check()
            exported.size_bytes = file.end()
        return self._told(exported, progress)

    def find(self, number: int, visible: VisibleIndex) -> Path:
        """Return where an archive is that whoever asks may have; he is told to have got it.

        Raises:
            NotFoundError: there is no such export, or not any more.
            ConflictError: it is not made yet.
            NotAuthorisedError: he may not see something of it.
        """
        job = self._jobs.get(number)
        if job.kind != EXPORT:
            raise NotFoundError(f"job {number} is no export")
        if job.state is not JobState.DONE:
            raise ConflictError(f"export {number} is {job.state}; it can be had once it is done")
        for study in studies_of(job):
            visible.check({Level.STUDY: study})
            if granted() != job.origin.grant:  # he sees another part of it than the one who has asked for it
                visible.check_all(Query(Level.IMAGE, (Condition(UNIQUE_KEYS[Level.STUDY], Exact(study)),)))
        found = self._exports.path(number)
        for study in studies_of(job):
            self.told(study, {}, f"export {number}, downloaded")
        return found

    @staticmethod
    def _told(exported: _Exported, progress: Progress) -> JsonValue:
        progress.tell(exported.objects, exported.objects, exported.words)
        return cast("JsonValue", asdict(exported))

    def _study(
        self, study: str, file: ExportFile, exported: _Exported, tell: Callable[[int], None]
    ) -> Mapping[str, int]:
        """Add the objects of a study; return how many were, by SOP class."""
        written: Counter[str] = Counter()
        for stored in objects_of(self._frames, study):
            tell(exported.objects)
            uid = stored.sop_instance_uid
            try:
                with closing(self._frames.open(stored)) as reader:
                    file.add(f"{study}/{uid}.dcm", stored.size_bytes, _sound(stored, reader))
            except NotFoundError:
                exported.gone += 1
            except (BlobNotFoundError, IntegrityError) as error:
                exported.fail(uid, str(error))
            else:
                exported.objects += 1
                written[stored.sop_class_uid] += 1
        return written


def _sound(stored: StoredInstance, reader: BlobReader) -> Iterator[bytes]:
    """Yield the bytes of an object; IntegrityError at their end where they are not what was stored."""
    inspection = Inspection(stored)
    yield from inspected(pieces_of(reader), inspection)
    if inspection.fault:
        raise IntegrityError(inspection.fault)
