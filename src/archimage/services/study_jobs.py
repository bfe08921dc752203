"""What people ask to be done with whole studies that are kept here, as jobs: compress, verify, export and move them.

Each does its work study by study, keeps how far it is after every one, and leaves out what was done before.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from archimage.errors import InvalidQueryError, NotAcceptableError, NotFoundError
from archimage.model.ids import check_uid
from archimage.model.jobs import Job, JsonValue, Priority
from archimage.model.records import StoredInstance
from archimage.model.tasks import Task
from archimage.services.compression_rules import TARGETS
from archimage.services.frames import FrameService
from archimage.services.jobs import JobService
from archimage.services.visible import VisibleIndex

COMPRESS: Final = "compress"
VERIFY: Final = "verify"
EXPORT: Final = "export"
TIER: Final = "tier"
MAX_STUDIES: Final = 1_000
PROBLEMS: Final = 100
"""So many objects are named with what went wrong."""


@dataclass(slots=True)
class Tally:
    """How far such a job is: so many studies are behind it, and what became of their objects."""

    studies: int = 0
    objects: int = 0
    failed: int = 0
    gone: int = 0
    problems: dict[str, str] = field(default_factory=dict)

    def fail(self, name: str, why: str) -> None:
        """Count an object with which it did not work."""
        self.failed += 1
        self.note(name, why)

    def note(self, name: str, why: str) -> None:
        """Name an object with what is to be said of it."""
        if len(self.problems) < PROBLEMS:
            self.problems[name] = why


def studies_of(job: Job) -> Sequence[str]:
    """Return the studies that a job is about."""
    return tuple(cast("Mapping[str, Any]", job.payload)["studies"])


def total_of(job: Job) -> int:
    """Return how many objects they had when it was asked for."""
    return int(cast("Mapping[str, Any]", job.payload)["objects"])


def reached_of(job: Job) -> dict[str, Any]:
    """Return what a job has kept of how far it is."""
    return cast("dict[str, Any]", job.reached or {})


def objects_of(frames: FrameService, study_instance_uid: str) -> Sequence[StoredInstance]:
    """Return the objects of a study; none where it was removed meanwhile."""
    try:
        return frames.instances(study_instance_uid)
    except NotFoundError:
        return ()


class StudyJobs:
    """Takes such jobs; all of it blocks. told hears of each."""

    def __init__(
        self,
        jobs: JobService,
        visible: VisibleIndex,
        frames: FrameService,
        check_held: Callable[..., None],
        everything: Callable[[], int],
    ) -> None:
        """check_held raises where one of some studies is on legal hold; everything counts all objects."""
        self._jobs = jobs
        self._visible = visible
        self._frames = frames
        self._check_held = check_held
        self._everything = everything
        self.tiers: Sequence[str] = ()
        """The names of all tiers, the hot one too; none where there is no other."""
        self.told: Callable[[Job], None] = lambda _: None

    def compress(self, studies: Sequence[str], to: str) -> Task:
        """Have studies compressed without loss, to a name of `TARGETS`.

        Raises:
            NotAcceptableError: it is none of these.
            HeldError: a study is on legal hold.
            NotFoundError, NotAuthorisedError, InvalidInstanceUIDError, InvalidQueryError: of a study that is named.
        """
        if not TARGETS.get(to):
            known = ", ".join(name for name, syntax in TARGETS.items() if syntax)
            raise NotAcceptableError(f"{to!r} is nothing to compress to: one of {known} is")
        payload = self._payload(studies)
        self._check_held(*studies)
        title = f"Compress {payload['objects']} objects to {to}"
        return self._begin(COMPRESS, title, {**payload, "to": TARGETS[to]})

    def verify(self, studies: Sequence[str] = ()) -> Task:
        """Have every object of studies read again and compared with what came; without any, of all there are.

        Raises:
            NotFoundError, NotAuthorisedError, InvalidInstanceUIDError: of a study that is named.
        """
        payload: Mapping[str, JsonValue] = (
            self._payload(studies) if studies else {"studies": [], "objects": self._everything()}
        )
        what = f"{payload['objects']} objects" if studies else "every stored object"
        return self._begin(VERIFY, f"Verify {what}", payload, Priority.HIGH if studies else Priority.NORMAL)

    def export(self, studies: Sequence[str]) -> Task:
        """Have studies written into one ZIP archive, which is there for a while.

        Raises:
            NotFoundError, NotAuthorisedError, InvalidInstanceUIDError, InvalidQueryError: of a study that is named.
        """
        payload = self._payload(studies)
        return self._begin(EXPORT, f"Export {payload['objects']} objects", payload)

    def tier(self, studies: Sequence[str], to: str) -> Task:
        """Have studies moved to a tier, whatever the rules say.

        Raises:
            NotAcceptableError: there is no such tier.
            HeldError: a study is on legal hold, and stays where it is.
            NotFoundError, NotAuthorisedError, InvalidInstanceUIDError, InvalidQueryError: of a study that is named.
        """
        if to not in self.tiers:
            known = f"there are {', '.join(self.tiers)}" if self.tiers else "the settings name none ([tiers])"
            raise NotAcceptableError(f"{to!r} is no tier: {known}")
        payload = self._payload(studies)
        self._check_held(*studies)
        return self._begin(TIER, f"Move {payload['objects']} objects to tier {to}", {**payload, "to": to})

    def _payload(self, studies: Sequence[str]) -> dict[str, JsonValue]:
        """Look whether all of these may be worked on; return what the job is given."""
        named = tuple(dict.fromkeys(map(check_uid, studies)))
        if not named or len(named) > MAX_STUDIES:
            raise InvalidQueryError(f"1 to {MAX_STUDIES} studies are named at once; these are {len(named)}")
        for uid in named:
            self._visible.check_study(uid)
        return {"studies": list(named), "objects": sum(len(self._frames.instances(uid)) for uid in named)}

    def _begin(
        self, kind: str, title: str, payload: Mapping[str, JsonValue], priority: Priority = Priority.HIGH
    ) -> Task:
        job = self._jobs.get(self._jobs.submit(kind, title, payload, priority=priority))
        self.told(job)
        return job.as_task()
