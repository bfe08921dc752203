"""Jobs are done once their turn comes, tried again, paused, cancelled and gone on with."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from archimage.errors import (
    BlobNotFoundError,
    CancelledError,
    ConflictError,
    InvalidPixelDataError,
    InvalidRequestError,
    NotFoundError,
    OutOfResourcesError,
    PeerFailedError,
    UnavailableError,
)
from archimage.index.jobs import JobTable
from archimage.index.sqlite import SqliteIndex
from archimage.jobs.plain import PlainLanes
from archimage.model.access import Grant, Principal, Scope
from archimage.model.callers import Caller, DoneFor, current, granted, under
from archimage.model.events import TaskChanged
from archimage.model.jobs import Job, JobState, JsonValue, NewJob
from archimage.model.tasks import TaskState
from archimage.ports.jobs import Hold, Lane, Progress, Rules, Wanted
from archimage.services.events import EventHub
from archimage.services.job_progress import is_final, wait_s
from archimage.services.job_work import LANES
from archimage.services.jobs import JobService, JobTasks
from archimage.services.tasks import TaskService
from archimage.web.errors import explain
from tests.attacks.server import wait_until

_WITHIN_S = 20.0
_AT_ONCE = Rules(first_s=0.0, attempts=3)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[SqliteIndex]:
    with closing(SqliteIndex(tmp_path / "index.db", durable=False)) as found:
        yield found


@pytest.fixture
def jobs(index: SqliteIndex) -> Iterator[JobService]:
    """Jobs that are done once `begin` was called."""
    with closing(JobService(JobTable(index), EventHub(), explain)) as found:
        yield found


def begin(jobs: JobService) -> None:
    jobs.start(lambda: PlainLanes(LANES))


def ended(jobs: JobService, number: int) -> Job:
    assert wait_until(lambda: jobs.get(number).state.ended, _WITHIN_S), jobs.get(number)
    return jobs.get(number)


def doing(work: Callable[[Job, Progress], JsonValue], *, rules: Rules = _AT_ONCE, jobs: JobService) -> None:
    jobs.register("work", work, rules)
    begin(jobs)


def test_a_job_is_done_and_tells_what_came_of_it(jobs: JobService) -> None:
    def work(job: Job, progress: Progress) -> JsonValue:
        progress.tell(1, 2, "half")
        return {"given": job.payload}

    doing(work, jobs=jobs)
    job = ended(jobs, jobs.submit("work", "Work", {"a": [1]}, destination="A"))
    assert (job.state, job.result, job.attempts) == (JobState.DONE, {"given": {"a": [1]}}, 1)
    assert (job.done, job.total, job.message) == (1, 2, "half")
    assert jobs.counts() == {"work": {"done": 1}}


def test_what_was_submitted_before_the_start_is_done(jobs: JobService) -> None:
    number = jobs.submit("work", "Work")
    doing(lambda *_: 7, jobs=jobs)
    assert ended(jobs, number).result == 7


def test_a_job_is_done_for_whoever_asked_and_as_far_as_he_may(jobs: JobService) -> None:
    seen: list[object] = []
    doing(lambda *_: seen.extend((current(), granted())), jobs=jobs)
    caller, grant = Caller("web", "1", Principal("10.0.0.1", user="ann")), Grant(within=((Scope(),),))
    with DoneFor(caller), under(grant):
        number = jobs.submit("work", "Work")
        assert jobs.get(number).origin.owner == "ann"
    ended(jobs, number)
    assert seen == [caller, grant]
    with under(grant):
        assert jobs.find(Wanted()) == []
        with pytest.raises(NotFoundError):
            jobs.cancel(number)


def test_who_may_see_a_part_gets_full_pages_of_his_own(jobs: JobService) -> None:
    ann, bob = (Caller("web", "1", Principal(user=name)) for name in ("ann", "bob"))
    for caller in (ann, ann, ann, bob, bob, bob, bob):
        with DoneFor(caller):
            jobs.submit("work", f"Work of {caller.user}")
    with DoneFor(ann), under(Grant(within=((Scope(),),))):
        page = jobs.find(Wanted(limit=2))
        assert [job.origin.owner for job in page] == ["ann", "ann"]
        assert [job.origin.owner for job in jobs.find(Wanted(limit=2, before=page[-1].id))] == ["ann"]
    with DoneFor(ann):
        assert [job.origin.owner for job in jobs.find(Wanted(limit=2))] == ["bob", "bob"]


def test_who_may_see_a_part_counts_his_own_and_the_archive_itself_all(jobs: JobService) -> None:
    everything = {"work": {"waiting": 2}, "fetch": {"waiting": 1}}
    for kind, name in (("work", "ann"), ("work", "bob"), ("fetch", "bob")):
        with DoneFor(Caller("web", "1", Principal(user=name))):
            jobs.submit(kind, "Work")
    with DoneFor(Caller("web", "1", Principal(user="ann"))):
        assert jobs.counts_found() == everything
        with under(Grant(within=((Scope(),),))):
            assert jobs.counts_found() == {"work": {"waiting": 1}}
            assert jobs.counts() == everything
    with under(Grant(within=((Scope(),),))):
        assert jobs.counts_found() == {}


def test_what_a_node_of_the_release_before_has_kept_is_found_by_who_asked(jobs: JobService, tmp_path: Path) -> None:
    ann = Caller("web", "1", Principal(user="ann"))
    with DoneFor(ann):
        numbers = jobs.submit_all([NewJob("work", "Work", destination="A")] * 3)
    jobs.submit("work", "Work")
    with closing(sqlite3.connect(tmp_path / "index.db")) as older, older:
        older.execute("UPDATE job SET owner = NULL")
    begin(jobs)
    with DoneFor(ann), under(Grant(within=((Scope(),),))):
        assert wait_until(lambda: [job.id for job in jobs.find(Wanted())] == list(reversed(numbers)), _WITHIN_S)


def test_a_kind_that_is_not_known_is_not_paused(jobs: JobService) -> None:
    for kind in ("send", "fetch"):
        jobs.register(kind, lambda *_: None)
    jobs.submit("elsewhere", "Work of another node")
    for deed in (jobs.pause_lane, jobs.resume_lane):
        with pytest.raises(InvalidRequestError, match="'sned' is no kind of job; one of elsewhere, fetch, send is"):
            deed(Lane("sned", "A"))
    assert jobs.paused_lanes() == []
    jobs.pause_lane(Lane("elsewhere", ""))
    assert jobs.paused_lanes() == [Lane("elsewhere", "")]


def test_what_fails_for_now_is_tried_again_and_goes_on_where_it_was(jobs: JobService) -> None:
    begun: list[JsonValue] = []

    def work(job: Job, progress: Progress) -> JsonValue:
        begun.append(job.reached)
        if len(begun) < 6:
            progress.reach(len(begun))
            raise PeerFailedError("nobody is there", next_step="look")
        return "done"

    doing(work, jobs=jobs)
    job = ended(jobs, jobs.submit("work", "Work"))
    assert (job.state, begun) == (JobState.DONE, [None, 1, 2, 3, 4, 5])  # who gets on is not given up


def test_what_fails_again_and_again_fails_for_good(jobs: JobService) -> None:
    tries: list[int] = []

    def work(job: Job, _: Progress) -> JsonValue:
        tries.append(job.attempts)
        raise PeerFailedError("nobody is there", next_step="look")

    doing(work, jobs=jobs)
    number = jobs.submit("work", "Work")
    job = ended(jobs, number)
    assert (job.state, job.error, job.next, tries) == (JobState.FAILED, "nobody is there", "look", [1, 2, 3])
    jobs.retry(number)
    assert wait_until(lambda: len(tries) == 6, _WITHIN_S)


def test_who_begins_from_the_start_has_not_got_on(jobs: JobService) -> None:
    def work(_: Job, progress: Progress) -> JsonValue:
        progress.reach(1)
        progress.reach(None)
        raise PeerFailedError("it takes none")

    doing(work, jobs=jobs)
    job = ended(jobs, jobs.submit("work", "Work"))
    assert (job.state, job.attempts) == (JobState.FAILED, 3)


def test_what_would_fail_again_is_not_tried_again(jobs: JobService) -> None:
    def work(_job: Job, _progress: Progress) -> JsonValue:
        raise NotFoundError("it is gone")

    doing(work, jobs=jobs)
    job = ended(jobs, jobs.submit("work", "Work"))
    assert (job.state, job.attempts, job.error) == (JobState.FAILED, 1, "it is gone")


@pytest.mark.parametrize(
    ("error", "final"),
    [
        (UnavailableError(), False),
        (OutOfResourcesError(), False),
        (BlobNotFoundError(), False),
        (ConnectionResetError(), False),
        (PeerFailedError(), False),
        (PeerFailedError(is_final=True), True),
        (NotFoundError(), True),
        (InvalidPixelDataError(), True),
        (KeyError(), True),
    ],
)
def test_whether_trying_again_helps(error: Exception, final: bool) -> None:
    assert is_final(error) is final


def test_waits_double_up_to_the_longest() -> None:
    rules = Rules(first_s=5.0, most_s=30.0)
    assert [wait_s(rules, tries) for tries in (1, 2, 3, 4, 99)] == [5, 10, 20, 30, 30]


def test_a_job_waits_for_its_next_try(index: SqliteIndex) -> None:
    now = 1_000.0
    with closing(JobService(JobTable(index), EventHub(), explain, now=lambda: now)) as jobs:
        tries: list[int] = []

        def work(job: Job, _: Progress) -> JsonValue:
            tries.append(job.attempts)
            raise PeerFailedError("nobody")

        doing(work, rules=Rules(first_s=60.0), jobs=jobs)
        number = jobs.submit("work", "Work")
        assert wait_until(lambda: jobs.get(number).error == "nobody", _WITHIN_S)
        job = jobs.get(number)
        assert (job.state, job.due_at, job.as_task().message) == (JobState.WAITING, 1_060.0, "nobody")
        now = 1_061.0
        jobs.worker.wake()
        assert wait_until(lambda: len(tries) == 2, _WITHIN_S)


class Gate:
    """Work that waits until it is let go on, or is to end."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.at_work = 0
        self.most = 0
        self.order: list[JsonValue] = []
        self._lock = threading.Lock()

    def work(self, job: Job, progress: Progress) -> JsonValue:
        with self._lock:
            self.at_work += 1
            self.most = max(self.most, self.at_work)
            self.order.append(job.payload)
        try:
            progress.reach("begun")
            while not self.open.wait(0.01):
                progress.check()
        finally:
            with self._lock:
                self.at_work -= 1
        return "through"


