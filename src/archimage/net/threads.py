"""Worker threads for calls that block, cheaper than an Executor: no future of its own stands behind each call."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

_Call = tuple[asyncio.Future[None], Callable[..., None], tuple[Any, ...]]


class WorkerThreads:
    """A fixed number of threads that take calls in their order."""

    def __init__(self, count: int, name: str) -> None:
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._threads = [threading.Thread(target=self._work, name=f"{name}-{number}") for number in range(count)]
        for thread in self._threads:
            thread.start()

    def run(self, call: Callable[..., None], *arguments: Any) -> asyncio.Future[None]:
        """Make a call in a thread; the future is done when it has returned, and holds what it raised."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._calls.put((future, call, arguments))
        return future

    def close(self) -> None:
        """Finish what was asked for, and end the threads."""
        for _ in self._threads:
            self._calls.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (item := self._calls.get()) is not None:
            future, call, arguments = item
            error: BaseException | None = None
            try:
                call(*arguments)
            except BaseException as raised:  # it is for whoever waits
                error = raised
            with suppress(RuntimeError):  # the loop has ended, and whoever waited with it
                future.get_loop().call_soon_threadsafe(_settle, future, error)
            del item, future, call, arguments, error


def _settle(future: asyncio.Future[None], error: BaseException | None) -> None:
    if future.done():
        return  # whoever waited was cancelled
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
