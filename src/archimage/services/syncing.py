"""Two archives compared, and what one lacks copied from the other.

Studies are compared by how many instances each side has of them; only of those that differ are the instances looked at.
A node that gives back more than one answer may hold is asked by ranges of study dates, halved until each fits.

Ref: PS3.4 §C.4.1 (C-FIND).
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, Literal, cast

from archimage.errors import ArchimageError, CancelledError, PeerFailedError
from archimage.model.attributes import BY_COLUMN, UNIQUE_KEYS, Level
from archimage.model.exchange import Comparison, Copied, Difference, Missing
from archimage.model.ids import is_uid
from archimage.model.jobs import Job, JsonValue, NewJob, Priority
from archimage.model.peers import Wanted
from archimage.model.query import Condition, Exact, Query, Range
from archimage.model.records import StoredInstance
from archimage.ports.index import Finding
from archimage.ports.jobs import Jobs, Progress
from archimage.ports.peer import Elsewhere
from archimage.ports.peer import Progress as PeerProgress
from archimage.services.prefetch import number

KIND: Final = "sync"
STUDY_KIND: Final = "sync-study"
PER_ANSWER: Final = 10_000
PER_RETRIEVAL: Final = 1_000
_FIRST: Final = date(1970, 1, 1)
_UNDATED: Final = (("StudyInstanceUID", ""), ("NumberOfStudyRelatedInstances", ""))
_KEYS: Final = (*_UNDATED, ("StudyDate", ""))

Direction = Literal["both", "push", "pull"]


@dataclass(frozen=True, slots=True)
class _Listed:
    """A study as one side lists it."""

    instances: int
    study_date: str


class SyncService:
    """Compares and copies; all of it blocks."""

    def __init__(
        self,
        index: Finding,
        archive: Callable[[str], Elsewhere],
        jobs: Jobs,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Compare with what archive returns by name; it raises NotFoundError where there is none."""
        self._index = index
        self._archive = archive
        self._jobs = jobs
        self._now = now

    def compare(self, name: str, progress: PeerProgress, *, days: int = 0, deep: bool = False) -> Comparison:
        """Compare the studies of the last days with those of another, or all; deep looks at every instance."""
        other = self._archive(name)
        today = datetime.fromtimestamp(self._now(), UTC).date()
        since = today - timedelta(days=days) if days else None
        there, remark = self._studies_there(other, since, today + timedelta(days=1), progress)
        here = self._studies_here(since)
        only_here, only_there, differing = [], [], []
        for uid in sorted(here.keys() | there.keys()):
            ours, theirs = here.get(uid), there.get(uid)
            difference = Difference(
                uid,
                ours.instances if ours else 0,
                theirs.instances if theirs else 0,
                (ours or theirs or _Listed(0, "")).study_date,
            )
            if theirs is None:
                only_here.append(difference)
            elif ours is None:
                only_there.append(difference)
            elif self._differs(other, difference, progress, deep=deep):
                differing.append(difference)
        same = len(here.keys() & there.keys()) - len(differing)
        return Comparison(
            name, len(here), len(there), same, tuple(only_here), tuple(only_there), tuple(differing), remark
        )

    def copy(self, name: str, study: str, direction: Direction, progress: PeerProgress) -> Copied:
        """Copy what either side lacks of a study; what does not work is told in the result."""
        other = self._archive(name)
        sent = fetched = 0
        problems: list[str] = []
        missing = self.missing(other, study)
        if direction != "pull" and missing.only_here:
            try:
                transfer = other.send(self._stored(study, set(missing.only_here)), progress)
                sent = transfer.completed + transfer.warning
                problems += list(transfer.problems.values())[:1]
            except CancelledError:
                raise
            except ArchimageError as error:
                problems.append(str(error))
        if direction != "push":
            for wanted in _retrievals(study, missing):
                try:
                    transfer = other.retrieve(wanted, progress)
                    fetched += transfer.completed + transfer.warning
                    problems += list(transfer.problems.values())[:1]
                except CancelledError:
                    raise
                except ArchimageError as error:
                    problems.append(str(error))
        return Copied(study, sent, fetched, "; ".join(dict.fromkeys(problems)))

    def missing(self, other: Elsewhere, study: str) -> Missing:
        """Compare the instances of a study."""
        theirs = self._instances_there(other, study)
        ours = {one.sop_instance_uid for one in self._stored(study)}
        if not ours and theirs:
            return Missing((), {"": tuple(sorted(set().union(*theirs.values())))})
        only_there: dict[str, tuple[str, ...]] = {}
        known = set()
        for series, uids in theirs.items():
            known |= uids
            if lacking := tuple(sorted(uids - ours)):
                only_there[series] = lacking
        return Missing(tuple(sorted(ours - known)), only_there)

    def schedule(self, name: str, *, days: int, direction: Direction) -> int:
        """Have an archive compared and copied by jobs; return the number of the first."""
        payload: JsonValue = {"days": days, "direction": direction}
        return self._jobs.submit(
            KIND, f"Compare with {name}", payload, destination=name, priority=Priority.LOW, key=name
        )

    def work(self, job: Job, progress: Progress) -> JsonValue:
        """Do a job of `schedule`: compare, and make a job of each study that differs."""
        payload = cast("Mapping[str, JsonValue]", job.payload)
        direction = cast("Direction", payload["direction"])
        found = self.compare(job.destination, progress, days=cast("int", payload["days"]))
        self._jobs.submit_all(
            [
                NewJob(
                    STUDY_KIND,
                    f"Copy study {one.study_instance_uid}",
                    {"study": one.study_instance_uid, "direction": direction},
                    destination=job.destination,
                    priority=Priority.LOW,
                    key=f"{job.destination}\n{one.study_instance_uid}",
                )
                for one in wanted(found, direction)
            ]
        )
        return cast("JsonValue", summary(found))

    def copy_work(self, job: Job, progress: Progress) -> JsonValue:
        """Do a job for one study."""
        payload = cast("Mapping[str, str]", job.payload)
        copied = self.copy(job.destination, payload["study"], cast("Direction", payload["direction"]), progress)
        if copied.problem:
            raise PeerFailedError(copied.problem)
        return {"sent": copied.sent, "fetched": copied.fetched}

    def _differs(self, other: Elsewhere, one: Difference, progress: PeerProgress, *, deep: bool) -> bool:
        if not deep and one.there >= 0:
            return one.here != one.there
        progress.check()
        missing = self.missing(other, one.study_instance_uid)
        return bool(missing.only_here or missing.only_there)

    def _studies_here(self, since: date | None) -> dict[str, _Listed]:
        dated = BY_COLUMN["study_date"]
        conditions = () if since is None else (Condition(dated, Range(f"{since:%Y%m%d}", None)),)
        query = Query(Level.STUDY, conditions, (dated, BY_COLUMN["number_of_study_related_instances"]))
        return {
            row["study_instance_uid"]: _Listed(
                number(row.get("number_of_study_related_instances")), row.get("study_date", "")
            )
            for page in self._index.find(query)
            for row in page
        }

    def _studies_there(
        self, other: Elsewhere, since: date | None, until: date, progress: PeerProgress
    ) -> tuple[dict[str, _Listed], str]:
        """List another's studies; the remark tells that those without a date may be missing."""
        found: dict[str, _Listed] = {}
        if since is None:
            matches = other.find("STUDY", _KEYS, PER_ANSWER)
            if matches.complete:
                _add(found, matches.rows)
                return found, ""
        remark = "" if since is not None else f"{other.name} has many studies: those without a date were not compared"
        spans = [(since or _FIRST, until)]
        while spans:
            first, last = spans.pop()
            progress.check()
            dated = (("StudyDate", f"{first:%Y%m%d}-{last:%Y%m%d}"), *_UNDATED)
            matches = other.find("STUDY", dated, PER_ANSWER)
            if matches.complete:
                _add(found, matches.rows)
            elif first < last:
                middle = first + (last - first) // 2
                spans += [(first, middle), (middle + timedelta(days=1), last)]
            else:
                _add(found, matches.rows)
                remark = f"{other.name} has too many studies of {first:%Y-%m-%d}: not all were compared"
        return found, remark

    def _instances_there(self, other: Elsewhere, study: str) -> dict[str, set[str]]:
        """Return the instances that another has of a study, by series."""
        keys = (("StudyInstanceUID", study), ("SeriesInstanceUID", ""))
        found: dict[str, set[str]] = {}
        for row in other.find("SERIES", keys, PER_ANSWER).rows:
            series = str(row.get("SeriesInstanceUID", ""))
            below = (("StudyInstanceUID", study), ("SeriesInstanceUID", series), ("SOPInstanceUID", ""))
            matches = other.find("IMAGE", below, 10 * PER_ANSWER)
            if not matches.complete:
                raise PeerFailedError(f"{other.name} has more instances of series {series} than are compared")
            found[series] = {str(one.get("SOPInstanceUID", "")) for one in matches.rows} - {""}
        return found

    def _stored(self, study: str, uids: set[str] | None = None) -> Sequence[StoredInstance]:
        query = Query(Level.STUDY, (Condition(UNIQUE_KEYS[Level.STUDY], Exact(study)),))
        pages = self._index.instances(query)
        return [one for page in pages for one in page if uids is None or one.sop_instance_uid in uids]


