"""Lanes of DBOS: work is done, timers ring in one process of all, and what one leaves behind is told to the next."""

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from archimage.jobs.engine import Engine
from archimage.ports.jobs import Lane
from tests.attacks.server import wait_until

_WITHIN_S: Final = 30.0
_EVERY_SECOND: Final = "* * * * * *"
_PROCESS: Final = """
import sys, threading, time
from archimage.jobs.engine import Engine
from tests.jobs.test_engine import Work

work, url, name = Work(sys.argv[2]), sys.argv[1], sys.argv[2]
engine = Engine(url, name, 2)
engine.start(work, {"tick": ("* * * * * *", lambda: print("tick", int(time.time()), flush=True))})
print("ready", flush=True)
for line in sys.stdin:
    engine.begin(__import__("archimage.ports.jobs").ports.jobs.Lane("work", line.strip()))
engine.close()
"""


class Work:
    """Implements `ports.jobs.LaneWork`: it notes what it is asked for."""

    def __init__(self, worker: str = "me", does: Callable[[Lane], None] = lambda _: None) -> None:
        self.worker = worker
        self.done: list[Lane] = []
        self.dead: list[str] = []
        self._does = does

    def work(self, lane: Lane) -> None:
        self.done.append(lane)
        if self.worker.startswith("stuck"):
            print("stuck", flush=True)  # noqa: T201 - the test hears it
            threading.Event().wait()
        self._does(lane)

    def gone(self, worker: str) -> None:
        self.dead.append(worker)


def _url(directory: Path) -> str:
    return f"sqlite:///{directory / 'jobs.db'}"


def _launch(url: str, name: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", _PROCESS, url, name]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )


def _read_until(process: "subprocess.Popen[str]", word: str) -> None:
    assert process.stdout is not None
    while line := process.stdout.readline():
        if line.strip() == word:
            return
    raise AssertionError(f"the process ended before it said {word}")


def test_lanes_are_worked_through_and_timers_ring(tmp_path: Path) -> None:
    work, rung = Work(), threading.Event()
    with closing(Engine(_url(tmp_path), "one", 2)) as engine:
        engine.start(work, {"tick": (_EVERY_SECOND, rung.set)})
        for name in "ABC":
            engine.begin(Lane("work", name))
        assert wait_until(lambda: len(work.done) == 3, _WITHIN_S)
        assert rung.wait(_WITHIN_S)
    assert {lane.destination for lane in work.done} == set("ABC")
    assert (tmp_path / "jobs.db").exists()
    assert work.dead == []


def test_a_second_archive_in_a_process_has_lanes_of_its_own(tmp_path: Path) -> None:
    first, second, rung = Work(), Work(), threading.Event()
    with closing(Engine(_url(tmp_path), "one", 2)) as one, closing(Engine("sqlite:////nowhere", "two", 2)) as other:
        one.start(first, {})
        other.start(second, {"tick": (_EVERY_SECOND, rung.set)})
        one.begin(Lane("work", "A"))
        other.begin(Lane("work", "B"))
        assert wait_until(lambda: bool(first.done and second.done), _WITHIN_S)
        assert rung.wait(_WITHIN_S)
    assert (first.done, second.done) == ([Lane("work", "A")], [Lane("work", "B")])


def test_work_is_done_though_the_engine_cannot_be_started(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "jobs.db").write_bytes(b"this is no database" * 100)
    work = Work()
    with closing(Engine(_url(tmp_path), "one", 2)) as engine:
        engine.start(work, {})
        engine.begin(Lane("work", "A"))
        assert wait_until(lambda: bool(work.done), _WITHIN_S)
    with closing(Engine(f"sqlite:///{tmp_path / 'other.db'}", "one", 2)) as engine:  # nothing is held by the failure
        engine.start(work, {})
    assert (tmp_path / "other.db").exists()


def test_a_timer_that_fails_rings_again(tmp_path: Path) -> None:
    rung: list[int] = []

    def ring() -> None:
        rung.append(1)
        raise RuntimeError("it failed")

    with closing(Engine(_url(tmp_path), "one", 2)) as engine:
        engine.start(Work(), {"tick": (_EVERY_SECOND, ring)})
        assert wait_until(lambda: len(rung) >= 2, _WITHIN_S)


@pytest.mark.timeout(120)
def test_a_process_that_was_killed_is_told_to_the_next_of_its_name(tmp_path: Path) -> None:
    process = _launch(_url(tmp_path), "stuck-1")
    try:
        _read_until(process, "ready")
        assert process.stdin is not None
        process.stdin.write("A\n")
        process.stdin.flush()
        _read_until(process, "stuck")
    finally:
        process.kill()
        process.communicate(timeout=_WITHIN_S)
    work = Work("another")
    with closing(Engine(_url(tmp_path), "stuck-1", 2)) as engine:
        engine.start(work, {})
        assert wait_until(lambda: work.dead == ["stuck-1"], _WITHIN_S)


@pytest.mark.timeout(120)
def test_of_several_processes_one_hears_a_timer_each_time(tmp_path: Path) -> None:
    processes = [_launch(_url(tmp_path), name) for name in ("a", "b")]
    try:
        for process in processes:
            _read_until(process, "ready")
        began = time.monotonic()
        threading.Event().wait(6.0)  # real time is what timers are about
    finally:
        told = [process.communicate(timeout=_WITHIN_S)[0] for process in processes]
    took_s = time.monotonic() - began
    rung = Counter(line for text in told for line in text.splitlines() if line.startswith("tick"))
    assert len(rung) >= 3, json.dumps(told)
    assert sum(rung.values()) <= took_s + 2, rung  # with one for each process there were twice as many
