"""Worker threads for calls that block, cheaper than an Executor: no future of its own stands behind each call."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Returned = TypeVar("Returned")
_Call = tuple[asyncio.Future[Any], Callable[..., Any], tuple[Any, ...], dict[str, Any]]


class WorkerThreads:
    """A fixed number of threads that take calls in their order."""

    def __init__(self, count: int, name: str) -> None:
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._threads = [threading.Thread(target=self._work, name=f"{name}-{number}") for number in range(count)]
        for thread in self._threads:
            thread.start()

    def run(
        self, call: Callable[Arguments, Returned], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> asyncio.Future[Returned]:
        """Make a call in a thread; the future holds what it returns or raises. Cancelled, it is made all the same."""
        future: asyncio.Future[Returned] = asyncio.get_running_loop().create_future()
        self._calls.put((future, call, args, kwargs))
        return future

    def close(self) -> None:
        """Finish what was asked for, and end the threads."""
        for _ in self._threads:
            self._calls.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (item := self._calls.get()) is not None:
            future, call, args, kwargs = item
            result: Any = None
            error: BaseException | None = None
            try:
                result = call(*args, **kwargs)
            except BaseException as raised:  # it is for whoever waits
                error = raised
            with suppress(RuntimeError):  # the loop has ended, and whoever waited with it
                future.get_loop().call_soon_threadsafe(_settle, future, result, error)
            del item, future, call, args, kwargs, result, error


def _settle(future: asyncio.Future[Any], result: object, error: BaseException | None) -> None:
    if future.done():
        return  # whoever waited was cancelled
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