def wanted(found: Comparison, direction: Direction) -> Sequence[Difference]:
    """Return the studies of which something may have to be copied."""
    here = () if direction == "pull" else found.only_here
    there = () if direction == "push" else found.only_there
    return (*here, *there, *found.differing)


def summary(found: Comparison) -> dict[str, object]:
    """Return a comparison as counts."""
    return {
        "studies_here": found.studies_here,
        "studies_there": found.studies_there,
        "same": found.same,
        "only_here": len(found.only_here),
        "only_there": len(found.only_there),
        "differing": len(found.differing),
        "remark": found.remark,
    }


def _add(found: dict[str, _Listed], rows: Sequence[Mapping[str, object]]) -> None:
    for row in rows:
        uid = str(row.get("StudyInstanceUID", ""))
        if is_uid(uid):
            found[uid] = _Listed(number(row.get("NumberOfStudyRelatedInstances")), str(row.get("StudyDate", "")))


def _retrievals(study: str, missing: Missing) -> Iterator[Wanted]:
    """Yield what to ask for: a whole study at once, else few instances of each series."""
    if "" in missing.only_there:
        yield Wanted(study)
        return
    for series, uids in missing.only_there.items():
        for first in range(0, len(uids), PER_RETRIEVAL):
            yield Wanted(study, series, uids[first : first + PER_RETRIEVAL])
