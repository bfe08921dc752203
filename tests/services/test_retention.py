"""Rules of retention: which decides, what goes, what stays, and that a run goes on where it was interrupted."""

import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from archimage.config_retention import RetentionConfig
from archimage.errors import ConflictError, InvalidRequestError, OutOfResourcesError, UnavailableError
from archimage.index.holds import HoldTable
from archimage.index.labels import LabelTable
from archimage.index.retention import AccessTable, RetentionTable
from archimage.model.access import Principal
from archimage.model.callers import Caller, DoneFor
from archimage.model.events import InstanceStored
from archimage.model.holds import Hold
from archimage.model.retention import PlannedRule, RunState, StudyFacts
from archimage.services.accesses import WAITING, AccessNotes
from archimage.services.quota import Quota
from archimage.services.retention_rules import DAY_S, HELD, SPARED, RuleBook, within_hours
from archimage.services.retention_work import Throttle
from archimage.services.room import Room
from archimage.storage.lanes import Turn
from tests.attacks.server import wait_until
from tests.contract.index_contract import record
from tests.services.retaining import NOW, Kept, rule

FACTS = StudyFacts(
    key=1,
    study_instance_uid="1.1",
    patient_id="P",
    study_date="20200101",
    held=False,
    accessed_at=0.0,
    received_at=NOW - 100 * DAY_S,
    instances=1,
    size_bytes=100,
    modalities=frozenset({"CT", "SR"}),
    stations=frozenset({"CT1"}),
    source_ae_titles=frozenset({"GATE"}),
    labels=frozenset({"teaching"}),
)


# Rules


@pytest.mark.parametrize(
    ("conditions", "facts", "fits"),
    [
        ({"older_than_days": 365}, {}, True),
        ({"older_than_days": 36_000}, {}, False),
        ({"older_than_days": 200}, {"study_date": ""}, False),
        ({"older_than_days": 100}, {"study_date": "2020"}, True),
        ({"unused_days": 100}, {}, True),
        ({"unused_days": 100}, {"accessed_at": NOW - 99 * DAY_S}, False),
        ({"unused_days": 99}, {"accessed_at": NOW - 99 * DAY_S}, True),
        ({"arrived_days": 100}, {"accessed_at": NOW}, True),
        ({"arrived_days": 101}, {}, False),
        ({"modalities": ["MR", "SR"]}, {}, True),
        ({"modalities": ["MR"]}, {}, False),
        ({"labels": ["teaching"]}, {}, True),
        ({"labels": ["other"]}, {}, False),
        ({"source_ae_titles": ["GATE"]}, {}, True),
        ({"source_ae_titles": ["OTHER"]}, {}, False),
        ({"stations": ["CT1"]}, {}, True),
        ({"stations": ["CT2"]}, {}, False),
        ({"modalities": ["CT"], "labels": ["other"]}, {}, False),
        ({"modalities": ["CT"], "older_than_days": 365}, {}, True),
    ],
)
def test_a_rule_fits_where_each_condition_holds(conditions: dict[str, Any], facts: dict[str, Any], fits: bool) -> None:
    book = RuleBook([rule(**conditions)], 0)
    assert (book.decide(replace(FACTS, **facts), NOW) is not None) is fits


def test_the_first_rule_that_fits_decides() -> None:
    keeping, going = rule("keep", "keep", labels=["teaching"]), rule(older_than_days=365)
    assert RuleBook([keeping, going], 0).decide(FACTS, NOW) is keeping
    assert RuleBook([going, keeping], 0).decide(FACTS, NOW) is going
    assert RuleBook([keeping, going], 0).decide(replace(FACTS, labels=frozenset()), NOW) is going


def test_a_rule_for_when_it_is_full_waits_for_that() -> None:
    book = RuleBook([rule(when_full=True)], 0)
    assert book.decide(FACTS, NOW) is None
    assert book.decide(FACTS, NOW, full=True) is not None
    assert (book.makes_room, RuleBook([rule(unused_days=1)], 0).makes_room) == (True, False)


def test_what_is_held_or_was_used_lately_stays() -> None:
    book = RuleBook([], 7)
    assert book.stays(FACTS, NOW) == ""
    assert book.stays(replace(FACTS, held=True), NOW) == HELD
    assert book.stays(replace(FACTS, accessed_at=NOW - 6 * DAY_S), NOW) == SPARED
    assert book.stays(replace(FACTS, received_at=NOW - 6 * DAY_S), NOW) == SPARED
    assert book.stays(replace(FACTS, accessed_at=NOW - 8 * DAY_S), NOW) == ""