def test_so_many_are_at_work_for_a_destination_as_may_be(jobs: JobService) -> None:
    gate = Gate()
    doing(gate.work, rules=Rules(at_once=2), jobs=jobs)
    numbers = jobs.submit_all([NewJob("work", "Work", destination="A") for _ in range(6)])
    elsewhere = jobs.submit("work", "Work", destination="B")
    assert wait_until(lambda: gate.at_work == 3, _WITHIN_S)
    assert [jobs.get(number).state for number in numbers].count(JobState.RUNNING) == 2
    assert jobs.get(elsewhere).state is JobState.RUNNING
    gate.open.set()
    assert all(ended(jobs, number).result == "through" for number in (*numbers, elsewhere))
    assert gate.most == 3


def test_the_most_urgent_is_done_first(jobs: JobService) -> None:
    gate = Gate()
    gate.open.set()
    jobs.submit_all([NewJob("work", "Work", priority, "A", priority) for priority in (0, 5, 10, 5)])
    doing(gate.work, jobs=jobs)
    assert wait_until(lambda: len(gate.order) == 4, _WITHIN_S)
    assert gate.order == [10, 5, 5, 0]


def test_what_runs_is_paused_and_goes_on_where_it_was(jobs: JobService) -> None:
    gate = Gate()
    doing(gate.work, jobs=jobs)
    number = jobs.submit("work", "Work")
    assert wait_until(lambda: jobs.get(number).reached == "begun", _WITHIN_S)
    assert jobs.pause(number).state is JobState.PAUSED
    assert wait_until(lambda: gate.at_work == 0, _WITHIN_S)
    assert jobs.get(number).as_task().state is TaskState.QUEUED
    gate.open.set()
    with pytest.raises(ConflictError):
        jobs.retry(number)
    jobs.resume(number)
    assert ended(jobs, number).result == "through"
    for deed in (jobs.pause, jobs.resume, jobs.retry):
        with pytest.raises(ConflictError):
            deed(number)
    assert jobs.cancel(number).state is JobState.DONE


