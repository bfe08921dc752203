"""Tests of threads."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from contextvars import ContextVar, copy_context

import pytest

from archimage.threads import ContextThreads, Pool, WorkerThreads
from tests.attacks.server import wait_until


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


def _watched(pool: Pool, start: Callable[[Callable[[], object]], object]) -> list[tuple[int, int, int]]:
    """Have two threads meet three calls; return what is told before, meanwhile and after."""
    go, begun = threading.Event(), threading.Semaphore(0)

    def hold() -> None:
        begun.release()
        go.wait(5)

    told = [(pool.size, pool.busy, pool.waiting)]
    for _ in range(3):
        start(hold)
    for _ in range(2):
        assert begun.acquire(timeout=5)
    assert wait_until(lambda: pool.waiting == 1, 20.0)
    told.append((pool.size, pool.busy, pool.waiting))
    go.set()
    assert wait_until(lambda: (pool.busy, pool.waiting) == (0, 0), 20.0)
    return told


def test_how_many_threads_are_at_work_and_how_many_calls_wait_is_told(threads: WorkerThreads) -> None:
    async def watch() -> list[tuple[int, int, int]]:
        loop = asyncio.get_running_loop()
        return await asyncio.to_thread(_watched, threads, lambda call: loop.call_soon_threadsafe(threads.run, call))

    assert asyncio.run(watch()) == [(2, 0, 0), (2, 2, 1)]
    with ContextThreads(2, "test") as pool:
        assert _watched(pool, pool.submit) == [(2, 0, 0), (2, 2, 1)]


def test_calls_that_are_cancelled_wait_no_more() -> None:
    go = threading.Event()
    with ContextThreads(1, "test") as pool:
        pool.submit(go.wait, 5)
        assert pool.submit(go.wait, 5).cancel()
        go.set()
        assert wait_until(lambda: pool.waiting == 0, 20.0)


def test_a_call_sees_the_context_of_whoever_submits_it_and_leaves_nothing_in_it() -> None:
    name: ContextVar[str] = ContextVar("name", default="nobody's")

    def ask(pool: ContextThreads) -> str:
        name.set("mine")
        return pool.submit(lambda: (name.get(), name.set("theirs"))[0]).result(5)

    with ContextThreads(1, "test") as pool:
        assert copy_context().run(ask, pool) == "mine"
        assert pool.submit(name.get).result(5) == "nobody's"
