"""The pool does what it is asked, and outlives workers that hang, eat memory, are killed or lie."""

import os
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from archimage.errors import InvalidPixelDataError, NotAcceptableError, UnavailableError
from archimage.imaging.pool import WorkerPool
from archimage.imaging.process import WorkerSettings
from archimage.ports.meter import Meter, TaskOutcome
from archimage.ports.pixels import JsonValue
from tests.attacks.server import wait_until

ROOT = Path(__file__).parents[2]
TASKS = "tests.imaging.tasks:TASKS"
SETTINGS = WorkerSettings(timeout_s=20, memory_bytes=1 << 30, tasks=TASKS)
IMPATIENT = WorkerSettings(timeout_s=0.3, memory_bytes=1 << 30, tasks=TASKS)
PATIENCE_S = 30


@pytest.fixture(autouse=True)
def _tasks_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    """A pool of one process, so that the next task meets what the last one left."""
    with closing(WorkerPool(1, SETTINGS)) as pool:
        yield pool


def pid_of(pool: WorkerPool) -> int:
    """Return the process that does the next task."""
    result, _ = pool.submit("limits", {}, []).result(PATIENCE_S)
    return int(result["pid"])


def assert_serves_on(pool: WorkerPool) -> None:
    """Assert that a task is done now."""
    assert pool.submit("echo", {"a": 1}, [b"x"]).result(PATIENCE_S) == ({"a": 1}, b"x")


def test_options_and_data_arrive_and_come_back(pool: WorkerPool) -> None:
    options: dict[str, JsonValue] = {"text": "é", "number": 1.5, "none": None, "list": [1, {"x": True}]}
    large = os.urandom(3 << 20)
    result, data = pool.submit("echo", options, [b"one", memoryview(b"two"), b"", large]).result(PATIENCE_S)
    assert result == options
    assert data == b"one|two||" + large


def test_no_process_is_started_before_the_first_task_and_then_it_is_kept(pool: WorkerPool) -> None:
    assert pool.pids == frozenset()
    assert pid_of(pool) == pid_of(pool)


def test_processes_are_started_ahead_and_no_more_than_there_may_be() -> None:
    with closing(WorkerPool(2, SETTINGS)) as pool:
        for _ in range(5):
            pool.warm()
        assert wait_until(lambda: len(pool.pids) == 2, PATIENCE_S)
        ahead = pool.pids
        pool.warm()
        assert {pid_of(pool) for _ in range(4)} <= ahead
        assert pool.pids == ahead
    pool.warm()
    assert pool.pids == frozenset()


def test_as_many_processes_as_are_allowed_work_at_once() -> None:
    with closing(WorkerPool(2, SETTINGS)) as pool:
        futures = [pool.submit("echo", {"n": n}, []) for n in range(40)]
        assert [future.result(PATIENCE_S)[0]["n"] for future in futures] == list(range(40))
        assert len(pool.pids) <= 2


