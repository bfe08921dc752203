"""What is to be routed, found as it comes: which rules have work to do for which studies, handed on as durable jobs.

The intake tells of every object, and nothing of that is kept: a thread gathers what came by study and rule, and once a
study is quiet, or a moment has passed for rules on single objects, looks at the index for what came beyond the mark of
the rule (`routed`) and has a job do the rest. Every few seconds it also looks for what came in without being told of,
from another process, or before a crash. How far it has looked is kept, and never passes what is not a job yet.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Final

from archimage.errors import ArchimageError
from archimage.logger import logger
from archimage.model.events import InstanceStored
from archimage.model.routing import Mark, Routed, Rule
from archimage.ports.jobs import Jobs
from archimage.ports.routing import Arrivals, RoutedStudies
from archimage.services.routing_subjects import Subjects

KIND: Final = "route"
LOOK_EVERY_S: Final = 5.0
MAX_STUDIES: Final = 10_000
OVERLAP_S: Final = 30.0
"""What came so long before the last look may have been committed after it."""
_AGAIN_S: Final = 0.1
_LONGEST_AGAIN_S: Final = 60.0
_LOOK_ON_S: Final = 2.0
_BREATH_S: Final = 0.05
"""What came within such a time is looked at together."""
_SEEN: Final = 20_000
_KEPT_S: Final = 90 * 86_400.0
_FORGET_EVERY_S: Final = 3_600.0
_log = logger("task")

Work = tuple[str, str]
"""A rule's name and a Study Instance UID."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What the router works with."""

    arrivals: Arrivals
    routed: RoutedStudies
    subjects: Subjects
    jobs: Jobs


@dataclass(slots=True)
class _Item:
    """What is to be looked at: when, and since when something of it has come.

    through is the number of the last instance that a job was made for; 0 where there is none yet. again_s is how long
    to wait for a job that was at work already, and may have passed what came.
    """

    due_at: float
    since: float
    through: int = 0
    again_s: float = _AGAIN_S