def test_what_people_do_with_jobs_is_told(jobs: JobService) -> None:
    told: list[tuple[str, int | Lane]] = []
    jobs.told = lambda deed, what: told.append((deed, what.id if isinstance(what, Job) else what))
    number, lane = jobs.submit("work", "Work"), Lane("work", "A")
    for deed in (jobs.pause, jobs.resume, jobs.cancel, jobs.cancel, jobs.retry):
        deed(number)
    jobs.pause_lane(lane)
    jobs.resume_lane(lane)
    with pytest.raises(ConflictError):
        jobs.resume(number)
    deeds = ["paused", "resumed", "cancelled", "retried"]
    assert told == [*((deed, number) for deed in deeds), ("paused", lane), ("resumed", lane)]


def test_what_another_process_cancels_ends_here(index: SqliteIndex, jobs: JobService) -> None:
    gate = Gate()
    doing(gate.work, jobs=jobs)
    number = jobs.submit("work", "Work")
    assert wait_until(lambda: gate.at_work == 1, _WITHIN_S)
    with closing(JobService(JobTable(index), EventHub(), explain)) as other:
        assert other.cancel(number).state is JobState.CANCELLED
    assert wait_until(lambda: gate.at_work == 0, _WITHIN_S)
    assert jobs.get(number).state is JobState.CANCELLED


