"""Rules that move studies to other tiers, and back: which, what stays, what is told, and what a full tier does."""

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from pydantic import ValidationError

from archimage.config_retention import RetentionRule
from archimage.errors import OutOfResourcesError, UnavailableError
from archimage.index.arrivals import ArrivalTable
from archimage.index.holds import HoldTable
from archimage.index.retention import AccessTable
from archimage.index.tiers import TierTable
from archimage.model.attributes import UNIQUE_KEYS, Level
from archimage.model.callers import current
from archimage.model.holds import Hold
from archimage.model.query import Condition, Exact, Query
from archimage.model.retention import PlannedRule, RunState
from archimage.model.tiers import copy_path
from archimage.services.quota import Quota
from archimage.services.retention_rules import DAY_S, HELD, SPARED
from archimage.services.tiering import Moved
from archimage.storage.lanes import Turn
from tests.services.retaining import NOW, Kept, rule


class Moving:
    """Moves within the index alone, as fast as can be; full has every move fail."""

    def __init__(self, kept: Kept) -> None:
        self.kept = kept
        self.moves: list[tuple[str, str]] = []
        self.done_for: set[str] = set()
        self.full = ""
        self.cleaned = 0
        self.has_left = False

    def move(self, study_instance_uid: str, tier: str, look: Callable[[], None]) -> Moved:
        """Have the rows name other paths."""
        look()
        self.moves.append((study_instance_uid, tier))
        caller = current()
        self.done_for.add("" if caller is None else caller.user)
        if tier == self.full:
            raise OutOfResourcesError(f"tier {tier} is full")
        moved = Moved()
        query = Query(Level.STUDY, (Condition(UNIQUE_KEYS[Level.STUDY], Exact(study_instance_uid)),))
        with self.kept.parts.index.writing() as index:
            for page in self.kept.parts.index.instances(query):
                for one in page:
                    index.relocate(one.sop_instance_uid, one.path, copy_path(one.path, tier))
                    moved.instances += 1
                    moved.size_bytes += one.size_bytes
        return moved

    def clean(self) -> int:
        """Count how often that is asked for."""
        self.cleaned += 1
        return 0

    def count(self) -> None:
        """Count what lies where."""
        TierTable(self.kept.parts.index).count(self.kept.now)


def lies(kept: Kept, tier: str) -> set[str]:
    """Return the studies that lie in a tier."""
    table = TierTable(kept.parts.index)
    return {study for study in kept.studies if table.shares(study).keys() == {tier}}


def moving(name: str, to: str, **conditions: Any) -> RetentionRule:
    """Make a rule that moves."""
    return rule(name, "move", to=to, **conditions)


def test_a_rule_moves_and_what_is_there_is_left_alone(kept: Kept) -> None:
    mover = Moving(kept)
    HoldTable(kept.parts.index).place(Hold("1.2", "ann", "Case 7", 1.0))
    AccessTable(kept.parts.index).note({"1.4": NOW - DAY_S})
    service = kept.service(mover=mover, rule=[moving("CT", "warm", modalities=["CT"])])
    plan = service.plan(9)
    assert plan.rules == [PlannedRule("CT", "move", False, 5, 0, 0, "warm", 3, 3003)]
    assert [(one.study_instance_uid, one.to, one.stays) for one in plan.studies][:3] == [
        ("1.0", "warm", ""),
        ("1.2", "warm", HELD),
        ("1.4", "warm", SPARED),
    ]
    run = service.run_here()
    assert (run.moved, run.moved_bytes, run.held, run.spared, run.deleted) == (3, 3003, 1, 1, 0)
    assert lies(kept, "warm") == {"1.0", "1.6", "1.8"}
    assert mover.done_for == {"retention rule CT"}
    again = service.run_here()
    assert (again.moved, again.held, again.failed) == (0, 1, 0)
    assert service.plan(9).rules[0].moved == 0
    counted = {use.tier: (use.studies, use.size_bytes) for use in TierTable(kept.parts.index).uses()}
    assert counted == {"hot": (7, 7007), "warm": (3, 3003)}


