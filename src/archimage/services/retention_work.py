"""The work of retention: what rules would do, a run over all studies, and making room.

A run goes through the studies in the order in which they came, and notes how far it is; so it goes on after a crash
where it was, and a study that is gone already is simply not met again. Before a study goes its facts are read
once more: it may have been held, labelled or looked at since. Even then the index has the last word (`index.holding`).
"""

import heapq
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from archimage.config_object_store import HOT
from archimage.config_retention import RetentionRule
from archimage.errors import (
    ArchimageError,
    CancelledError,
    HeldError,
    IndexUnavailableError,
    NotFoundError,
    OutOfResourcesError,
    UnavailableError,
)
from archimage.logger import logger
from archimage.model.access import Principal
from archimage.model.callers import Caller, DoneFor
from archimage.model.records import Removed
from archimage.model.retention import (
    PlannedRule,
    PlannedStudy,
    RetentionPlan,
    RetentionRun,
    StudyFacts,
)
from archimage.ports.retention import Retention
from archimage.services.quota import Quota
from archimage.services.retention_rules import HELD, MOVE, RuleBook
from archimage.services.tiering import Moved

PAGE: Final = 100
"""Studies whose facts are read at once."""
ROOM_GROUP: Final = 200
"""Studies that are chosen at once to make room."""
_MINUTE_S: Final = 60.0
_log = logger("task")

Remove = Callable[[str], Removed]
Look = Callable[[], None]
"""Is called before each study; raises to end the work."""


class Moving(Protocol):
    """Moves studies between tiers: `services.tiering.Mover`."""

    def move(self, study_instance_uid: str, tier: str, look: Look) -> Moved:
        """Move what of a study is not in a tier."""

    @property
    def has_left(self) -> bool:
        """Tell whether something is left of copies."""

    def clean(self) -> int:
        """Delete that."""

    def count(self) -> None:
        """Count anew what lies in which tier."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What the work is done with; remove deletes a study for good, check raises while nothing may be done unseen.

    mover is None where there is no tier but the hot one.
    """

    table: Retention
    book: RuleBook
    remove: Remove
    quota: Quota
    check: Look
    clock: Callable[[], float] = time.time
    mover: Moving | None = None


@dataclass(slots=True)
class _Sum:
    studies: int = 0
    deleted: int = 0
    deleted_bytes: int = 0
    moved: int = 0
    moved_bytes: int = 0

    def goes(self, rule: RetentionRule, facts: StudyFacts) -> None:
        """Count a study that goes by a rule."""
        if rule.action == MOVE:
            self.moved += 1
            self.moved_bytes += facts.outside(rule.to).size_bytes
        else:
            self.deleted += 1
            self.deleted_bytes += facts.size_bytes

    def told(self, rule: RetentionRule) -> PlannedRule:
        """Return what a rule would do."""
        about = (rule.name, rule.action, rule.when_full, self.studies, self.deleted, self.deleted_bytes)
        return PlannedRule(*about, rule.to, self.moved, self.moved_bytes)


class Throttle:
    """Lets so many a minute pass, evenly; ended ends the wait."""

    def __init__(self, per_minute: int, ended: threading.Event, clock: Callable[[], float] = time.monotonic) -> None:
        self._every_s = _MINUTE_S / per_minute
        self._ended = ended
        self._clock = clock
        self._next = 0.0

    def wait(self) -> None:
        """Wait for the next turn."""
        now = self._clock()
        if self._next > now:
            self._ended.wait(self._next - now)
        self._next = max(now, self._next) + self._every_s


def studies(table: Retention, after: int = 0) -> Iterator[tuple[StudyFacts, ...]]:
    """Yield the facts of all studies in pages, from a key on."""
    while page := tuple(table.page(after, PAGE)):
        yield page
        after = page[-1].key


