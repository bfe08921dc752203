"""What every adapter of `ports.jobs.JobRows` does; a test module derives and gives it an empty table."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import pytest

from archimage.model.access import Grant, Operation, Principal, Scope
from archimage.model.callers import Caller
from archimage.model.jobs import Job, JobState, NewJob, Origin, Priority, Steps
from archimage.ports.jobs import End, Hold, JobRows, Lane, Wanted

NOBODY: Final = Origin()
KINDS: Final = {"send": 1, "fetch": 2}
SEND_A: Final = Lane("send", "A")
ME: Final = Hold("me", 100.0)
DONE: Final = End(JobState.DONE, 50.0, 1, Steps(2, 2), result={"sent": [1, 2]})


def _new(title: str = "one", **how: Any) -> NewJob:
    return replace(NewJob("send", title, {"of": title}, "A"), **how)


def _add(jobs: JobRows, *added: NewJob, now: float = 0.0) -> Sequence[int]:
    return jobs.add(added, NOBODY, now)


def _taken(jobs: JobRows, lane: Lane = SEND_A, at_once: int = 1, hold: Hold = ME, now: float = 1.0) -> Job | None:
    return jobs.take(lane, at_once, hold, now)


def _take(jobs: JobRows, lane: Lane = SEND_A, at_once: int = 1, hold: Hold = ME, now: float = 1.0) -> Job:
    taken = _taken(jobs, lane, at_once, hold, now)
    assert taken is not None
    return taken


def _state(jobs: JobRows, number: int) -> JobState:
    found = jobs.get(number)
    assert found is not None
    return found.state


class JobsContract:
    """The tests."""

    def test_what_waits_is_held_by_whoever_does_it_himself_though_it_is_not_due(self, jobs: JobRows) -> None:
        (number,) = _add(jobs, _new(after_s=60.0))
        held = jobs.hold(number, ME, 1.0)
        assert held is not None
        assert (held.state, held.attempts, held.started_at, held.due_at) == (JobState.RUNNING, 1, 1.0, 1.0)
        assert jobs.held("me") == [number]
        assert jobs.hold(number, Hold("you", 200.0), 2.0) is None
        assert jobs.hold(number + 1, ME, 2.0) is None
        assert _taken(jobs, now=99.0) is None

    def test_all_that_is_held_is_let_go_of_where_nobody_else_is_there(self, jobs: JobRows) -> None:
        first, second, third = _add(jobs, _new(), _new(destination="B"), _new(kind="fetch"))
        _take(jobs)
        jobs.hold(second, Hold("you", 200.0), 1.0)
        assert jobs.release_all() == 2
        assert {_state(jobs, number) for number in (first, second, third)} == {JobState.WAITING}
        assert jobs.held("me") == jobs.held("you") == []
        assert jobs.release_all() == 0

    def test_what_was_added_is_found_the_newest_first(self, jobs: JobRows) -> None:
        first, second = _add(jobs, _new("one", priority=Priority.HIGH, key="k"), _new("two"), now=5.0)
        assert [job.id for job in jobs.find(Wanted())] == [second, first]
        assert jobs.get(first) == Job(
            first, "send", "one", {"of": "one"}, "A", 10, "k", JobState.WAITING, created_at=5.0, due_at=5.0
        )
        assert jobs.get(second + 1) is None
        assert [job.id for job in jobs.find(Wanted(before=second))] == [first]
        assert [job.id for job in jobs.find(Wanted(limit=1))] == [second]

    def test_it_is_found_by_kind_state_and_destination(self, jobs: JobRows) -> None:
        first, second = _add(jobs, _new(), _new(kind="fetch", destination="B"))
        assert [job.id for job in jobs.find(Wanted(kind="send"))] == [first]
        assert [job.id for job in jobs.find(Wanted(destination="B"))] == [second]
        _take(jobs)
        assert [job.id for job in jobs.find(Wanted(state=JobState.RUNNING))] == [first]
        assert sorted(jobs.counts()) == [("fetch", JobState.WAITING, 1), ("send", JobState.RUNNING, 1)]

    def test_who_asked_and_what_he_was_granted_is_kept(self, jobs: JobRows) -> None:
        scope = Scope(studies=frozenset({"1.2"}), labels=frozenset({"a", "b"}))
        grant = Grant(Operation.MOVE_TO, ((scope,), ()), frozenset({"A"}))
        caller = Caller("web", "7", Principal("10.0.0.1", user="ann", token="t"))
        (number,) = jobs.add([_new()], Origin(caller, grant, "00-ab-cd-01"), 0.0)
        found = jobs.get(number)
        assert found is not None
        assert found.origin == Origin(caller, grant, "00-ab-cd-01")
        assert found.origin.owner == "t"

    def test_pages_of_what_somebody_asked_for_are_full(self, jobs: JobRows) -> None:
        ann = Origin(Caller("web", "1", Principal(user="ann")))
        own: list[int] = []
        for _ in range(5):
            own += jobs.add([_new()], ann, 0.0)
            _add(jobs, *[_new() for _ in range(7)])
        found: list[int] = []
        while page := jobs.find(Wanted(owner="ann", limit=2, before=min(found, default=None))):
            assert len(page) == min(2, 5 - len(found))
            found += [job.id for job in page]
        assert found == own[::-1]
        assert len(jobs.find(Wanted(owner=""))) == 35
        assert jobs.find(Wanted(owner="ann", kind="fetch")) == []
        assert jobs.name_owners() == 0

    def test_what_somebody_asked_for_is_counted_alone(self, jobs: JobRows) -> None:
        ann = Origin(Caller("web", "1", Principal(user="ann")))
        jobs.add([_new(), _new(), _new(kind="fetch", destination="B")], ann, 0.0)
        _add(jobs, _new(), _new(kind="find"))
        _take(jobs)
        waiting, running = JobState.WAITING, JobState.RUNNING
        counted = sorted(jobs.counts("ann"))
        assert counted == [("fetch", waiting, 1), ("send", running, 1), ("send", waiting, 1)]
        assert sorted(jobs.counts("")) == [("find", waiting, 1), ("send", waiting, 1)]
        assert jobs.counts("bob") == []
        assert ("send", waiting, 2) in jobs.counts()

    def test_of_a_key_there_is_one_that_has_not_ended(self, jobs: JobRows) -> None:
        (number,) = _add(jobs, _new(key="k"))
        assert _add(jobs, _new("again", key="k"), _new("other", key="l"))[0] == number
        assert _add(jobs, _new(kind="fetch", key="k"))[0] != number
        _take(jobs)
        assert jobs.end(number, "me", DONE)
        assert _add(jobs, _new(key="k"))[0] != number

    def test_the_first_is_that_of_the_highest_priority_and_then_the_oldest(self, jobs: JobRows) -> None:
        low, one, two, high = _add(jobs, *(_new(priority=priority) for priority in (0, 5, 5, 10)))
        assert [_take(jobs, at_once=9).id for _ in range(4)] == [high, one, two, low]

    def test_no_more_of_a_lane_are_taken_than_may_be(self, jobs: JobRows) -> None:
        _add(jobs, _new(), _new(), _new(), _new(destination="B"))
        assert _taken(jobs, at_once=2) is not None
        assert _taken(jobs, at_once=2, hold=Hold("you", 100.0)) is not None
        assert _taken(jobs, at_once=2) is None
        assert _taken(jobs, Lane("send", "B")) is not None
        assert _taken(jobs, Lane("send", "C")) is None
        assert jobs.lanes({"send": 2}, 1.0) == []
        assert jobs.lanes({"send": 3}, 1.0) == [SEND_A]

    def test_the_most_urgent_lane_is_first_and_what_is_not_due_is_in_none(self, jobs: JobRows) -> None:
        _add(jobs, _new(), _new(destination="B", priority=9), _new(destination="C", after_s=10), _new(kind="other"))
        assert jobs.lanes(KINDS, 1.0) == [Lane("send", "B"), SEND_A]
        assert jobs.next_due(tuple(KINDS), 1.0) == 10.0
        assert jobs.lanes(KINDS, 10.0)[-1] == Lane("send", "C")
        assert _taken(jobs, Lane("send", "C"), now=9.0) is None

    def test_what_is_not_held_any_more_is_due(self, jobs: JobRows) -> None:
        (number,) = _add(jobs, _new())
        _take(jobs)
        assert jobs.next_due((), 1.0) == 100.0
        jobs.renew([number], Hold("me", 200.0))
        jobs.renew([number], Hold("you", 900.0))
        assert jobs.lanes(KINDS, 150.0) == []
        assert jobs.lanes(KINDS, 200.0) == [SEND_A]
        taken = _take(jobs, hold=Hold("you", 300.0), now=200.0)
        assert (taken.id, taken.attempts) == (number, 2)
        assert not jobs.reach(number, "me", 3)
        assert not jobs.end(number, "me", DONE)
        assert (jobs.held("me"), jobs.held("you")) == ([], [number])

    def test_what_a_worker_held_that_is_no_more_is_due(self, jobs: JobRows) -> None:
        (number,) = _add(jobs, _new())
        _take(jobs)
        assert (jobs.release("you"), jobs.release("me")) == (0, 1)
        assert _take(jobs, hold=Hold("you", 100.0)).id == number

    def test_how_far_it_is_stays_with_it(self, jobs: JobRows) -> None:
        (number,) = _add(jobs, _new())
        _take(jobs)
        jobs.note("me", {number: Steps(3, 9, "on it")})
        jobs.note("you", {number: Steps(8, 9)})
        assert jobs.reach(number, "me", {"studies": 1})
        assert jobs.end(number, "me", End(JobState.WAITING, None, 1, Steps(4, 9), 60.0, error="gone", next="wait"))
        assert _taken(jobs, now=59.0) is None
        found = _take(jobs, now=60.0)
        assert (found.done, found.total, found.reached, found.error) == (4, 9, {"studies": 1}, "gone")
        assert (found.next, found.attempts) == ("wait", 2)

    def test_what_has_ended_tells_what_came_of_it(self, jobs: JobRows) -> None:
        (number,) = _add(jobs, _new())
        _take(jobs)
        assert jobs.end(number, "me", DONE)
        found = jobs.get(number)
        assert found is not None
        assert (found.state, found.ended_at, found.result) == (JobState.DONE, 50.0, {"sent": [1, 2]})
        assert jobs.forget(50.0) == 0
        assert jobs.forget(51.0) == 1

    @pytest.mark.parametrize("state", [JobState.PAUSED, JobState.CANCELLED])
    def test_what_is_taken_away_while_it_runs_is_nobodys(self, jobs: JobRows, state: JobState) -> None:
        (number,) = _add(jobs, _new(key="k"))
        _take(jobs)
        assert jobs.turn(number, [JobState.RUNNING], state, 9.0)
        assert jobs.held("me") == []
        assert not jobs.end(number, "me", DONE)
        assert _state(jobs, number) is state
        assert (_add(jobs, _new(key="k"))[0] == number) is (state is JobState.PAUSED)

    def test_what_was_paused_goes_on(self, jobs: JobRows) -> None:
        (number,) = _add(jobs, _new())
        assert jobs.turn(number, [JobState.WAITING], JobState.PAUSED, 2.0)
        assert _taken(jobs) is None
        assert not jobs.turn(number, [JobState.WAITING, JobState.DONE], JobState.CANCELLED, 2.0)
        assert jobs.turn(number, [JobState.PAUSED], JobState.WAITING, 3.0)
        assert _take(jobs, now=3.0).id == number

    def test_what_failed_is_begun_anew_unless_another_one_of_its_key_is_there(self, jobs: JobRows) -> None:
        (number,) = _add(jobs, _new(key="k"))
        _take(jobs)
        jobs.end(number, "me", End(JobState.FAILED, 5.0, 1, Steps(), error="why"))
        (other,) = _add(jobs, _new(key="k"))
        again = ([JobState.FAILED], JobState.WAITING, 9.0)
        assert not jobs.turn(number, *again)
        assert jobs.turn(other, [JobState.WAITING], JobState.CANCELLED, 9.0)
        assert jobs.turn(number, *again)
        found = jobs.get(number)
        assert found is not None
        assert (found.state, found.attempts, found.error, found.ended_at) == (JobState.WAITING, 0, "", None)
        assert _add(jobs, _new(key="k"))[0] == number

    def test_a_lane_that_is_paused_is_left_alone(self, jobs: JobRows) -> None:
        jobs.pause(SEND_A)
        (number,) = _add(jobs, _new())
        assert jobs.paused() == [SEND_A]
        assert jobs.lanes(KINDS, 1.0) == []
        assert _taken(jobs) is None
        assert (jobs.resume(SEND_A), jobs.resume(SEND_A), jobs.paused()) == (True, False, [])
        assert _take(jobs).id == number

    def test_what_failed_is_not_forgotten(self, jobs: JobRows) -> None:
        (number,) = _add(jobs, _new())
        _take(jobs)
        jobs.end(number, "me", End(JobState.FAILED, 5.0, 1, Steps()))
        assert jobs.forget(1_000.0) == 0
