"""An event loop in a thread of its own, for code that blocks; started when it is first needed."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent import futures
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import uvloop

from archimage.errors import CancelledError

_LOOK_EVERY_S: Final = 0.2

Result = TypeVar("Result")


class LoopThread:
    """Runs coroutines for callers of any thread. `close` it."""

    def __init__(self, name: str, default: ThreadPoolExecutor | None = None) -> None:
        """Name the thread; default is what its loop runs blocking calls in, and ends with it."""
        self._name = name
        self._default = default
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    def run(self, work: Coroutine[Any, Any, Result], check: Callable[[], None] | None = None) -> Result:
        """Run work and return its result; what check raises meanwhile, now and then asked, ends it.

        Raises:
            CancelledError: `close` was called.
        """
        future = asyncio.run_coroutine_threadsafe(work, self._started(work))
        try:
            while not futures.wait((future,), None if check is None else _LOOK_EVERY_S).done:
                assert check is not None  # noqa: S101 - without it the wait has no limit
                check()
            return future.result()
        except futures.CancelledError:
            raise CancelledError("it was ended, for the archive closes") from None
        finally:
            future.cancel()

    def close(self) -> None:
        """End what runs, and the thread."""
        with self._lock:
            self._closed = True
            loop, thread = self._loop, self._thread
        if loop is None or thread is None or loop.is_closed():
            return
        loop.call_soon_threadsafe(lambda: loop.create_task(_end(loop)))
        thread.join()
        loop.close()

    def _started(self, work: Coroutine[Any, Any, Any]) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._closed:
                work.close()
                raise CancelledError("the archive closes")
            if self._loop is None:
                self._loop = uvloop.new_event_loop()
                if self._default is not None:
                    self._loop.set_default_executor(self._default)
                self._thread = threading.Thread(target=self._loop.run_forever, name=self._name)
                self._thread.start()
            return self._loop


async def _end(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel every task, wait until all have ended, and stop."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await loop.shutdown_asyncgens()
    await loop.shutdown_default_executor()
    loop.stop()
