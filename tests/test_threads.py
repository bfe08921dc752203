"""Tests of threads."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from archimage.threads import WorkerThreads


@pytest.fixture
def threads() -> Iterator[WorkerThreads]:
    """Two threads."""
    with closing(WorkerThreads(2, "test")) as made:
        yield made


def test_calls_run_elsewhere_and_several_at_once(threads: WorkerThreads) -> None:
    met = threading.Barrier(2)
    names: list[str] = []

    def meet() -> None:
        met.wait(5)
        names.append(threading.current_thread().name)

    async def both() -> None:
        await asyncio.gather(threads.run(meet), threads.run(meet))

    asyncio.run(both())
    assert sorted(names) == ["test-0", "test-1"]


def test_what_a_call_raises_is_for_whoever_waits(threads: WorkerThreads) -> None:
    async def fail() -> None:
        with pytest.raises(ZeroDivisionError):
            await threads.run(lambda: 1 // 0)

    asyncio.run(fail())


def test_a_call_goes_on_when_nobody_waits_any_more() -> None:
    go, done = threading.Event(), threading.Event()

    def slow() -> None:
        go.wait(5)
        done.set()

    async def leave(threads: WorkerThreads) -> None:
        threads.run(slow).cancel()
        go.set()
        await threads.run(lambda: None)

    with closing(WorkerThreads(1, "test")) as threads:
        asyncio.run(leave(threads))
    assert done.is_set()


def test_closing_finishes_what_was_asked_for() -> None:
    done: list[int] = []

    async def ask(threads: WorkerThreads) -> None:
        for number in range(20):
            threads.run(done.append, number)

    with closing(WorkerThreads(1, "test")) as threads:
        asyncio.run(ask(threads))
    assert done == list(range(20))
