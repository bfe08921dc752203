"""Reading studies again, and comparing them with what came, as a job: what is damaged is mended where there is a copy.

All objects are looked at in the order in which they came, some at a time; studies that are named one after the other.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Final, cast

from archimage.model.jobs import Job, JsonValue
from archimage.ports.backup import Copies
from archimage.ports.jobs import Jobs, Progress, Rules
from archimage.services.frames import FrameService
from archimage.services.scrub import Pace, Scrubbed, Scrubber
from archimage.services.study_jobs import VERIFY, Tally, objects_of, reached_of, studies_of, total_of

_PAGE: Final = 64  # objects

Scrub = tuple[Scrubber, Copies]


@dataclass(slots=True)
class _Verified(Tally):
    """What was found; failed counts what is not mended or not read, after is the row that was looked at last."""

    after: int = 0
    size_bytes: int = 0
    damaged: int = 0
    mended: int = 0
    unread: int = 0

    def add(self, seen: Scrubbed) -> None:
        """Count what was looked at."""
        self.objects += seen.objects
        self.size_bytes += seen.size_bytes
        self.damaged += seen.damaged
        self.mended += seen.mended
        self.unread += seen.unread
        self.failed = self.damaged - self.mended + self.unread
        for path, fault in seen.faults:
            self.note(path, fault)
        for tier, reason in seen.away.items():
            self.note(f"tier {tier}", reason)

    @property
    def words(self) -> str:
        """What came of it, for people."""
        words = f"{self.objects} read, all as they came"
        if self.damaged:
            words = f"{self.objects} read, {self.damaged} damaged, {self.mended} of them mended"
        return f"{words}; {self.unread} not read: a tier is away" if self.unread else words


class _Checking(Pace):
    """Ends the reading as soon as the job is to end; keeps nobody down."""

    def __init__(self, check: Callable[[], None]) -> None:
        super().__init__(0, lambda _: False)
        self._check = check

    def took(self, size_bytes: int) -> None:  # noqa: ARG002
        """Look whether the job is to go on."""
        self._check()


class VerifyJobs:
    """Does the jobs; scrub makes what looks at objects, and tells where copies are."""

    def __init__(self, frames: FrameService, scrub: Callable[[], Scrub], jobs: Jobs) -> None:
        self._frames = frames
        self._scrub = scrub
        jobs.register(VERIFY, self.work, Rules(at_once=1))

    def work(self, job: Job, progress: Progress) -> JsonValue:
        """Look at all objects that are meant."""
        look = self._studies if studies_of(job) else self._all
        verified = look(job, _Checking(progress.check), progress)
        progress.tell(verified.objects, verified.objects, verified.words)
        return _kept(verified)

    def _studies(self, job: Job, pace: Pace, progress: Progress) -> _Verified:
        verified = _Verified(**reached_of(job))
        scrubber, copies = self._scrub()
        for study in studies_of(job)[verified.studies :]:
            objects = objects_of(self._frames, study)
            for first in range(0, len(objects), _PAGE):
                progress.tell(verified.objects, max(total_of(job), verified.objects))
                verified.add(scrubber.check(objects[first : first + _PAGE], copies, pace))
            verified.studies += 1
            progress.reach(_kept(verified))
        return verified

    def _all(self, job: Job, pace: Pace, progress: Progress) -> _Verified:
        verified = _Verified(**reached_of(job))
        scrubber, copies = self._scrub()
        before = asdict(verified)
        for seen in scrubber.run(copies, pace, verified.after):
            verified = _Verified(**before)  # what is seen grows
            verified.add(seen)
            verified.after = seen.after
            progress.tell(verified.objects, max(total_of(job), verified.objects))
            progress.reach(_kept(verified))
        return verified


def _kept(verified: _Verified) -> JsonValue:
    return cast("JsonValue", asdict(verified))