@pytest.mark.parametrize(
    "wrong",
    [
        {"rule": [{"name": "all", "action": "delete"}]},
        {"rule": [{"name": "", "action": "delete", "unused_days": 1}]},
        {"rule": [{"name": "x", "action": "shred", "unused_days": 1}]},
        {"rule": [{"name": "x", "action": "delete", "unused_days": -1}]},
        {"rule": [{"name": "x", "action": "keep", "labels": ["a"]}] * 2},
        {"hours": "0-25"},
        {"studies_per_minute": 0},
    ],
)
def test_a_wrong_rule_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        RetentionConfig.model_validate(wrong)


@pytest.mark.parametrize(
    ("hours", "inside"), [("0-24", range(24)), ("8-10", (8, 9)), ("22-2", (22, 23, 0, 1)), ("5-5", range(24))]
)
def test_hours_may_reach_into_the_next_day(hours: str, inside: range, monkeypatch: Any) -> None:
    monkeypatch.setenv("TZ", "UTC")
    midnight = NOW - NOW % DAY_S
    time.tzset()
    assert {hour for hour in range(24) if within_hours(hours, midnight + hour * 3600)} == set(inside)


# Work


CT = rule("CT", modalities=["CT"])


def test_a_run_deletes_what_the_rules_let_go_and_names_them(kept: Kept) -> None:
    with DoneFor(Caller("command", "r", Principal(user="ann"))):
        run = kept.service(rule=[CT]).run_here()
    assert (run.state, run.asked_by, run.looked, run.deleted) == (RunState.DONE, "ann", 10, 5)
    assert run.deleted_bytes == 5 * 1001
    assert kept.studies == kept.mr
    assert kept.done_for == ["retention rule CT"] * 5


def test_a_plan_tells_what_a_run_would_do_and_does_nothing(kept: Kept) -> None:
    HoldTable(kept.parts.index).place(Hold("1.2", "ann", "Case 7", 1.0))
    AccessTable(kept.parts.index).note({"1.4": NOW - DAY_S})
    rules = [CT, rule("MR", "keep", modalities=["MR"]), rule("full", when_full=True)]
    plan = kept.service(rule=rules).plan(4)
    assert plan.looked == 10
    assert plan.rules == [
        PlannedRule("CT", "delete", False, 5, 3, 3003),
        PlannedRule("MR", "keep", False, 5, 0, 0),
        PlannedRule("full", "delete", True, 0, 0, 0),
    ]
    told = [(one.study_instance_uid, one.rule, one.stays) for one in plan.studies]
    assert told == [("1.0", "CT", ""), ("1.2", "CT", HELD), ("1.4", "CT", SPARED), ("1.6", "CT", "")]
    assert len(kept.studies) == 10


def test_what_is_held_or_used_stays_and_is_counted(kept: Kept) -> None:
    HoldTable(kept.parts.index).place(Hold("1.2", "ann", "Case 7", 1.0))
    AccessTable(kept.parts.index).note({"1.4": NOW - DAY_S})
    run = kept.service(rule=[CT]).run_here()
    assert (run.deleted, run.held, run.spared, run.failed) == (3, 1, 1, 0)
    assert {"1.2", "1.4"} <= set(kept.studies)


@pytest.mark.parametrize("change", ["held", "accessed", "labelled"])
def test_what_changed_since_it_was_looked_at_counts(kept: Kept, change: str) -> None:
    index = kept.parts.index

    def meet(study: str) -> None:
        if study == "1.0":  # the whole page of facts was read before
            match change:
                case "held":
                    HoldTable(index).place(Hold("1.8", "ann", "Case 7", 1.0))
                case "accessed":
                    AccessTable(index).note({"1.8": NOW})
                case "labelled":
                    LabelTable(index).add("1.8", "teaching", 9)

    kept.meet = meet
    run = kept.service(rule=[rule("keep", "keep", labels=["teaching"]), CT]).run_here()
    assert run.deleted == 4
    assert "1.8" in kept.studies


def test_a_hold_that_comes_at_the_last_moment_is_met_by_the_index(kept: Kept) -> None:
    holds = HoldTable(kept.parts.index)
    kept.meet = lambda study: holds.place(Hold(study, "ann", "Case 7", 1.0)) if study == "1.4" else None
    run = kept.service(rule=[CT]).run_here()
    assert (run.state, run.deleted, run.held) == (RunState.DONE, 4, 1)
    assert "1.4" in kept.studies


