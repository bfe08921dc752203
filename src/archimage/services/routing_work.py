"""What a rule does for a study: its actions, one after the other, as a durable job.

A job does what came beyond the mark of the rule, and moves the mark once all actions have succeeded. What it has
reached in between, it keeps with itself: the action, up to which instance, and which of those before were not taken.
So a process that dies leaves at most a part of a batch to be sent twice, and nothing unsent.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from typing import Any, Final, cast

import orjson

from archimage.errors import ArchimageError, CancelledError, NotFoundError, PeerFailedError
from archimage.model.jobs import Job, JsonValue
from archimage.model.nodes import Node
from archimage.model.projects import Purpose
from archimage.model.records import StoredInstance
from archimage.model.routing import SHAPING, Action, ActionKind, Arrived, Mark, Rule
from archimage.ports.jobs import Progress
from archimage.ports.peer import Peers
from archimage.ports.routing import RoutedStudies, Stow
from archimage.services.deliveries import DeliveryService
from archimage.services.job_progress import is_final
from archimage.services.labels import LabelService
from archimage.services.routing_subjects import Subjects

NOTICE: Final = "routing-notice"
"""Kind of the deliveries that notifications are."""
BATCH: Final = 1_000
"""Instances that are sent before it is kept how far a job is."""
_LEAST: Final = 8
"""Instances that are worth an association of their own."""
_PATIENT: Final = ("patient_id", "issuer_of_patient_id", "patient_name", "accession_number")

RunPlugin = Callable[[str, Rule, str, Sequence[StoredInstance]], None]
"""Runs a plugin's hook, by the plugin's name, for a rule, a study and those of its instances that came."""


def no_plugins(name: str, _rule: Rule, _study: str, _instances: Sequence[StoredInstance]) -> None:
    """Refuse; for archives without plugins."""
    raise NotFoundError(f"no plugin {name!r} is there")


@dataclass(frozen=True, slots=True)
class Doing:
    """What actions are done with; associations are those over which one job sends at once, in threads of executor."""

    node: Callable[[str], Node]
    peers: Peers
    stow: Stow
    labels: LabelService
    deliveries: DeliveryService
    executor: Executor
    associations: int
    plugin: RunPlugin = no_plugins
    tells_patients: bool = False


@dataclass(slots=True)
class _Run:
    """One job at work: what it deals with, in which form things are sent now, and how far it is."""

    rule: Rule
    study: str
    progress: Progress
    wanted: Sequence[Arrived]
    mark: Mark
    step: int = 0
    number: int = 0
    left: frozenset[str] = frozenset()
    project: str = ""
    transfer_syntax_uid: str = ""
    done: list[str] = field(default_factory=list)

    @property
    def purpose(self) -> Purpose | None:
        """What instances are de-identified for, if for anything."""
        return Purpose(self.project) if self.project else None

    def todo(self) -> list[Arrived]:
        """Return what the action at hand has still to deal with."""
        return [one for one in self.wanted if one.number > self.number or one.stored.sop_instance_uid in self.left]

    def reach(self, step: int, number: int, left: Sequence[str] = ()) -> None:
        """Keep how far it is."""
        self.step, self.number, self.left = step, number, frozenset(left)
        through: list[JsonValue] = [self.mark.number, self.mark.received_at]
        self.progress.reach({"step": step, "number": number, "left": [*left], "through": through})


class _NotAllTakenError(PeerFailedError):
    """Some objects were not taken, the others were."""


class RoutingWork:
    """Does the jobs of rules; safe to call from several threads."""

    def __init__(
        self,
        rules: Sequence[Rule],
        subjects: Subjects,
        routed: RoutedStudies,
        doing: Doing,
        attempts: int,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Do rules; after so many attempts what a receiver has not taken of a study is left out."""
        self.rules = tuple(rules)
        self._attempts = attempts
        self.again: Callable[[str, str], None] = lambda _rule, _study: None
        """Hears that a job has ended well, and that more may have come meanwhile."""
        self._subjects = subjects
        self._routed = routed
        self._doing = doing
        self._now = now

    def __call__(self, job: Job, progress: Progress) -> JsonValue:
        """Do a job: all that came of a study beyond the mark of a rule."""
        payload = _payload(job)
        rule = next((rule for rule in self.rules if rule.name == payload["rule"]), None)
        if rule is None:
            raise NotFoundError(f"there is no rule {payload['rule']!r} any more")
        study, sent = payload["study"], 0
        reached = cast("Mapping[str, Any]", job.reached or {})
        try:
            while (count := self._do_next(job, rule, progress, reached)) is not None:
                sent, reached = sent + count, {}
                if rule.on_study:
                    break  # what came meanwhile has its own quiet time
        except CancelledError:
            raise
        except ArchimageError as error:
            state = "failed" if is_final(error) or job.attempts >= self._attempts else "failing"
            self._routed.tell(rule.name, study, state, str(error), self._now())
            raise
        self.again(rule.name, study)
        return {"instances": sent}

    def _do_next(self, job: Job, rule: Rule, progress: Progress, reached: Mapping[str, Any]) -> int | None:
        """Do what came beyond the mark, and move that; return how many instances, None where nothing is left."""
        study = _payload(job)["study"]
        row = self._routed.get(rule.name, study)
        start = Mark() if row is None else row.mark
        through = int(reached["through"][0]) if reached else None
        wanted: list[Arrived] = []
        mark = start
        for page, after in self._subjects.wanted(rule, study, start):
            wanted += [replace(one, values=_told(one.values)) for one in page]
            mark = after
        if through is not None:
            wanted = [one for one in wanted if one.number <= through]
            mark = Mark(through, float(reached["through"][1]))
        if mark == start:
            return None
        if wanted:
            run = _Run(rule, study, progress, wanted, mark)
            if reached:
                run.step, run.number = int(reached["step"]), int(reached["number"])
                run.left = frozenset(reached["left"])
            try:
                self._act(run)
            except _NotAllTakenError:
                if job.attempts >= self._attempts:  # what follows is not to have all of it sent again
                    self._routed.reach(rule.name, study, mark, len(wanted) - len(run.left), self._now())
                raise
        self._routed.reach(rule.name, study, mark, len(wanted), self._now())
        return len(wanted)

    def _act(self, run: _Run) -> None:
        """Do the actions that are not done."""
        for position, action in enumerate(run.rule.actions):
            if action.kind in SHAPING:
                self._shape(run, action)
            elif position >= run.step:
                if position > run.step:
                    run.reach(position, 0)
                self._do(run, action)
                run.done.append(str(action))

    def _shape(self, run: _Run, action: Action) -> None:
        """Have what comes after sent in another form."""
        if action.kind is ActionKind.DEIDENTIFY:
            run.project = action.argument
        else:
            run.transfer_syntax_uid = action.argument

    def _do(self, run: _Run, action: Action) -> None:
        doing = self._doing
        match action.kind:
            case ActionKind.SEND:
                self._send_in_batches(run, self._sending(run, action.argument))
            case ActionKind.STOW:
                self._send_in_batches(run, self._stowing(run, action.argument))
            case ActionKind.LABEL:
                doing.labels.add(run.study, action.argument)
            case ActionKind.NOTIFY:
                doing.deliveries.add(
                    NOTICE, action.argument, run.study, self._notice(run), lane=f"{NOTICE} {action.argument}"
                )
            case ActionKind.PLUGIN:
                doing.plugin(action.argument, run.rule, run.study, [one.stored for one in run.wanted])

    def _send_in_batches(self, run: _Run, send: Callable[[Sequence[StoredInstance]], Mapping[str, str]]) -> None:
        """Send what is left to send; whatever is not taken stays, and fails the job once the rest is sent."""
        todo, step, problems = run.todo(), run.step, dict[str, str]()
        for first in range(0, len(todo), BATCH):
            part = todo[first : first + BATCH]
            problems |= send([one.stored for one in part])
            number = max(run.number, part[-1].number)
            later = [one.stored.sop_instance_uid for one in todo[first + len(part) :] if one.number <= number]
            run.reach(step, number, [*problems, *later])
            run.progress.tell(len(run.wanted) - len(todo) + first + len(part), len(run.wanted))
        if problems:
            uid, reason = next(iter(problems.items()))
            raise _NotAllTakenError(f"{len(problems)} of {len(todo)} objects were not taken; {uid}: {reason}")

    def _sending(self, run: _Run, ae_title: str) -> Callable[[Sequence[StoredInstance]], Mapping[str, str]]:
        """Return what sends instances to a node; of what de-identifies already the project stays."""
        node = self._doing.node(ae_title)
        if run.project and not node.deidentify:
            node = replace(node, deidentify=run.project)
        node = replace(node, transfer_syntax_uid=run.transfer_syntax_uid)

        def send(instances: Sequence[StoredInstance]) -> Mapping[str, str]:
            count = max(1, min(self._doing.associations, len(instances) // _LEAST))
            shares = [
                self._doing.executor.submit(self._share, node, instances[n::count], run.progress) for n in range(count)
            ]
            failures = [share.result() for share in shares]
            found = [failed for failed, _ in failures]
            for _, error in failures:
                if isinstance(error, CancelledError) or (error is not None and all(e for _, e in failures)):
                    raise error
            return {uid: reason for failed in found for uid, reason in failed.items()}

        return send

    def _share(
        self, node: Node, instances: Sequence[StoredInstance], progress: Progress
    ) -> tuple[Mapping[str, str], ArchimageError | None]:
        """Send over one association; return what was not taken, and what has failed where nothing was."""
        try:
            transfer = self._doing.peers.send(node, instances, _Quiet(progress))
        except ArchimageError as error:
            return dict.fromkeys((one.sop_instance_uid for one in instances), str(error)), error
        why = transfer.remark or "it was not taken"
        return {uid: transfer.problems.get(uid, why) for uid in transfer.failed_uids}, None

    def _stowing(self, run: _Run, address: str) -> Callable[[Sequence[StoredInstance]], Mapping[str, str]]:
        def send(instances: Sequence[StoredInstance]) -> Mapping[str, str]:
            return self._doing.stow(
                address, instances, run.purpose, run.transfer_syntax_uid, lambda _: run.progress.check()
            )

        return send

    def _notice(self, run: _Run) -> str:
        """Return what a notification tells: no patient, unless that is asked for, and never one who was taken out."""
        first = run.wanted[0]
        told: dict[str, object] = {
            "event": "study" if run.rule.on_study else "instances",
            "rule": run.rule.name,
            "study_instance_uid": run.study,
            "instances": len(run.wanted),
            "source_ae_title": first.source_ae_title,
            "at": self._now(),
            "actions": run.done,
        }
        if self._doing.tells_patients:
            told["patient"] = {name: first.values.get(name, "") for name in _PATIENT}
        return orjson.dumps(told).decode()


class _Quiet:
    """Progress of a part of the work, which only asks whether it is to end. Implements `ports.peer.Progress`."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def check(self) -> None:
        """Raise CancelledError if it is to end."""
        self._progress.check()

    def tell(self, done: int, total: int = 0, message: str = "") -> None:  # noqa: ARG002 - told by the whole
        """Raise what `check` raises."""
        self._progress.check()


def _payload(job: Job) -> Mapping[str, str]:
    return cast("Mapping[str, str]", job.payload)


def _told(values: Mapping[str, str]) -> Mapping[str, str]:
    """Return what of an instance may be told."""
    return {name: values[name] for name in _PATIENT if name in values}