def test_what_was_used_lately_comes_back(kept: Kept) -> None:
    mover = Moving(kept)
    rules = [moving("back", "hot", used_days=3), moving("away", "cold", arrived_days=30)]
    service = kept.service(mover=mover, rule=rules)
    assert service.run_here().moved == 10
    AccessTable(kept.parts.index).note({"1.3": NOW - DAY_S, "1.5": NOW - 4 * DAY_S})
    run = service.run_here()
    assert (run.moved, run.spared) == (1, 0)
    assert lies(kept, "hot") == {"1.3"}
    HoldTable(kept.parts.index).place(Hold("1.7", "ann", "Case 7", 1.0))
    AccessTable(kept.parts.index).note({"1.7": NOW})
    assert service.run_here().held == 1
    assert lies(kept, "hot") == {"1.3"}


def test_a_tier_that_is_full_is_tried_once_in_a_run_and_the_rest_goes_on(kept: Kept) -> None:
    mover = Moving(kept)
    mover.full = "warm"
    rules = [moving("CT", "warm", modalities=["CT"]), moving("MR", "cold", modalities=["MR"])]
    run = kept.service(mover=mover, rule=rules).run_here()
    assert (run.state, run.moved, run.failed, run.error) == (RunState.DONE, 5, 5, "tier warm is full")
    assert [tier for _, tier in mover.moves].count("warm") == 1
    assert lies(kept, "cold") == set(kept.mr)


def test_room_is_made_by_moving_what_lies_hot(kept: Kept) -> None:
    mover = Moving(kept)
    kept.quota = Quota(14_000, 50, lambda: ArrivalTable(kept.parts.index).hot_bytes())
    kept.quota.look()
    service = kept.service(mover=mover, rule=[moving("CT", "warm", modalities=["CT"], when_full=True)])
    service.carry_out()
    assert lies(kept, "warm") == {"1.0", "1.2", "1.4", "1.6"}
    assert kept.quota.excess_bytes <= 0
    assert len(kept.studies) == 10


def test_what_a_crash_has_left_is_cleaned_by_whoever_has_the_turn(kept: Kept) -> None:
    mover = Moving(kept)
    service = kept.service(mover=mover)
    service.carry_out()
    assert mover.cleaned == 0
    mover.has_left = True
    service.carry_out()
    assert mover.cleaned == 1


def test_what_somebody_asks_for_is_moved_whatever_the_rules_say(kept: Kept) -> None:
    mover = Moving(kept)
    kept.quota = Quota(14_000, 50, lambda: ArrivalTable(kept.parts.index).hot_bytes())
    kept.quota.look()
    service = kept.service(mover=mover, rule=[rule("keep", "keep", modalities=["CT"])], spare_days=400)
    looks: list[str] = []
    moved = service.move("1.2", "warm", lambda: looks.append("looked"))
    assert (moved, looks, lies(kept, "warm")) == (Moved(1, 1001), ["looked"], {"1.2"})
    assert kept.quota.used_bytes == 9009
    assert service.move("1.99", "warm", lambda: None) == Moved()
    turn = Turn.take(kept.parts.directory / "retention.lock")
    assert turn is not None
    with closing(turn):
        assert service.move("1.4", "warm", lambda: None) is None
    assert lies(kept, "warm") == {"1.2"}


def test_nothing_is_moved_unseen(kept: Kept) -> None:
    def failing() -> None:
        raise UnavailableError("the audit trail cannot be written")

    with pytest.raises(UnavailableError, match="audit trail"):
        kept.service(failing, mover=Moving(kept)).move("1.2", "warm", lambda: None)
    assert lies(kept, "hot") == set(kept.studies)


@pytest.mark.parametrize(
    "wrong",
    [
        {"action": "move", "unused_days": 1},
        {"action": "delete", "to": "warm", "unused_days": 1},
        {"action": "move", "to": "warm"},
        {"action": "move", "to": "hot", "when_full": True},
    ],
)
def test_a_wrong_rule_that_moves_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        RetentionRule.model_validate({"name": "x", **wrong})
