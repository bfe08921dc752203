"""The work of retention: what rules would do, a run over all studies, and making room.

A run goes through the studies in the order in which they came, and notes how far it is; so it goes on after a crash
where it was, and a study that is gone already is simply not met again. Before a study is deleted its facts are read
once more: it may have been held, labelled or looked at since. Even then the index has the last word (`index.holding`).
"""

import heapq
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from archimage.config_retention import RetentionRule
from archimage.errors import ArchimageError, HeldError, IndexUnavailableError, NotFoundError
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
from archimage.services.retention_rules import HELD, RuleBook

PAGE: Final = 100
"""Studies whose facts are read at once."""
ROOM_GROUP: Final = 200
"""Studies that are chosen at once to make room."""
_MINUTE_S: Final = 60.0
_log = logger("task")

Remove = Callable[[str], Removed]
Look = Callable[[], None]
"""Is called before each study; raises to end the work."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What the work is done with; remove deletes a study for good, check raises while nothing may be done unseen."""

    table: Retention
    book: RuleBook
    remove: Remove
    quota: Quota
    check: Look
    clock: Callable[[], float] = time.time


@dataclass(slots=True)
class _Sum:
    studies: int = 0
    deleted: int = 0
    deleted_bytes: int = 0


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
            stays = tools.book.stays(facts, now) if rule.action == "delete" else ""
            goes = rule.action == "delete" and not stays
            found = sums[rule.name]
            found.studies += 1
            found.deleted += goes
            found.deleted_bytes += facts.size_bytes if goes else 0
            if rule.action == "delete" and len(named) < limit:
                named.append(_planned(facts, rule, stays))
    told = [
        PlannedRule(rule.name, rule.action, rule.when_full, one.studies, one.deleted, one.deleted_bytes)
        for rule, one in zip(tools.book.rules, sums.values(), strict=True)
    ]
    return RetentionPlan(looked, told, named)


def _planned(facts: StudyFacts, rule: RetentionRule, stays: str) -> PlannedStudy:
    about = (facts.study_instance_uid, facts.patient_id, facts.study_date, facts.used_at)
    return PlannedStudy(*about, facts.instances, facts.size_bytes, rule.name, stays)


@dataclass(slots=True)
class Work:
    """A run at work; look is called before every study, and throttle waited for before every deletion."""

    tools: Tools
    run: RetentionRun
    look: Look
    throttle: Throttle
    _noted: RetentionRun = field(init=False)

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
        """Do with a study what the rules say; tell whether it was deleted."""
        rule = self._deciding(facts)
        if rule is None:
            return False
        self.throttle.wait()
        self.look()
        fresh = self.tools.table.facts(facts.study_instance_uid)
        rule = None if fresh is None else self._deciding(fresh, counting=False)
        if fresh is None or rule is None:
            return False
        outcome = delete(self.tools, fresh, rule)
        if outcome is None:
            deleted, size = self.run.deleted + 1, self.run.deleted_bytes + fresh.size_bytes
            self.run = replace(self.run, deleted=deleted, deleted_bytes=size)
        elif outcome == HELD:
            self.run = replace(self.run, held=self.run.held + 1)
        else:
            self.run = replace(self.run, failed=self.run.failed + 1, error=outcome)
        return outcome is None

    def _deciding(self, facts: StudyFacts, *, counting: bool = True) -> RetentionRule | None:
        """Return the rule that has a study deleted, None where none does, or it stays all the same."""
        now = self.tools.clock()
        rule = self.tools.book.decide(facts, now)
        if rule is None or rule.action != "delete":
            return None
        stays = self.tools.book.stays(facts, now)
        if stays and counting:
            held = stays == HELD
            self.run = replace(self.run, held=self.run.held + held, spared=self.run.spared + (not held))
        return None if stays else rule


def make_room(tools: Tools, look: Look) -> int:
    """Delete what rules let go when the quota is near, used longest ago first; return how many studies went."""
    gone = 0
    while tools.quota.excess_bytes > 0 and tools.book.makes_room:
        chosen = heapq.nsmallest(ROOM_GROUP, _going(tools), key=lambda one: (one.used_at, one.key))
        before = gone
        for facts in chosen:
            if tools.quota.excess_bytes <= 0:
                break
            look()
            gone += _go(tools, facts)
        if gone == before:
            break
        tools.quota.look(now=True)
    return gone


def _going(tools: Tools) -> Iterator[StudyFacts]:
    """Yield what may go to make room."""
    for page in studies(tools.table):
        yield from (facts for facts in page if _rule_for_room(tools, facts) is not None)


def _go(tools: Tools, facts: StudyFacts) -> bool:
    fresh = tools.table.facts(facts.study_instance_uid)
    rule = None if fresh is None else _rule_for_room(tools, fresh)
    return fresh is not None and rule is not None and delete(tools, fresh, rule) is None


def _rule_for_room(tools: Tools, facts: StudyFacts) -> RetentionRule | None:
    now = tools.clock()
    rule = tools.book.decide(facts, now, full=True)
    goes = rule is not None and rule.action == "delete" and not tools.book.stays(facts, now)
    return rule if goes else None


def delete(tools: Tools, facts: StudyFacts, rule: RetentionRule) -> str | None:
    """Delete a study by a rule, which the audit trail names; return why it is still there, None where it is gone.

    Raises:
        IndexUnavailableError, UnavailableError: not now; later it may work.
    """
    tools.check()
    uid = facts.study_instance_uid
    try:
        with DoneFor(Caller("command", f"retention {uid}", Principal(user=f"retention rule {rule.name}"))):
            tools.remove(uid)
    except NotFoundError:
        return None
    except HeldError:
        return HELD
    except IndexUnavailableError:
        raise
    except ArchimageError as error:
        _log.error("a study was not deleted", study_instance_uid=uid, rule=rule.name, reason=str(error))
        return str(error)
    tools.quota.removed(facts.size_bytes)
    _log.info("deleted", study_instance_uid=uid, rule=rule.name, instances=facts.instances, size_bytes=facts.size_bytes)
    return None