def test_a_study_that_cannot_be_deleted_does_not_stop_the_others(kept: Kept) -> None:
    def meet(study: str) -> None:
        if study == "1.4":
            raise OutOfResourcesError("no room")

    kept.meet = meet
    run = kept.service(rule=[CT]).run_here()
    assert (run.state, run.deleted, run.failed, run.error) == (RunState.DONE, 4, 1, "no room")


def test_a_run_that_broke_off_goes_on_where_it_was(kept: Kept) -> None:
    class BrokenError(Exception):
        pass

    def meet(study: str) -> None:
        if study == "1.4":
            raise BrokenError

    kept.meet = meet
    with pytest.raises(BrokenError):
        kept.service(rule=[CT]).run_here()
    (broken,) = RetentionTable(kept.parts.index).runs(9)
    assert (broken.state, broken.deleted, broken.looked) == (RunState.RUNNING, 2, 4)
    kept.meet = lambda _: None
    run = kept.service(rule=[CT]).run_here()
    assert (run.number, run.state, run.looked, run.deleted) == (broken.number, RunState.DONE, 10, 5)


def test_nothing_is_deleted_while_the_audit_trail_cannot_be_written(kept: Kept) -> None:
    def check() -> None:
        raise UnavailableError("the audit journal cannot be written")

    with pytest.raises(UnavailableError):
        kept.service(check, rule=[CT]).run_here()
    assert len(kept.studies) == 10


def test_without_rules_there_is_nothing_to_run_and_nothing_to_stop(kept: Kept) -> None:
    service = kept.service()
    with pytest.raises(InvalidRequestError):
        service.ask()
    with pytest.raises(ConflictError):
        service.stop()


def test_one_process_at_a_time_is_at_work(kept: Kept) -> None:
    service = kept.service(rule=[CT])
    turn = Turn.take(kept.parts.directory / "retention.lock")
    assert turn is not None
    with closing(turn), pytest.raises(ConflictError):
        service.run_here()
    assert len(kept.studies) == 10


def test_a_run_that_was_asked_for_is_done_by_the_thread_whatever_the_hour(kept: Kept) -> None:
    hour = 3 if not within_hours("3-4", NOW) else 5
    service = kept.service(rule=[CT], hours=f"{hour}-{hour + 1}")
    service.start()
    service.ask()
    assert wait_until(lambda: service.runs(1)[0].state is RunState.DONE, 20)
    assert kept.studies == kept.mr


def test_a_run_is_stopped_between_two_studies(kept: Kept) -> None:
    service = kept.service(rule=[CT])
    kept.meet = lambda study: service.stop() if study == "1.2" else None
    run = service.run_here()
    assert (run.state, run.deleted) == (RunState.STOPPED, 2)
    assert "1.4" in kept.studies


def test_rules_that_are_read_anew_hold_at_once_for_a_run_that_is_at_work_too(kept: Kept) -> None:
    service = kept.service(rule=[CT])
    kept.meet = lambda study: service.configure(RetentionConfig()) if study == "1.2" else None
    run = service.run_here()
    assert (run.state, run.deleted, run.looked) == (RunState.DONE, 2, 10)
    assert "1.4" in kept.studies
    with pytest.raises(InvalidRequestError):
        service.ask()
    service.configure(RetentionConfig(rule=(CT,)))
    service.run_here()
    assert kept.studies == kept.mr


def test_a_plan_goes_by_the_rules_that_it_began_with(kept: Kept) -> None:
    service = kept.service(rule=[CT])
    found = service.plan(look=lambda: service.configure(RetentionConfig()))
    assert [one.deleted for one in found.rules] == [5]


def test_rules_are_carried_out_by_themselves_once_it_is_time(kept: Kept) -> None:
    service = kept.service(rule=[CT], automatic=True, every_hours=24)
    service.start()
    assert wait_until(lambda: [one.state for one in service.runs(9)] == [RunState.DONE], 20)
    assert service.runs(1)[0].asked_by == ""
    kept.now = NOW + 2 * DAY_S
    assert wait_until(lambda: len(service.runs(9)) == 2, 20)