def plan(tools: Tools, limit: int, look: Look = lambda: None) -> RetentionPlan:
    """Work out what a run would do now, and what would go if room had to be made; name limit studies at most."""
    tools = replace(tools, book=tools.book.as_it_is())
    sums = {rule.name: _Sum() for rule in tools.book.rules}
    named: list[PlannedStudy] = []
    looked, now = 0, tools.clock()
    for page in studies(tools.table):
        look()
        looked += len(page)
        for facts in page:
            rule = tools.book.decide(facts, now) or tools.book.decide(facts, now, full=True)
            if rule is None:
                continue
            sums[rule.name].studies += 1
            if not tools.book.concerns(rule, facts):
                continue
            stays = tools.book.stays(facts, now, rule.to)
            if not stays:
                sums[rule.name].goes(rule, facts)
            if len(named) < limit:
                named.append(_planned(facts, rule, stays))
    return RetentionPlan(looked, [sums[rule.name].told(rule) for rule in tools.book.rules], named)


def _planned(facts: StudyFacts, rule: RetentionRule, stays: str) -> PlannedStudy:
    about = (facts.study_instance_uid, facts.patient_id, facts.study_date, facts.used_at)
    return PlannedStudy(*about, facts.instances, facts.size_bytes, rule.name, stays, rule.to)


@dataclass(slots=True)
class Work:
    """A run at work; look is called before every study, and throttle waited for before every deletion or move."""

    tools: Tools
    run: RetentionRun
    look: Look
    throttle: Throttle
    _noted: RetentionRun = field(init=False)
    _closed: dict[tuple[str, ...], str] = field(default_factory=dict)
    """From where to where nothing can be moved in this run, and why."""

    def __post_init__(self) -> None:
        self._noted = self.run

    def through(self) -> RetentionRun:
        """Go through all studies that are left; return how it ended. What look raises leaves the rest to later."""
        try:
            for page in studies(self.tools.table, self.run.cursor):
                for facts in page:
                    self.look()
                    if self._study(facts):
                        self._note()
                    self.run = replace(self.run, cursor=facts.key, looked=self.run.looked + 1)
                self._note()
        finally:
            self._note()
        return self.run

    def _note(self) -> None:
        if self.run != self._noted:
            self.tools.table.note(self.run)
            self._noted = self.run

    def _study(self, facts: StudyFacts) -> bool:
        """Do with a study what the rules say; tell whether something was done."""
        rule = self._deciding(facts)
        if rule is None:
            return False
        self.throttle.wait()
        self.look()
        fresh = self.tools.table.facts(facts.study_instance_uid)
        rule = None if fresh is None else self._deciding(fresh, counting=False)
        if fresh is None or rule is None:
            return False
        way = (rule.to, *sorted(fresh.shares))
        done = Done(self._closed[way]) if way in self._closed else carry_out(self.tools, fresh, rule, self.look)
        if done.is_closed:
            self._closed[way] = done.problem
        self._count(done)
        return not done.problem

    def _count(self, done: "Done") -> None:
        """Note what became of a study."""
        run = self.run
        if done.problem == HELD:
            run = replace(run, held=run.held + 1)
        elif done.problem:
            run = replace(run, failed=run.failed + 1, error=done.problem)
        run = replace(run, deleted=run.deleted + done.deleted, deleted_bytes=run.deleted_bytes + done.deleted_bytes)
        self.run = replace(run, moved=run.moved + done.moved, moved_bytes=run.moved_bytes + done.moved_bytes)

    def _deciding(self, facts: StudyFacts, *, counting: bool = True) -> RetentionRule | None:
        """Return the rule that has a study deleted or moved, None where none does, or it stays all the same."""
        now = self.tools.clock()
        rule = self.tools.book.decide(facts, now)
        if rule is None or not self.tools.book.concerns(rule, facts):
            return None
        stays = self.tools.book.stays(facts, now, rule.to)
        if stays and counting:
            held = stays == HELD
            self.run = replace(self.run, held=self.run.held + held, spared=self.run.spared + (not held))
        return None if stays else rule


