"""Worker threads for calls that block: cheap ones for coroutines that wait, and an Executor for everybody else."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import Context, copy_context
from queue import SimpleQueue
from typing import Any, ParamSpec, Protocol, TypeVar

Arguments = ParamSpec("Arguments")
Returned = TypeVar("Returned")
_Call = tuple[asyncio.Future[Any], Context, Callable[..., Any], tuple[Any, ...], dict[str, Any]]


class Pool(Protocol):
    """Threads, as those who watch over them see them; what they tell may be of a moment ago."""

    @property
    def size(self) -> int:
        """How many threads there may be."""

    @property
    def busy(self) -> int:
        """How many are at work."""

    @property
    def waiting(self) -> int:
        """How many calls wait for one."""


class WorkerThreads:
    """A fixed number of threads that take calls in their order: no future of its own stands behind each call.

    Calls see the context of whoever has them made: their log lines tell the association too, and their spans are its.
    """

    def __init__(self, count: int, name: str) -> None:
        self.size = count
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._at_work = [False] * count
        self._threads = [
            threading.Thread(target=self._work, args=(number,), name=f"{name}-{number}") for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def run(
        self, call: Callable[Arguments, Returned], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> asyncio.Future[Returned]:
        """Make a call in a thread; the future holds what it returns or raises. Cancelled, it is made all the same."""
        future: asyncio.Future[Returned] = asyncio.get_running_loop().create_future()
        self._calls.put((future, copy_context(), call, args, kwargs))
        return future

    @property
    def busy(self) -> int:
        """How many threads are at work."""
        return sum(self._at_work)

    @property
    def waiting(self) -> int:
        """How many calls wait."""
        return self._calls.qsize()

    def close(self) -> None:
        """Finish what was asked for, and end the threads."""
        for _ in self._threads:
            self._calls.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self, number: int) -> None:
        while (item := self._calls.get()) is not None:
            self._at_work[number] = True
            future, context, call, args, kwargs = item
            result: Any = None
            error: BaseException | None = None
            try:
                result = context.run(call, *args, **kwargs)
            except BaseException as raised:  # it is for whoever waits
                error = raised
            with suppress(RuntimeError):  # the loop has ended, and whoever waited with it
                future.get_loop().call_soon_threadsafe(_settle, future, result, error)
            del item, future, context, call, args, kwargs, result, error
            self._at_work[number] = False


def _settle(future: asyncio.Future[Any], result: object, error: BaseException | None) -> None:
    if future.done():
        return  # whoever waited was cancelled
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


class ContextThreads(ThreadPoolExecutor):
    """An Executor whose calls see the context of whoever submits them: their log lines tell the association too."""

    def __init__(self, size: int, name: str) -> None:
        super().__init__(size, name)
        self.size = size
        self._working: set[int] = set()
        self._outstanding = 0
        self._counting = threading.Lock()

    def submit(
        self, fn: Callable[Arguments, Returned], /, *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Future[Returned]:
        """Have a call made."""
        future = super().submit(self._run, copy_context(), fn, *args, **kwargs)
        self._count(1)
        future.add_done_callback(lambda _: self._count(-1))
        return future

    @property
    def busy(self) -> int:
        """How many threads are at work."""
        return len(self._working)

    @property
    def waiting(self) -> int:
        """How many calls wait."""
        return max(0, self._outstanding - len(self._working))

    def _count(self, added: int) -> None:
        with self._counting:
            self._outstanding += added

    def _run(
        self, context: Context, fn: Callable[Arguments, Returned], /, *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Returned:
        thread = threading.get_ident()
        self._working.add(thread)
        try:
            return context.run(fn, *args, **kwargs)
        finally:
            self._working.discard(thread)
