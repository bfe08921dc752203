"""A loop in a thread of its own: results and errors come back, checks end what runs, and so does the end of all."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from archimage.errors import CancelledError, NotFoundError
from archimage.net.looping import LoopThread


@pytest.fixture
def loop() -> Iterator[LoopThread]:
    """A loop, closed at the end."""
    found = LoopThread("test-loop")
    yield found
    found.close()


def _threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "test-loop"]


def test_the_thread_starts_with_the_first_call_and_ends_with_close() -> None:
    loop = LoopThread("test-loop")
    assert _threads() == []

    async def name() -> str:
        return threading.current_thread().name

    assert loop.run(name()) == loop.run(name()) == "test-loop"
    assert _threads() == ["test-loop"]
    loop.close()
    loop.close()
    assert _threads() == []


def test_what_the_work_raises_comes_back(loop: LoopThread) -> None:
    async def fail(error: Exception) -> None:
        raise error

    for error in (NotFoundError("x"), TimeoutError("x")):
        with pytest.raises(type(error)):
            loop.run(fail(error), lambda: None)


def test_a_check_that_raises_ends_the_work(loop: LoopThread) -> None:
    ended = threading.Event()

    async def wait() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.set()

    def check() -> None:
        raise CancelledError("enough")

    with pytest.raises(CancelledError, match="enough"):
        loop.run(wait(), check)
    assert ended.wait(5)


def test_closing_ends_what_others_wait_for(loop: LoopThread) -> None:
    begun, raised = threading.Event(), []

    async def wait() -> None:
        begun.set()
        await asyncio.get_running_loop().create_future()

    def call() -> None:
        try:
            loop.run(wait())
        except CancelledError as error:
            raised.append(error)

    caller = threading.Thread(target=call)
    caller.start()
    assert begun.wait(5)
    loop.close()
    caller.join(5)
    assert len(raised) == 1
    with pytest.raises(CancelledError, match="closes"):
        loop.run(wait())