def test_nothing_begins_by_itself_outside_of_the_hours_or_unless_it_is_wanted(kept: Kept) -> None:
    hour = 3 if not within_hours("3-4", NOW) else 5
    for settings in ({"automatic": True, "hours": f"{hour}-{hour + 1}"}, {"automatic": False}):
        service = kept.service(rule=[CT], **settings)
        service.start()
        for _ in range(2):  # what is noted is written before it looks for work; the second time it has looked once
            service.notes.note("1.1")
            assert wait_until(lambda: service.notes.waiting == 0, 20)  # noqa: B023
        service.close()
    assert RetentionTable(kept.parts.index).runs(9) == []
    assert len(kept.studies) == 10


def test_the_throttle_lets_studies_pass_evenly() -> None:
    waits: list[float] = []

    class Ended(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout or 0.0)
            return False

    throttle = Throttle(30, Ended(), lambda: 100.0)
    for _ in range(3):
        throttle.wait()
    assert waits == [2.0, 4.0]


# Room


def quota(kept: Kept, limit: int, percent: int = 50) -> Quota:
    """A quota over the archive."""
    made = Quota(
        limit,
        percent,
        lambda: int(kept.parts.index.fetch("SELECT coalesce(sum(size_bytes), 0) FROM instance", {})[0][0]),
    )
    made.look()
    return made


def test_room_is_made_by_what_was_used_longest_ago(kept: Kept) -> None:
    AccessTable(kept.parts.index).note({"1.0": NOW - 10 * DAY_S, "1.4": NOW - 20 * DAY_S})
    kept.quota = quota(kept, 14_000)  # ten studies of 1,001 bytes; more than 7,000 is near
    service = kept.service(rule=[rule("CT", modalities=["CT"], when_full=True)])
    service.start()
    assert wait_until(lambda: len(kept.studies) == 6, 20)
    service.close()
    assert set(kept.studies) == {"1.0", *kept.mr}
    assert kept.done_for == ["retention rule CT"] * 4
    assert kept.quota.excess_bytes <= 0
    assert service.runs(9) == []


def test_without_a_rule_for_it_nothing_is_deleted_to_make_room(kept: Kept) -> None:
    kept.quota = quota(kept, 5_000)
    service = kept.service(rule=[CT])
    service.carry_out()
    assert len(kept.studies) == 10


def test_with_the_quota_reached_nothing_is_taken(kept: Kept, tmp_path: Path) -> None:
    room, small = Room(tmp_path, 0), quota(kept, 10_010)
    room.quota = small.check
    with pytest.raises(OutOfResourcesError, match="quota_bytes"):
        room.check()
    small.removed(1001)
    figures = room.check()
    assert (figures["kept_bytes"], figures["quota_bytes"]) == (9_009, 10_010)
    small.hear(InstanceStored(record("P", 11, 1, 1), replaced=False))
    with pytest.raises(OutOfResourcesError):
        room.check()
    room.quota = Quota(0, 90, lambda: 1 << 60).check
    assert "quota_bytes" not in room.check()


def test_a_sum_that_takes_long_is_made_rarely() -> None:
    times = iter([0.0, 10.0, 100.0, 199.0, 201.0, 202.0])
    sums = iter(range(1, 9))
    small = Quota(100, 90, lambda: next(sums), lambda: next(times))
    for _ in range(4):
        small.look()
    assert small.used_bytes == 2


# Times of access


def test_times_gather_in_memory_and_are_written_together(kept: Kept) -> None:
    notes = AccessNotes(AccessTable(kept.parts.index), lambda: kept.now)
    before = kept.parts.index.generation()
    for study in ("1.1", "1.2", "1.1", "9.9"):
        notes.note(study)
    assert kept.parts.index.generation() == before
    assert (notes.write(), notes.write()) == (3, 0)
    facts = {one.study_instance_uid: one.accessed_at for one in RetentionTable(kept.parts.index).page(0, 99)}
    assert {uid for uid, at in facts.items() if at == NOW} == {"1.1", "1.2"}


def test_times_that_cannot_be_written_wait(kept: Kept) -> None:
    notes = AccessNotes(AccessTable(kept.parts.index), lambda: kept.now)
    notes.note("1.1")
    with kept.parts.index.writing(), pytest.raises(Exception, match="busy"):
        _in_a_thread(notes.write)
    assert notes.write() == 1


def test_memory_for_times_is_bounded(kept: Kept) -> None:
    notes = AccessNotes(AccessTable(kept.parts.index))
    for number in range(WAITING + 5):
        notes.note(f"1.{number}")
    notes.note("1.1")
    assert notes.write() == WAITING


def _in_a_thread(work: Callable[[], object]) -> None:
    """Do something in another thread; raise what it raises."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
