"""What nodes are to take and to bring, as jobs: a step for each study, so that who goes on begins with what is left.

Sending a study again, or bringing it again, changes nothing where it came already; so a step may be done twice.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, cast

from archimage.errors import NotFoundError, PeerFailedError
from archimage.model.jobs import Job, JsonValue
from archimage.model.peers import Transfer, Wanted
from archimage.ports.jobs import Jobs, Rules
from archimage.ports.jobs import Progress as JobProgress
from archimage.ports.peer import Peers
from archimage.services.chosen import Chosen, selected
from archimage.services.nodes import NodeService
from archimage.services.retrieve import RetrieveService

SEND: Final = "send"
MOVE: Final = "move"
"""What is left of a large C-MOVE; see `services.move_jobs`."""
RETRIEVE: Final = "retrieve"
RULES: Final = Rules(at_once=2, first_s=10.0, most_s=900.0, attempts=10)
_PROBLEMS: Final = 100
_NOT_TAKEN: Final = "Look at what is said of the first object; the receiver's log tells more."


@dataclass(slots=True)
class Reached:
    """How far a sending is: so many parts were sent, with so many objects, and what became of these."""

    parts: int = 0
    completed: int = 0
    warning: int = 0
    failed: int = 0
    remark: str = ""
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def done(self) -> int:
        """How many objects were tried."""
        return self.completed + self.warning + self.failed

    def add(self, transfer: Transfer) -> None:
        """Count one more part."""
        self.parts += 1
        self.completed += transfer.completed
        self.warning += transfer.warning
        self.failed += transfer.failed
        for uid, problem in transfer.problems.items():
            if len(self.problems) < _PROBLEMS:
                self.problems[uid] = problem

    def leave_out(self, why: str) -> None:
        """Note that a part is not there any more."""
        self.parts += 1
        self.remark = why

    def as_transfer(self) -> Transfer:
        """Return what became of all."""
        return Transfer("C-STORE", self.completed, self.warning, self.failed, self.remark, self.problems)


class PeerJobs:
    """Does the jobs."""

    def __init__(self, nodes: NodeService, peers: Peers, retrieve: RetrieveService, jobs: Jobs) -> None:
        self._nodes = nodes
        self._peers = peers
        self._retrieve = retrieve
        jobs.register(SEND, self.send, RULES)
        jobs.register(MOVE, self.send, RULES)
        jobs.register(RETRIEVE, self.bring, RULES)

    def send(self, job: Job, progress: JobProgress) -> JsonValue:
        """Send what is chosen to a node, part by part."""
        payload = cast("Mapping[str, Any]", job.payload)
        node = self._nodes.get(payload["node"])
        chosen = Chosen(*(tuple(payload[name]) for name in ("studies", "series", "instances")))
        reached = Reached(**cast("dict[str, Any]", job.reached or {}))
        total = int(payload["objects"])
        for part in list(chosen.parts())[reached.parts :]:
            progress.tell(reached.done, total)
            try:
                instances = selected(self._retrieve, part)
            except NotFoundError as error:
                reached.leave_out(str(error))
            else:
                transfer = self._peers.send(node, instances, _Within(progress, reached.done, total))
                if transfer.failed and transfer.remark:  # the association was lost on the way
                    raise PeerFailedError(transfer.remark)
                reached.add(transfer)
            progress.reach(cast("JsonValue", asdict(reached)))
        progress.tell(reached.done, total)
        if reached.failed and not reached.completed and not reached.warning:
            progress.reach(None)
            first = next(iter(reached.problems.values()), "")
            message = f"{node.ae_title} took none of {reached.failed} objects: {first}"
            raise PeerFailedError(message, next_step=_NOT_TAKEN)
        return told(reached.as_transfer())

    def bring(self, job: Job, progress: JobProgress) -> JsonValue:
        """Have a node send what is wanted."""
        payload = cast("Mapping[str, Any]", job.payload)
        wanted = Wanted(payload["study"], payload["series"], tuple(payload["instances"]))
        return told(self._peers.retrieve(self._nodes.get(payload["node"]), wanted, progress))


class _Within:
    """Implements `ports.peer.Progress`: that of a part, within the whole."""

    def __init__(self, progress: JobProgress, before: int, total: int) -> None:
        self._progress = progress
        self._before = before
        self._total = total

    def check(self) -> None:
        """Raise CancelledError if it is to end."""
        self._progress.check()

    def tell(self, done: int, total: int = 0, message: str = "") -> None:
        """Say how far the part is."""
        self._progress.tell(self._before + done, max(self._total, self._before + total), message)


def told(transfer: Transfer) -> JsonValue:
    """Return what became of a transfer as JSON."""
    return cast("JsonValue", asdict(transfer))
