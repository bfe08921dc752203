"""One process of a plugin: loaded when it is needed, asked by one caller at a time, replaced when it is lost."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Final

from archimage.model.plugins import PluginAnswer, PluginSource
from archimage.ports.plugins import Event, PluginFault, PluginLoader, RunningPlugin, Serve

Loaded = Callable[[frozenset[str]], None]
"""Hears of the hooks of a plugin that was loaded."""
Failed = Callable[[str, PluginFault], None]
"""Hears that something failed, by the name of what it was."""
LOADING: Final = "load"


class Lane:
    """Has one process, and a queue of those who want to ask it. `close` it."""

    def __init__(self, source: PluginSource, loader: PluginLoader, executor: Executor, timeout_s: float) -> None:
        """Load by executor, each time within timeout_s."""
        self._source = source
        self._loader = loader
        self._executor = executor
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._running: RunningPlugin | None = None
        self._loading: Future[None] | None = None
        self._closed = False
        self.loaded: Loaded = lambda _hooks: None
        self.failed: Failed = lambda _what, _fault: None

    def prepare(self) -> Future[None]:
        """Have the plugin loaded, unless it is; the future raises PluginFault where it cannot be."""
        with self._lock:
            if self._loading is None:
                self._loading = self._executor.submit(self._load)
            return self._loading

    def call(
        self, hook: str, event: Event, serve: Serve, timeout_s: float, wait_s: float | None
    ) -> Sequence[PluginAnswer]:
        """Call a hook once it is this caller's turn, for which it waits no longer than wait_s where that is given.

        Raises:
            PluginFault: it did not answer as it should; `skipped` where it was not even asked.
        """
        try:
            self.prepare().result(wait_s)
        except PluginFault as fault:
            raise PluginFault("skipped", str(fault)) from None
        except FutureTimeoutError:
            raise PluginFault("skipped", "it is still being loaded") from None
        if not self._turn.acquire(timeout=-1 if wait_s is None else wait_s):
            raise PluginFault("skipped", "it is busy with something else")
        try:
            return self._call(hook, event, serve, timeout_s)
        finally:
            self._turn.release()

    def restart(self) -> None:
        """End the process, whatever it does; the next caller has another, with the plugin loaded anew."""
        with self._lock:
            running = self._running
        if running is not None:
            running.kill()
        if self._turn.acquire(timeout=self._timeout_s):
            try:
                self._drop(running)
            finally:
                self._turn.release()

    def close(self) -> None:
        """End the process, for good."""
        with self._lock:
            self._closed = True
        self.restart()

    def _call(self, hook: str, event: Event, serve: Serve, timeout_s: float) -> Sequence[PluginAnswer]:
        running = self._running
        if running is None:
            raise PluginFault("skipped", "its process has just ended")
        try:
            return running.call(hook, event, serve, timeout_s)
        except PluginFault as fault:
            if fault.ended:
                self._drop(running)
                if self._closed:
                    raise PluginFault("skipped", "the archive ends") from None
            raise

    def _load(self) -> None:
        try:
            self.loaded(self._start())
        except PluginFault as fault:
            with self._lock:
                self._loading = None
            if self._closed:
                raise PluginFault("skipped", "the archive ends") from None
            self.failed(LOADING, fault)
            raise

    def _start(self) -> frozenset[str]:
        running = self._loader.start(self._source)
        with self._lock:
            self._running = running
            closed = self._closed
        try:
            if closed:
                raise PluginFault("skipped", "the archive ends", ended=True)
            return running.load(self._timeout_s)
        except PluginFault:
            self._drop(running)
            raise

    def _drop(self, running: RunningPlugin | None) -> None:
        """Let go of a process that nobody asks any more, unless that was done."""
        with self._lock:
            if running is None or self._running is not running:
                return
            self._running = None
            self._loading = None
        running.close()
