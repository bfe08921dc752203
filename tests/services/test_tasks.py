"""Work in the background goes on by itself, says how far it is, and ends as it is told to."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from archimage.errors import InvalidRequestError, NotFoundError, UnavailableError
from archimage.model.events import TaskChanged
from archimage.model.tasks import Task, TaskState
from archimage.services.events import EventHub
from archimage.services.tasks import WAITING, Progress, TaskService
from archimage.web.errors import explain
from tests.attacks.server import wait_until


@pytest.fixture
def events() -> EventHub:
    return EventHub()


@pytest.fixture
def tasks(events: EventHub) -> Iterator[TaskService]:
    with closing(TaskService(events, explain, threads=1, kept=3)) as service:
        yield service


def ended(tasks: TaskService, task: Task) -> Task:
    """Wait for the end of a task."""
    wait_until(lambda: tasks.get(task.id).state.ended, 20)
    return tasks.get(task.id)


def failing(error: Exception) -> Callable[[Progress], None]:
    """Make work that fails."""

    def work(_progress: Progress) -> None:
        raise error

    return work


def test_a_task_tells_how_far_it_is_and_what_came_of_it(tasks: TaskService) -> None:
    go_on = threading.Event()

    def work(progress: Progress) -> int:
        progress.tell(1, 2, "half")
        go_on.wait(20)
        progress.tell(2, 2)
        return 42

    task = tasks.start("count", "Counting", work)
    wait_until(lambda: tasks.get(task.id).done == 1, 20)
    running = tasks.get(task.id)
    assert (running.state, running.total, running.message, running.ended) == (TaskState.RUNNING, 2, "half", None)
    go_on.set()
    done = ended(tasks, task)
    assert (done.state, done.done, done.result, done.error) == (TaskState.DONE, 2, 42, "")
    assert done.ended is not None
    assert done.ended >= done.started


def test_a_failure_is_explained(tasks: TaskService) -> None:
    task = ended(tasks, tasks.start("fail", "Failing", failing(InvalidRequestError("the colour is wrong"))))
    assert task.state is TaskState.FAILED
    assert task.error == "the colour is wrong"
    assert task.next


def test_a_bug_fails_its_task_and_tells_nothing_from_inside(tasks: TaskService) -> None:
    task = ended(tasks, tasks.start("fail", "Failing", failing(KeyError("/secret/path"))))
    assert task.state is TaskState.FAILED
    assert "secret" not in task.error + task.next
    assert ended(tasks, tasks.start("more", "More", lambda _: None)).state is TaskState.DONE


def test_a_running_task_ends_when_it_next_tells_how_far_it_is(tasks: TaskService) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def work(progress: Progress) -> None:
        begun.set()
        go_on.wait(20)
        progress.tell(1)

    task = tasks.start("long", "Long", work)
    assert begun.wait(20)
    waiting = tasks.start("short", "Short", lambda _: None)
    assert tasks.cancel(waiting.id).state is TaskState.CANCELLED
    assert tasks.cancel(task.id).state is TaskState.RUNNING
    go_on.set()
    assert ended(tasks, task).state is TaskState.CANCELLED
    assert ended(tasks, waiting).started == waiting.started


def test_a_task_that_has_ended_cannot_be_cancelled(tasks: TaskService) -> None:
    task = ended(tasks, tasks.start("short", "Short", lambda _: "done"))
    assert tasks.cancel(task.id) == task


def test_the_oldest_that_have_ended_are_forgotten(tasks: TaskService) -> None:
    started = [ended(tasks, tasks.start("short", str(number), lambda _: None)) for number in range(5)]
    assert [task.title for task in tasks.list()] == ["4", "3", "2"]
    with pytest.raises(NotFoundError):
        tasks.get(started[0].id)


def test_with_too_many_that_wait_no_other_is_begun(tasks: TaskService) -> None:
    go_on = threading.Event()
    begun = [tasks.start("test", "waits", lambda _: go_on.wait(20)) for _ in range(WAITING)]
    with pytest.raises(UnavailableError, match=str(WAITING)):
        tasks.start("test", "one too many", lambda _: None)
    assert tasks.unfinished == WAITING
    go_on.set()
    ended(tasks, begun[-1])
    assert ended(tasks, tasks.start("test", "another", lambda _: None)).state is TaskState.DONE


def test_every_change_is_an_event(tasks: TaskService, events: EventHub) -> None:
    task = ended(tasks, tasks.start("short", "Short", lambda _: None))
    wait_until(lambda: events.last >= 3, 20)
    told = [told.event for told in events.since(0).told]
    states = [event.task.state for event in told if isinstance(event, TaskChanged) and event.task.id == task.id]
    assert states == [TaskState.QUEUED, TaskState.RUNNING, TaskState.DONE]


def test_nothing_begins_once_the_archive_closes(events: EventHub) -> None:
    service = TaskService(events, explain)
    service.close()
    with pytest.raises(UnavailableError):
        service.start("late", "Late", lambda _: None)