def test_a_worker_has_its_memory_limit_and_not_the_server_s_secrets(
    pool: WorkerPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARCHIMAGE__DICOM__AE_TITLE", "SECRET")
    result, _ = pool.submit("limits", {}, []).result(PATIENCE_S)
    assert (result["memory"], result["secrets"]) == (1 << 30, [])


def test_an_error_of_ours_arrives_as_it_was_raised(pool: WorkerPool) -> None:
    with pytest.raises(NotAcceptableError, match="there are no pixels"):
        pool.submit("refuse", {}, []).result(PATIENCE_S)
    assert_serves_on(pool)


def test_the_text_of_another_error_stays_in_the_worker(pool: WorkerPool) -> None:
    with pytest.raises(InvalidPixelDataError, match="KeyError") as caught:
        pool.submit("fail", {}, []).result(PATIENCE_S)
    assert "DOE" not in str(caught.value)
    assert_serves_on(pool)


@pytest.mark.parametrize(
    ("native_bytes", "patience_s"), [(None, 30.0), (0, 3.0), (524_288, 8.24288), (2_700_000, 30.0), (1 << 40, 30.0)]
)
def test_the_time_for_a_task_grows_with_its_frames_up_to_the_limit(native_bytes: int | None, patience_s: float) -> None:
    assert WorkerSettings(timeout_s=30.0).patience_s(native_bytes) == pytest.approx(patience_s)


def test_a_small_frame_that_takes_long_is_given_up_before_the_limit() -> None:
    with closing(WorkerPool(1, SETTINGS)) as pool:
        with pytest.raises(InvalidPixelDataError, match=r"longer than 3\.01 s"):
            pool.submit("hang", {}, [], native_bytes=1_000).result(PATIENCE_S)
        assert_serves_on(pool)


def test_a_worker_that_hangs_is_killed_in_time_and_replaced() -> None:
    with closing(WorkerPool(1, IMPATIENT)) as pool:
        before = pid_of(pool)
        with pytest.raises(InvalidPixelDataError, match=r"longer than 0\.3 s"):
            pool.submit("hang", {}, []).result(PATIENCE_S)
        assert not psutil.pid_exists(before)
        assert pid_of(pool) != before


def test_a_worker_that_eats_memory_fails_alone(pool: WorkerPool) -> None:
    before = pid_of(pool)
    with pytest.raises(InvalidPixelDataError, match="memory"):
        pool.submit("eat", {}, []).result(PATIENCE_S)
    assert pid_of(pool) != before


class Noted(Meter):
    """Notes what it hears."""

    def __init__(self) -> None:
        self.tasks: list[tuple[str, str]] = []
        self.waiting: list[int] = []

    def pixel_task(self, task: str, outcome: TaskOutcome) -> None:
        self.tasks.append((task, outcome))

    def pixel_tasks_waiting(self, count: int) -> None:
        self.waiting.append(count)


def test_how_tasks_end_and_how_many_wait_is_told() -> None:
    with closing(WorkerPool(1, IMPATIENT)) as pool:
        pool.meter = noted = Noted()
        futures = [pool.submit(task, {}, []) for task in ("echo", "hang", "eat", "leave", "refuse")]
        for future in futures:
            future.exception(PATIENCE_S)
    outcomes = dict(noted.tasks)
    assert {task: outcomes[task] for task in ("echo", "hang", "leave")} == {
        "echo": "done",
        "hang": "timeout",
        "leave": "lost",
    }
    assert outcomes["eat"] in {"memory", "timeout"}
    assert outcomes["refuse"] == "failed"
    assert max(noted.waiting) >= 3
    assert noted.waiting[-1] == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
def test_a_worker_that_is_killed_is_replaced(pool: WorkerPool, number: signal.Signals) -> None:
    with pytest.raises(InvalidPixelDataError, match="the process ended"):
        pool.submit("die", {"signal": int(number)}, []).result(PATIENCE_S)
    assert_serves_on(pool)


def test_a_worker_that_leaves_is_replaced(pool: WorkerPool) -> None:
    with pytest.raises(InvalidPixelDataError, match="the process ended"):
        pool.submit("leave", {}, []).result(PATIENCE_S)
    assert_serves_on(pool)


def test_the_death_of_an_idle_worker_fails_no_task(pool: WorkerPool) -> None:
    os.kill(pid_of(pool), signal.SIGKILL)
    assert_serves_on(pool)


@pytest.mark.parametrize(
    "message",
    [
        struct.pack("<IQ", 1, 1 << 40) + b"{}",
        struct.pack("<IQ", 0xFFFFFFFF, 0) + b"{}",
        struct.pack("<IQ", 2, 0) + b"[]",
        struct.pack("<IQ", 2, 0) + b"{{",
    ],
    ids=["endless data", "endless head", "a list", "no JSON"],
)
def test_a_worker_that_answers_nonsense_is_replaced(pool: WorkerPool, message: bytes) -> None:
    with pytest.raises(InvalidPixelDataError, match="the answer was none"):
        pool.submit("babble", {"bytes": message.hex()}, []).result(PATIENCE_S)
    assert_serves_on(pool)


@pytest.mark.parametrize(
    "head",
    [{}, {"number": 2, "result": {}}, {"number": "number", "result": 3}, {"number": "number", "error": 3}],
    ids=["empty", "of another task", "no result", "no error"],
)
def test_a_worker_that_answers_something_else_is_replaced(pool: WorkerPool, head: JsonValue) -> None:
    with pytest.raises(InvalidPixelDataError, match="the answer was none"):
        pool.submit("answer", {"head": head}, []).result(PATIENCE_S)
    assert_serves_on(pool)


def test_an_answer_prepared_for_the_next_task_is_never_taken(pool: WorkerPool) -> None:
    result, _ = pool.submit("answer_twice", {}, []).result(PATIENCE_S)
    assert result == {"forged": True}
    assert_serves_on(pool)


def test_an_error_s_name_cannot_choose_any_class(pool: WorkerPool) -> None:
    head: JsonValue = {"number": "number", "error": "SystemExit", "message": "told"}
    with pytest.raises(InvalidPixelDataError, match="told"):
        pool.submit("answer", {"head": head}, []).result(PATIENCE_S)


def test_more_tasks_than_may_wait_are_refused() -> None:
    with closing(WorkerPool(1, SETTINGS, max_waiting=2)) as pool:
        futures = [pool.submit("hang", {}, []) for _ in range(3)]
        with pytest.raises(UnavailableError, match="3 images wait"):
            pool.submit("echo", {}, [])
        assert futures[2].cancel()
        pool.submit("echo", {}, []).cancel()


def test_closing_ends_what_hangs_and_what_waits() -> None:
    pool = WorkerPool(1, SETTINGS)
    pids = {pid_of(pool)}
    hanging, waiting = pool.submit("hang", {}, []), pool.submit("echo", {}, [])
    while not hanging.running():
        pass
    closer = threading.Thread(target=pool.close)
    closer.start()
    closer.join(10)
    assert not closer.is_alive()
    assert isinstance(hanging.exception(), UnavailableError)
    assert waiting.cancelled()
    assert not any(map(psutil.pid_exists, pids))
    with pytest.raises(UnavailableError):
        pool.submit("echo", {}, [])


def test_a_worker_that_cannot_start_fails_the_task_only() -> None:
    with closing(WorkerPool(1, WorkerSettings(tasks="tests.imaging.absent:TASKS"))) as pool:
        with pytest.raises(UnavailableError, match="did not start"):
            pool.submit("echo", {}, []).result(PATIENCE_S)
        assert pool.pids == frozenset()


@pytest.mark.parametrize("task", ["echo", "hang"])
def test_workers_end_with_a_server_that_is_killed(task: str) -> None:
    program = f"""
from archimage.imaging.pool import WorkerPool
from archimage.imaging.process import WorkerSettings
pool = WorkerPool(1, WorkerSettings(tasks={TASKS!r}))
pid = pool.submit("limits", {{}}, []).result()[0]["pid"]
future = pool.submit({task!r}, {{}}, [])
print(pid, flush=True)
future.result()
input()
"""
    server = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True
    )
    with server:
        assert server.stdout is not None
        worker = psutil.Process(int(server.stdout.readline()))
        server.kill()
        started = time.monotonic()
        worker.wait(5)
        assert time.monotonic() - started < 5