class Router:
    """Looks, in a thread of its own, if there are rules. `close` it."""

    def __init__(
        self, tools: Tools, rules: Sequence[Rule], gather_s: float, now: Callable[[], float] = time.time
    ) -> None:
        self.rules = tuple(rules)
        self._tools = tools
        self._gather_s = gather_s
        self._now = now
        self._heard: SimpleQueue[tuple[str, float] | Work | None] = SimpleQueue()
        self._ended: SimpleQueue[Work] = SimpleQueue()
        self._items: dict[Work, _Item] = {}
        self._passed: OrderedDict[Work, Mark] = OrderedDict()
        self._seen: OrderedDict[str, float] = OrderedDict()
        self._looked_at = 0.0
        self._noted_at = 0.0
        self._dirty = False
        self._forgotten_at = 0.0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="routing", daemon=True)

    def hear(self, event: InstanceStored) -> None:
        """Hear of an object, on the thread of the intake: this neither blocks nor looks at anything."""
        if self.rules:
            record = event.record
            self._heard.put((record.values["study_instance_uid"], record.received_at))

    def again(self, rule: str, study_instance_uid: str) -> None:
        """Look once more at a study: the job of a rule has ended, and something may have come meanwhile."""
        self._ended.put((rule, study_instance_uid))
        self._heard.put(None)

    @property
    def waiting(self) -> int:
        """How many studies wait, counted once for each rule."""
        return len(self._items)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """End; what is not a job yet is found at the next start."""
        self._closing.set()
        self._heard.put(None)
        if self._thread.is_alive():
            self._thread.join()

    def step(self) -> float:
        """Take what was heard, do what is due, and return how long nothing will be, seconds."""
        now = self._now()
        self._take_heard(now)
        if now - self._looked_at >= LOOK_EVERY_S:
            self._look(now)
        for work, item in sorted(self._items.items(), key=lambda pair: pair[1].due_at):
            if item.due_at > now:
                break
            self._check(work, item, now)
        self._note(now)
        due = min((item.due_at for item in self._items.values()), default=now + LOOK_EVERY_S)
        return max(0.0, min(due - self._now(), LOOK_EVERY_S))

    def _run(self) -> None:
        wait_s = 0.0
        while not self._closing.is_set():
            with suppress(Empty):
                if wait_s > 0:
                    self._take(self._heard.get(timeout=wait_s), self._now())
            self._closing.wait(_BREATH_S)
            try:
                wait_s = self.step()
            except (ArchimageError, OSError) as error:
                _log.warning("routing waits for the index", reason=str(error))
                wait_s = LOOK_EVERY_S
            except Exception as error:  # a fault of ours must not end all routing
                _log.error("a bug in routing", reason=repr(error))
                wait_s = LOOK_EVERY_S

    def _take_heard(self, now: float) -> None:
        with suppress(Empty):
            while True:
                self._take(self._heard.get_nowait(), now)
        with suppress(Empty):
            while True:
                work = self._ended.get_nowait()
                self._items.setdefault(work, _Item(now, now)).due_at = now
                self._dirty = True

    def _take(self, heard: tuple[str, float] | Work | None, now: float) -> None:
        """Note one object."""
        if heard is not None:
            study, received_at = heard
            self._seen[study] = max(self._seen.get(study, 0.0), float(received_at))
            self._note_arrival(study, float(received_at), now)
            while len(self._seen) > _SEEN:
                self._seen.popitem(last=False)

    def _note_arrival(self, study: str, since: float, now: float) -> None:
        """Have every rule look at a study, later."""
        self._dirty = True
        for rule in self.rules:
            item = self._items.get((rule.name, study))
            due_at = now + (rule.quiet_s if rule.on_study else self._gather_s)
            if item is None:
                self._items[rule.name, study] = _Item(due_at, since)
            elif rule.on_study and not item.through:
                item.due_at = due_at

    def _look(self, now: float) -> None:
        """Look for what came without being told of, since the last time or since a process was killed."""
        since = self._looked_at or self._tools.routed.looked()
        if since is None or not self.rules:
            if not self._looked_at:
                self._tools.routed.look(now)  # rules that are made later do not act on what came before
            self._looked_at = now
            return
        since -= OVERLAP_S
        found = self._tools.arrivals.studies_since(since, MAX_STUDIES)
        for study, newest in found:
            if self._seen.get(study, 0.0) < newest:
                self._seen[study] = newest
                self._note_arrival(study, since, now)
        self._looked_at = now if len(found) < MAX_STUDIES else max(newest for _, newest in found)
        if now - self._forgotten_at > _FORGET_EVERY_S:
            self._forgotten_at = now
            self._tools.routed.forget(now - _KEPT_S)

    def _note(self, now: float) -> None:
        """Keep how far everything was looked at, or made a job, if that has changed and not too often."""
        if self._dirty and now - self._noted_at >= 1.0:
            self._noted_at = now
            open_since = [item.since for item in self._items.values() if not item.through]
            self._tools.routed.look(min([self._looked_at, *open_since]))
            self._dirty = bool(open_since)

    def _check(self, work: Work, item: _Item, now: float) -> None:
        """Look at what came of a study beyond a rule's mark, and have it dealt with if it is time."""
        rule = next((rule for rule in self.rules if rule.name == work[0]), None)
        row = self._tools.routed.get(*work)
        if rule is None:
            del self._items[work]
            return
        newest = self._tools.arrivals.newest(work[1])
        if rule.on_study and newest + rule.quiet_s > now:
            item.due_at = newest + rule.quiet_s
            return
        mark = self._start(rule, item) if row is None else row.mark
        passed = self._passed.get(work, mark)
        last = Mark(max(mark.number, passed.number), max(mark.received_at, passed.received_at))
        for wanted, after in self._tools.subjects.wanted(rule, work[1], last):
            if wanted and wanted[-1].number > item.through:
                self._submit(rule, work, item, mark, wanted[-1].number)
                return
            self._passed[work] = after
        while len(self._passed) > _SEEN:
            self._passed.popitem(last=False)
        del self._items[work]

    def _start(self, rule: Rule, item: _Item) -> Mark:
        """Return where a rule begins with a study: a rule on studies with all of it, others with what just came."""
        return Mark() if rule.on_study else Mark(self._tools.arrivals.before(item.since), item.since - 1e-3)

    def _submit(self, rule: Rule, work: Work, item: _Item, mark: Mark, through: int) -> None:
        """Have a job do the rest; there is one at a time for a rule and a study."""
        now = self._now()
        row = self._tools.routed.begin(Routed(*work, mark, changed_at=now))
        job = self._tools.jobs.submit(
            KIND,
            f"{rule.name}: study {work[1]}",
            {"rule": rule.name, "study": work[1]},
            destination=rule.destination,
            key="\n".join(work),
        )
        if job != row.job:
            self._tools.routed.assign(*work, job, now)
            item.through, item.due_at = through, now + _LOOK_ON_S
        else:
            item.due_at = now + item.again_s
            item.again_s = min(2 * item.again_s, _LONGEST_AGAIN_S)
