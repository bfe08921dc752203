"""Moving studies to a tier that somebody names, as a job, with what moves them by rule (`services.retention`).

One process of an archive at a time moves studies; while another one does, or carries out the rules, the job waits. What
lies in the tier already is left alone, so an object is moved once however often the work is begun.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import count
from typing import Final, cast

from archimage.errors import CancelledError, HeldError, NotAcceptableError
from archimage.model.jobs import Job, JsonValue
from archimage.ports.jobs import Jobs, Progress, Rules
from archimage.services.frames import FrameService
from archimage.services.study_jobs import TIER, Tally, objects_of, reached_of, studies_of, total_of
from archimage.services.tiering import Look, Moved

_MB: Final = 1_000_000
_WAITS: Final = "waits until rules that are carried out, or another process that moves studies, have ended"

Move = Callable[[str, str, Look], Moved | None]
"""Moves what of a study is not in a tier, and calls look before each object; None while it is another's turn."""


@dataclass(slots=True)
class _Moved(Tally):
    """What became of the objects; size_bytes is of those that were moved, failed counts studies not wholly there."""

    moved: int = 0
    size_bytes: int = 0

    @property
    def words(self) -> str:
        """What came of it, for people."""
        words = f"{self.moved} moved, {self.size_bytes / _MB:.1f} MB"
        return f"{words}; {self.failed} studies are not wholly there" if self.failed else words


class TierJobs:
    """Does the jobs; tiers are the names of all, the hot one too."""

    def __init__(self, frames: FrameService, move: Move, tiers: Sequence[str], jobs: Jobs) -> None:
        self._frames = frames
        self._move = move
        self._tiers = tiers
        jobs.register(TIER, self.work, Rules(at_once=1))

    def work(self, job: Job, progress: Progress) -> JsonValue:
        """Move study by study."""
        tier = str(cast("dict[str, str]", job.payload)["to"])
        if tier not in self._tiers:
            raise NotAcceptableError(f"there is no tier {tier} any more")
        tally = _Moved(**reached_of(job))
        for study in studies_of(job)[tally.studies :]:
            if not self._study(study, tier, tally, self._counting(job, tally, progress)):
                progress.tell(tally.objects, max(total_of(job), tally.objects), _WAITS)
                raise CancelledError(_WAITS)  # which is no failed try, however long it takes
            tally.studies += 1
            progress.reach(cast("JsonValue", asdict(tally)))
        progress.tell(tally.objects, tally.objects, tally.words)
        return cast("JsonValue", asdict(tally))

    def _counting(self, job: Job, tally: _Moved, progress: Progress) -> Look:
        """Return what tells with each object of a study how far all is."""
        before = count(tally.objects)

        def look() -> None:
            done = next(before)
            progress.tell(done, max(total_of(job), done))

        return look

    def _study(self, study: str, tier: str, tally: _Moved, look: Look) -> bool:
        """Move one study, and count what became of it; tell whether it was our turn.

        Raises what has nothing to do with the study, such as a tier that is full or away: it is tried again later.
        """
        objects = len(objects_of(self._frames, study))
        try:
            moved = self._move(study, tier, look)
        except HeldError as error:
            tally.fail(study, str(error))
        else:
            if moved is None:
                return False
            tally.moved += moved.instances
            tally.size_bytes += moved.size_bytes
            if moved.problem:
                tally.fail(study, moved.problem)
        tally.objects += objects
        return True
