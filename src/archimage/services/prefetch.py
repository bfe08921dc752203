"""A patient's earlier studies, fetched from other nodes before somebody asks for them.

An entry of the worklist, or the first object of a study (`prefetch_arrivals`), makes a job for each node: it asks the
node for the patient's studies, chooses among them by the settings, and retrieves those that are not here, or not in
full. Done again it finds all of them here.

Ref: PS3.4 §C.4.1 (C-FIND), §C.4.2 (C-MOVE), §C.4.3 (C-GET).
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, cast

from archimage.config_routing import PrefetchConfig
from archimage.model.exchange import Reason
from archimage.model.ids import is_uid
from archimage.model.jobs import Job, JsonValue, NewJob, Priority
from archimage.model.nodes import Node
from archimage.model.peers import Wanted
from archimage.ports.jobs import Jobs, Progress
from archimage.ports.peer import Peers

KIND: Final = "prefetch"
CANDIDATES: Final = 1_000
_SPECIAL: Final = frozenset("*?\\")


@dataclass(frozen=True, slots=True)
class Prior:
    """A study that a node has of a patient."""

    study_instance_uid: str
    study_date: str
    modalities: tuple[str, ...]
    instances: int


class Prefetching:
    """Makes jobs, and does them; safe to call from any thread.

    instances_here returns how many instances of a study are kept.
    """

    def __init__(
        self,
        settings: PrefetchConfig,
        jobs: Jobs,
        node: Callable[[str], Node],
        peers: Peers,
        instances_here: Callable[[str], int],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._jobs = jobs
        self._node = node
        self._peers = peers
        self._instances_here = instances_here
        self._now = now

    def scheduled(self, reason: Reason) -> None:
        """Have studies fetched for an entry of the worklist; durable when this returns."""
        if "worklist" in self._settings.on:
            self.want(reason)

    def want(self, reason: Reason) -> None:
        """Have a patient's earlier studies fetched from every node; nobody without an ID has any."""
        if not reason.patient_id or _SPECIAL & set(reason.patient_id):
            return
        payload: JsonValue = {
            "patient": reason.patient_id,
            "study": reason.study_instance_uid,
            "body_part": reason.body_part,
        }
        self._jobs.submit_all(
            [
                NewJob(
                    KIND,
                    f"Earlier studies from {ae_title}",
                    payload,
                    destination=ae_title,
                    priority=Priority.HIGH,
                    key=f"{ae_title}\n{reason.patient_id}\n{reason.study_instance_uid}",
                )
                for ae_title in self._settings.nodes
            ]
        )

    def work(self, job: Job, progress: Progress) -> JsonValue:
        """Do a job: fetch from one node what is chosen and not here."""
        payload = cast("Mapping[str, str]", job.payload)
        reason = Reason(payload["patient"], payload["study"], payload["body_part"])
        node = self._node(job.destination)
        chosen = self.choose(node, reason)
        fetched: list[JsonValue] = []
        for done, prior in enumerate(chosen):
            progress.tell(done, len(chosen))
            if self._lacks(prior):
                self._peers.retrieve(node, Wanted(prior.study_instance_uid), _Part(progress))
                fetched.append(prior.study_instance_uid)
        progress.tell(len(chosen), len(chosen))
        return {"found": len(chosen), "fetched": fetched}

    def choose(self, node: Node, reason: Reason) -> Sequence[Prior]:
        """Ask a node for a patient's studies, and return those that the settings want, the newest first."""
        keys = (
            ("PatientID", reason.patient_id), ("StudyInstanceUID", ""), ("StudyDate", ""), ("ModalitiesInStudy", ""),
            ("NumberOfStudyRelatedInstances", ""),
        )  # fmt: skip
        found = self._peers.find(node, "STUDY", keys, CANDIDATES)
        theirs = [row for row in found.rows if row.get("PatientID", reason.patient_id) == reason.patient_id]
        priors = sorted(map(_prior, theirs), key=lambda prior: prior.study_date, reverse=True)
        wanted = (prior for prior in priors if self._is_wanted(prior, reason))
        return list(self._first(node, wanted, reason))

    def _first(self, node: Node, priors: Iterator[Prior], reason: Reason) -> Iterator[Prior]:
        """Yield as many as are fetched; which part of the body they show is asked for one by one."""
        left = self._settings.studies
        for prior in priors:
            if not left:
                return
            if self._shows(node, prior, reason.body_part):
                left -= 1
                yield prior

    def _is_wanted(self, prior: Prior, reason: Reason) -> bool:
        settings = self._settings
        if not is_uid(prior.study_instance_uid) or prior.study_instance_uid == reason.study_instance_uid:
            return False
        oldest = datetime.fromtimestamp(self._now(), UTC) - timedelta(days=settings.age_days)
        if prior.study_date and prior.study_date < f"{oldest:%Y%m%d}":
            return False
        return (
            not settings.modalities or not prior.modalities or not {*settings.modalities}.isdisjoint(prior.modalities)
        )

    def _shows(self, node: Node, prior: Prior, body_part: str) -> bool:
        """Tell whether a study shows a part of the body; where one side does not tell, it may."""
        if not self._settings.same_body_part or not body_part:
            return True
        keys = (("StudyInstanceUID", prior.study_instance_uid), ("SeriesInstanceUID", ""), ("BodyPartExamined", ""))
        rows = self._peers.find(node, "SERIES", keys, CANDIDATES).rows
        parts = {str(row.get("BodyPartExamined", "")).upper() for row in rows} - {""}
        return not parts or body_part.upper() in parts

    def _lacks(self, prior: Prior) -> bool:
        here = self._instances_here(prior.study_instance_uid)
        return not here or here < prior.instances


class _Part:
    """Progress of one retrieval of several, told by its message alone. Implements `ports.peer.Progress`."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def check(self) -> None:
        """Raise CancelledError if it is to end."""
        self._progress.check()

    def tell(self, done: int, total: int = 0, message: str = "") -> None:  # noqa: ARG002 - counts of studies stay
        """Raise what `check` raises."""
        self._progress.check()


def _prior(row: Mapping[str, object]) -> Prior:
    modalities = row.get("ModalitiesInStudy", "")
    return Prior(
        str(row.get("StudyInstanceUID", "")),
        str(row.get("StudyDate", "")),
        tuple(map(str, modalities)) if isinstance(modalities, list) else tuple(filter(None, (str(modalities),))),
        number(row.get("NumberOfStudyRelatedInstances")),
    )


def number(value: object) -> int:
    """Read a count that a node tells; -1 where it tells none."""
    with suppress(ValueError):
        return int(str(value))
    return -1