def make_room(tools: Tools, look: Look) -> int:
    """Have go what rules let go when the quota is near, used longest ago first; return how many studies went."""
    gone = 0
    while tools.quota.excess_bytes > 0 and tools.book.makes_room:
        chosen = heapq.nsmallest(ROOM_GROUP, _going(tools), key=lambda one: (one.used_at, one.key))
        before = gone
        for facts in chosen:
            if tools.quota.excess_bytes <= 0:
                break
            look()
            gone += _go(tools, facts, look)
        if gone == before:
            break
        tools.quota.look(now=True)
    return gone


def _going(tools: Tools) -> Iterator[StudyFacts]:
    """Yield what may go to make room."""
    for page in studies(tools.table):
        yield from (facts for facts in page if _rule_for_room(tools, facts) is not None)


def _go(tools: Tools, facts: StudyFacts, look: Look) -> bool:
    fresh = tools.table.facts(facts.study_instance_uid)
    rule = None if fresh is None else _rule_for_room(tools, fresh)
    return fresh is not None and rule is not None and not carry_out(tools, fresh, rule, look).problem


def _rule_for_room(tools: Tools, facts: StudyFacts) -> RetentionRule | None:
    now = tools.clock()
    rule = tools.book.decide(facts, now, full=True)
    if rule is None or not tools.book.concerns(rule, facts) or (rule.action == MOVE and HOT not in facts.shares):
        return None
    return None if tools.book.stays(facts, now, rule.to) else rule


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a study; problem says why not all that a rule wants, is_closed that others will fare alike."""

    problem: str = ""
    is_closed: bool = False
    deleted: int = 0
    deleted_bytes: int = 0
    moved: int = 0
    moved_bytes: int = 0


def carry_out(tools: Tools, facts: StudyFacts, rule: RetentionRule, look: Look) -> Done:
    """Do with a study what a rule says; the audit trail names the rule.

    Raises:
        IndexUnavailableError, UnavailableError: not now; later it may work.
    """
    tools.check()
    uid = facts.study_instance_uid
    try:
        with DoneFor(Caller("command", f"retention {uid}", Principal(user=f"retention rule {rule.name}"))):
            return _move(tools, facts, rule, look) if rule.action == MOVE else _delete(tools, facts, rule)
    except NotFoundError:
        return Done()
    except HeldError:
        return Done(HELD)
    except (IndexUnavailableError, CancelledError):
        raise
    except ArchimageError as error:
        _log.error("a rule cannot be carried out", study_instance_uid=uid, rule=rule.name, reason=str(error))
        return Done(str(error), is_closed=isinstance(error, OutOfResourcesError | UnavailableError) and bool(rule.to))


def _delete(tools: Tools, facts: StudyFacts, rule: RetentionRule) -> Done:
    uid, size = facts.study_instance_uid, facts.size_bytes
    tools.remove(uid)
    tools.quota.removed(_counted(tools, facts))
    _log.info("deleted", study_instance_uid=uid, rule=rule.name, instances=facts.instances, size_bytes=size)
    return Done(deleted=1, deleted_bytes=size)


def _counted(tools: Tools, facts: StudyFacts) -> int:
    """Return what of a study the quota counts: without other tiers all of it."""
    return facts.size_bytes if tools.mover is None else facts.size_bytes - facts.outside(HOT).size_bytes


def move(tools: Tools, facts: StudyFacts, tier: str, look: Look) -> Moved:
    """Move what of a study is not in a tier; raises what `services.tiering.Mover.move` does."""
    if tools.mover is None:
        raise UnavailableError(f"there is no tier {tier}")
    done = tools.mover.move(facts.study_instance_uid, tier, look)
    before = _counted(tools, facts)
    tools.quota.removed(-done.size_bytes if tier == HOT else min(done.size_bytes, before))
    return done


def _move(tools: Tools, facts: StudyFacts, rule: RetentionRule, look: Look) -> Done:
    done = move(tools, facts, rule.to, look)
    if done.instances:
        told = {"rule": rule.name, "tier": rule.to, "instances": done.instances}
        _log.info("moved", study_instance_uid=facts.study_instance_uid, **told)
    return Done(done.problem, moved=int(done.instances > 0), moved_bytes=done.size_bytes)
