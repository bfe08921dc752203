"""Large C-MOVEs, kept as jobs while an association does them, so that the rest is sent though the archive dies.

Such a job is held from its beginning by the process that serves the C-MOVE, and ends with it. Only when that process is
no more, is about to stop, or has lost the association to the destination on the way, the job waits like any other, and
sends the studies that were not sent whole. So objects may be sent twice, and none is left out.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Final, cast

from archimage.errors import CancelledError
from archimage.model.attributes import UNIQUE_KEYS, Level
from archimage.model.jobs import JobState, JsonValue, NewJob, Priority
from archimage.model.peers import Transfer
from archimage.model.records import StoredInstance
from archimage.ports.jobs import End
from archimage.services.audit_subjects import Finds, studies_of
from archimage.services.chosen import Chosen
from archimage.services.identifiers import Identifier
from archimage.services.job_progress import WorkProgress, left, succeeded, wait_s
from archimage.services.jobs import JobService
from archimage.services.peer_jobs import MOVE, RULES, Reached, told
from archimage.services.retrieve import Tally

_WAITS_S: Final = 60.0
"""How long it waits before anybody else takes it that a C-MOVE has kept and not begun."""
_BROKEN_NEXT: Final = "Look whether the destination works; what was not sent is sent again by itself."


class Move:
    """One C-MOVE that is kept; `keep` and `end` block.

    instances are what is to be sent, a study after the other.
    """

    def __init__(
        self, jobs: JobService, progress: WorkProgress, instances: Sequence[StoredInstance], ends: Sequence[int]
    ) -> None:
        """ends tells of each part how many instances are behind its end."""
        self.instances = instances
        self._jobs = jobs
        self._progress = progress
        self._ends = ends
        self._parts = 0

    @property
    def is_wanted(self) -> bool:
        """Whether the sending is to go on: nobody has cancelled or paused the job."""
        return not self._progress.is_ended

    def told(self, tally: Tally) -> bool:
        """Say how far it is; tell whether there is something to `keep`."""
        done = len(self.instances) - tally.remaining
        with suppress(CancelledError):  # `is_wanted` tells
            self._progress.tell(done, len(self.instances))
        return self._parts < len(self._ends) and done >= self._ends[self._parts]

    def keep(self, tally: Tally) -> None:
        """Keep which studies are sent."""
        done = len(self.instances) - tally.remaining
        self._parts = sum(end <= done for end in self._ends)
        reached = Reached(self._parts, tally.completed, tally.warning, tally.failed)
        with suppress(CancelledError):
            self._progress.reach(cast("JsonValue", asdict(reached)))

    def end(self, tally: Tally, failure: str, *, cancelled: bool) -> None:
        """Note how it ended: the job ends with it, unless something is left that is to be sent."""
        progress, now = self._progress, self._jobs.now()
        if cancelled:
            end = left(progress, now) if self._jobs.is_leaving else _cancelled(progress, now)
        elif failure and (tally.completed or tally.warning):
            due = now + wait_s(RULES, progress.job.attempts)
            attempts = progress.job.attempts
            end = End(JobState.WAITING, None, attempts, progress.steps, due, error=failure, next=_BROKEN_NEXT)
        else:
            transfer = Transfer("C-MOVE", tally.completed, tally.warning, tally.failed, failure)
            end = succeeded(progress, told(transfer), now)
        self._jobs.worker.settle(progress, end)


class MoveJobs:
    """Keeps C-MOVEs of so many instances or more."""

    def __init__(self, jobs: JobService, index: Finds, least: int) -> None:
        self._jobs = jobs
        self._index = index
        self._least = least

    def begin(self, destination: str, identifier: Identifier, instances: Sequence[StoredInstance]) -> Move | None:
        """Keep a C-MOVE, durably, before its first instance is sent; None where it is not large. Blocks."""
        if len(instances) < self._least:
            return None
        chosen, ordered, ends = self._parts(identifier, instances)
        payload: dict[str, JsonValue] = {
            "node": destination,
            "studies": list(chosen.studies),
            "series": [],
            "instances": list(chosen.instances),
            "objects": len(instances),
        }
        title = f"C-MOVE of {len(instances)} objects to {destination}"
        (number,) = self._jobs.submit_all([NewJob(MOVE, title, payload, destination, Priority.HIGH, after_s=_WAITS_S)])
        progress = self._jobs.worker.hold(number)
        return None if progress is None else Move(self._jobs, progress, ordered, ends)

    def _parts(
        self, identifier: Identifier, instances: Sequence[StoredInstance]
    ) -> tuple[Chosen, Sequence[StoredInstance], Sequence[int]]:
        """Return what is chosen, its instances study by study, and where each study ends; or all of it as one part."""
        by_uid = {instance.sop_instance_uid: instance for instance in instances}
        whole = identifier.level in {Level.PATIENT, Level.STUDY}
        studies = studies_of(self._index, _uids(identifier)) if whole else {}
        if {uid for uids in studies.values() for uid in uids} != by_uid.keys():
            return Chosen(instances=tuple(by_uid)), instances, [len(instances)]
        ordered = [by_uid[uid] for uids in studies.values() for uid in uids]
        ends, end = [], 0
        for uids in studies.values():
            end += len(uids)
            ends.append(end)
        return Chosen(studies=tuple(studies)), ordered, ends


def _uids(identifier: Identifier) -> Mapping[Level, tuple[str, ...]]:
    """Return the unique keys of an identifier."""
    values = {key.tag: key.value for key in identifier.keys}
    above = [level for level in Level if level.depth <= identifier.level.depth]
    found = {level: values.get(UNIQUE_KEYS[level].tag, "") for level in above}
    return {level: tuple(text.split("\\")) for level, text in found.items() if text}


def _cancelled(progress: WorkProgress, now: float) -> End:
    return End(JobState.CANCELLED, now, progress.job.attempts, progress.steps)
