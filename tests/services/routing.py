"""Routing on a real archive, with jobs that are done when a test says so and nodes that take what it says."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, cast

from archimage.config_routing import RoutingConfig
from archimage.errors import ArchimageError, NotFoundError, PeerFailedError
from archimage.index.deliveries import DeliveryTable
from archimage.index.labels import LabelTable
from archimage.index.routing import RoutedTable, RoutingArrivals
from archimage.model.events import InstanceStored
from archimage.model.jobs import Job, JobState, JsonValue, NewJob
from archimage.model.nodes import Node
from archimage.model.peers import Echo, Matches, Transfer, Wanted
from archimage.model.projects import Purpose
from archimage.model.records import StoredInstance
from archimage.ports.jobs import Handler, Rules, Timer
from archimage.ports.peer import Progress
from archimage.services.deliveries import DeliveryService
from archimage.services.events import EventHub
from archimage.services.labels import LabelService
from archimage.services.routing import KIND, Router, Tools
from archimage.services.routing_rules import rules_of
from archimage.services.routing_subjects import Subjects
from archimage.services.routing_work import Doing, RoutingWork
from archimage.services.visible import VisibleIndex
from tests.attacks.datasets import STUDY_INSTANCE_UID, dataset
from tests.services.parts import Parts, expected

START = 1_700_000_000.0
STUDY = "1.2.826.0.1.3680043.8.499.1"


class Sink:
    """Nodes that note what they are sent. Implements `ports.peer.Peers`."""

    def __init__(self) -> None:
        self.sent: list[tuple[Node, tuple[str, ...]]] = []
        self.refuses: set[str] = set()
        self.is_down = False
        self.kept: dict[str, list[Mapping[str, object]]] = {}
        self.retrieved: list[Wanted] = []
        self.asked: list[Mapping[str, str]] = []

    @property
    def uids(self) -> list[str]:
        """Everything that was sent, in its order."""
        return [uid for _, uids in self.sent for uid in uids]

    def send(self, node: Node, instances: Sequence[StoredInstance], progress: Progress) -> Transfer:
        """Take what is not refused."""
        progress.check()
        if self.is_down:
            raise PeerFailedError(f"{node} is down")
        uids = tuple(one.sop_instance_uid for one in instances)
        self.sent.append((node, uids))
        failed = tuple(uid for uid in uids if uid in self.refuses)
        return Transfer("C-STORE", len(uids) - len(failed), 0, len(failed), "", dict.fromkeys(failed, "no"), failed)

    def echo(self, node: Node) -> Echo:
        """Say nothing."""
        raise NotFoundError(str(node))

    def find(self, node: Node, level: str, keys: Sequence[tuple[str, str]], limit: int) -> Matches:  # noqa: ARG002
        """Return what is kept, by level."""
        self.asked.append(dict(keys))
        rows = [
            row
            for row in self.kept.get(level, [])
            if all(_meets(str(row.get(name, "")), value) for name, value in keys if value)
        ]
        return Matches(level, rows[:limit], len(rows) <= limit)

    def retrieve(self, node: Node, wanted: Wanted, progress: Progress) -> Transfer:  # noqa: ARG002
        """Note what is retrieved."""
        progress.check()
        self.retrieved.append(wanted)
        return Transfer("C-GET", 1, 0, 0)

    def close(self) -> None:
        """Do nothing."""


def _meets(value: str, key: str) -> bool:
    low, dash, high = key.partition("-")
    return low <= value <= (high or "9") if dash else value == key


class NotedJobs:
    """Jobs that are done once `run` is called. Implements `ports.jobs.Jobs`."""

    def __init__(self) -> None:
        self.handlers: dict[str, Handler] = {}
        self.jobs: list[Job] = []

    def register(self, kind: str, handler: Handler, rules: Rules | None = None) -> None:  # noqa: ARG002
        """Note who does a kind."""
        self.handlers[kind] = handler

    def every(self, name: str, cron: str, timer: Timer) -> None:
        """Do nothing by itself."""

    def submit(
        self,
        kind: str,
        title: str,
        payload: JsonValue = None,
        *,
        destination: str = "",
        priority: int = 5,
        key: str = "",
    ) -> int:
        """Keep a job unless there is one of its key."""
        for job in self.jobs:
            if key and (job.kind, job.key) == (kind, key) and not job.state.ended:
                return job.id
        number = len(self.jobs) + 1
        self.jobs.append(Job(number, kind, title, payload, destination, priority, key, JobState.WAITING, 0, 0))
        return number

    def submit_all(self, jobs: Sequence[NewJob]) -> Sequence[int]:
        """Keep several."""
        return [self.submit(job.kind, job.title, job.payload, destination=job.destination, key=job.key) for job in jobs]

    @property
    def waiting(self) -> list[Job]:
        """Those that are to be done."""
        return [job for job in self.jobs if job.state is JobState.WAITING]

    def run(self, during: Callable[[], None] | None = None) -> list[ArchimageError]:
        """Try all that wait once; return what failed, and is tried again the next time."""
        failures = []
        for waiting in self.waiting:
            job = replace(waiting, state=JobState.RUNNING, attempts=waiting.attempts + 1)
            self.jobs[job.id - 1] = job
            progress = _Kept(self, job.id)
            try:
                result = self.handlers[job.kind](job, progress)
                if during is not None:
                    during()
                self.jobs[job.id - 1] = replace(self.jobs[job.id - 1], state=JobState.DONE, result=result)
            except ArchimageError as error:
                self.jobs[job.id - 1] = replace(self.jobs[job.id - 1], state=JobState.WAITING)
                failures.append(error)
        return failures


class _Kept:
    """Implements `ports.jobs.Progress`."""

    def __init__(self, jobs: NotedJobs, number: int) -> None:
        self._jobs, self._number = jobs, number

    def check(self) -> None:
        """Let it go on."""

    def tell(self, done: int, total: int = 0, message: str = "") -> None:
        """Let it go on."""

    def reach(self, reached: JsonValue) -> None:
        """Keep it."""
        self._jobs.jobs[self._number - 1] = replace(self._jobs.jobs[self._number - 1], reached=reached)


@dataclass
class Site:
    """One archive that routes, and its clock."""

    parts: Parts
    settings: RoutingConfig
    now: float = START
    sink: Sink = field(default_factory=Sink)
    jobs: NotedJobs = field(default_factory=NotedJobs)
    stowed: list[tuple[str, tuple[str, ...], Purpose | None, str]] = field(default_factory=list)
    plugged: list[tuple[str, str, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make the parts."""
        index, blobs = self.parts.index, self.parts.blobs
        arrivals = RoutingArrivals(index)
        self.routed = RoutedTable(index)
        self.subjects = Subjects(arrivals, blobs)
        self.deliveries = DeliveryService(DeliveryTable(index), lambda: self.now)
        self.labels = LabelService(LabelTable(index), EventHub(), VisibleIndex(index))
        rules = rules_of(self.settings)
        doing = Doing(
            lambda title: Node(title, "127.0.0.1", 1),
            self.sink,
            self._stow,
            self.labels,
            self.deliveries,
            ThreadPoolExecutor(2),
            2,
            lambda name, _rule, study, found: self.plugged.append((name, study, len(found))),
        )
        self.work = RoutingWork(rules, self.subjects, self.routed, doing, 3, lambda: self.now)
        self.router = Router(
            Tools(arrivals, self.routed, self.subjects, self.jobs), rules, self.settings.gather_s, lambda: self.now
        )
        self.work.again = self.router.again
        self.jobs.register(KIND, self.work)

    def _stow(
        self,
        address: str,
        instances: Sequence[StoredInstance],
        purpose: Purpose | None,
        transfer_syntax_uid: str,
        sent: Callable[[int], None],
    ) -> Mapping[str, str]:
        sent(len(instances))
        self.stowed.append((address, tuple(one.sop_instance_uid for one in instances), purpose, transfer_syntax_uid))
        return {}

    def restarted(self) -> "Site":
        """Return the archive as a new process has it, which remembers nothing; jobs have outlasted."""
        return Site(self.parts, self.settings, self.now, self.sink, self.jobs)

    def store(self, *uids: str, study: str = STUDY, heard: bool = True, **replaced: str) -> None:
        """Store objects that come now."""
        for uid in uids:
            values = {STUDY_INSTANCE_UID: study.encode()} | {
                int(tag[1:], 16): value.encode() for tag, value in replaced.items()
            }
            outcome = self.parts.service.store(expected(uid), [dataset(uid, replaced=values)])
            record = replace(outcome.record, received_at=self.now)
            with self.parts.index.transaction() as cursor:
                cursor.execute(
                    "UPDATE instance SET received_at = :at WHERE sop_instance_uid = :uid", {"at": self.now, "uid": uid}
                )
            if heard:
                self.router.hear(InstanceStored(record, replaced=False))

    def passes(self, seconds: float, step_s: float = 0.5) -> None:
        """Let time pass, and the router look in steps."""
        end = self.now + seconds
        while self.now < end:
            self.router.step()
            self.now = min(end, self.now + step_s)
        self.router.step()


def rule(**settings: Any) -> RoutingConfig:
    """Return settings of one rule."""
    return RoutingConfig(rule=cast("Any", ({"name": "one", "actions": "send:NODE", **settings},)), quiet_s=10)