def test_what_is_at_work_when_the_process_ends_is_gone_on_with_by_the_next(index: SqliteIndex) -> None:
    gate = Gate()
    with closing(JobService(JobTable(index), EventHub(), explain)) as first:
        doing(gate.work, jobs=first)
        number = first.submit("work", "Work")
        assert wait_until(lambda: gate.at_work == 1, _WITHIN_S)
    left = JobTable(index).get(number)
    assert left is not None
    assert (left.state, left.attempts, left.reached) == (JobState.WAITING, 0, "begun")
    gate.open.set()
    with closing(JobService(JobTable(index), EventHub(), explain)) as second:
        doing(gate.work, jobs=second)
        assert ended(second, number).attempts == 1


def test_what_kills_its_process_again_and_again_is_given_up(index: SqliteIndex) -> None:
    now = time.time()
    table = JobTable(index)
    with closing(JobService(table, EventHub(), explain, now=lambda: now)) as jobs:
        number = jobs.submit("work", "Work")
        for _ in range(3):
            assert table.take(Lane("work", ""), 1, Hold("dead", now - 1), now) is not None
            table.release("dead")
        doing(lambda *_: "never", jobs=jobs)
        job = ended(jobs, number)
    assert job.state is JobState.FAILED
    assert "none was heard of again" in job.error


def test_a_job_that_is_not_ours_raises_where_it_keeps_how_far_it_is(index: SqliteIndex, jobs: JobService) -> None:
    raised = threading.Event()

    def work(job: Job, progress: Progress) -> JsonValue:
        JobTable(index).turn(job.id, [JobState.RUNNING], JobState.PAUSED, 1.0)
        try:
            progress.reach(1)
        except CancelledError:
            raised.set()
            raise
        return None

    doing(work, jobs=jobs)
    number = jobs.submit("work", "Work")
    assert raised.wait(_WITHIN_S)
    assert jobs.get(number).state is JobState.PAUSED


def test_all_jobs_for_a_destination_are_paused_and_resumed(jobs: JobService) -> None:
    doing(lambda *_: "done", jobs=jobs)
    lane = Lane("work", "A")
    jobs.pause_lane(lane)
    number, other = jobs.submit("work", "Work", destination="A"), jobs.submit("work", "Work", destination="B")
    ended(jobs, other)
    assert (jobs.get(number).state, jobs.paused_lanes()) == (JobState.WAITING, [lane])
    jobs.resume_lane(lane)
    assert ended(jobs, number).result == "done"
    with pytest.raises(ConflictError):
        jobs.resume_lane(lane)


def test_jobs_are_told_among_the_tasks(index: SqliteIndex) -> None:
    events = EventHub()
    gate = Gate()
    with (
        closing(JobService(JobTable(index), events, explain)) as jobs,
        closing(TaskService(events, explain, lasting=JobTasks(jobs))) as tasks,
    ):
        doing(gate.work, jobs=jobs)
        number = jobs.submit("work", "Work")
        ours = tasks.start("short", "Short", lambda _: None)
        name = jobs.get(number).task_id
        assert {task.id for task in tasks.list()} == {name, ours.id}
        assert wait_until(lambda: tasks.get(name).state is TaskState.RUNNING, _WITHIN_S)
        assert tasks.cancel(name).state is TaskState.CANCELLED
        told = [one.event.task.state for one in events.since(0).told if isinstance(one.event, TaskChanged)]
        assert TaskState.CANCELLED in told
        with pytest.raises(NotFoundError):
            tasks.get(f"{number + 1:032x}")
