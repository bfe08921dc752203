"""One plugin at work: how it fares, and that it is disabled when it fails too often."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final, TypeVar

from archimage.logger import logger
from archimage.model.plugins import ASKED, TOLD, PluginAnswer, PluginRecord, PluginSource, PluginState
from archimage.ports.meter import Meter
from archimage.ports.plugins import Event, PluginFault, PluginLoader, Serve
from archimage.services.plugins.lane import Lane

Result = TypeVar("Result")
Use = Callable[[Sequence[PluginAnswer]], Result]
"""Does what a plugin answered; PluginFault `invalid` where it cannot be done."""
_log: Final = logger("plugin")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a plugin is held to: seconds for a hook that nobody waits for, for one that somebody does, for loading."""

    told_s: float
    asked_s: float
    load_s: float
    failures: int


@dataclass(slots=True)
class Counted:
    """What happened since it was last kept."""

    calls: int = 0
    failures: int = 0
    dropped: int = 0


class Plugin:
    """Calls hooks, for which somebody waits in one process and the others in another. `close` it."""

    def __init__(self, source: PluginSource, loader: PluginLoader, executor: Executor, limits: Limits) -> None:
        self.source = source
        self.hooks: frozenset[str] | None = None
        """None until it was loaded for the first time."""
        self.meter = Meter()
        self.disabled: Callable[[str, str], None] = lambda _name, _reason: None
        """Hears that it was disabled, and why."""
        self.news: Callable[[frozenset[str]], None] = lambda _hooks: None
        """Hears of its hooks, once it was loaded, and when they are others."""
        self.failures_in_a_row = 0
        self.last_error = ""
        self.last_error_at: float | None = None
        self.generation = 0
        self._limits = limits
        self._is_started = False
        self._is_disabled = False
        self._is_loaded = False
        self._is_broken = False
        self._has_changed = False
        self._counted = Counted()
        self._lock = threading.Lock()
        self._lanes = {asked: Lane(source, loader, executor, limits.load_s) for asked in (False, True)}
        for lane in self._lanes.values():
            lane.loaded = self._loaded
            lane.failed = self._failed

    @property
    def name(self) -> str:
        """What it goes by."""
        return self.source.name

    @property
    def state(self) -> PluginState:
        """How it stands."""
        if self._is_disabled:
            return "disabled"
        if self._is_broken:
            return "broken"
        is_known = self._is_loaded or (self.hooks is not None and not self._is_started)
        return "ready" if is_known else "starting"

    def wants(self, hook: str) -> bool:
        """Tell whether it is to be called for a hook, which is supposed while its hooks are not known."""
        return not self._is_disabled and self.may(hook)

    def may(self, hook: str) -> bool:
        """Tell whether it has a hook, which is supposed while its hooks are not known."""
        return self.hooks is None or hook in self.hooks

    @property
    def loaded_hooks(self) -> frozenset[str] | None:
        """The hooks that it has; None while it was not loaded here, and may have others than it had before."""
        return self.hooks if self._is_loaded else None

    def lacks(self, hook: str) -> bool:
        """Tell whether it was loaded, and has not a hook."""
        return self.loaded_hooks is not None and hook not in self.loaded_hooks

    def start(self) -> None:
        """Have it loaded, so that the first who asks it need not wait; a process is had for hooks that there are."""
        self._is_started = True
        if not self._is_disabled:
            self._lanes[False].prepare()

    def call(self, hook: str, event: Event, serve: Serve, use: Use[Result]) -> Result:
        """Call a hook, and do what it answers.

        Raises:
            PluginFault: it did not answer as it should.
        """
        asked = hook in ASKED
        timeout_s = self._limits.asked_s if asked else self._limits.told_s
        try:
            if self._is_disabled:
                raise PluginFault("skipped", "it is disabled")
            answers = self._lanes[asked].call(hook, event, serve, timeout_s, timeout_s if asked else None)
            result = use(answers)
        except PluginFault as fault:
            self._failed(hook, fault)
            raise
        with self._lock:
            self._counted.calls += 1
            self.failures_in_a_row = 0
        self.meter.plugin_called(self.name, hook, "done")
        return result

    def dropped(self, count: int = 1) -> None:
        """Note that it was not told of something."""
        with self._lock:
            self._counted.dropped += count
        self.meter.plugin_dropped(self.name, count)

    def take_counted(self) -> Counted:
        """Return what happened since the last time."""
        with self._lock:
            counted, self._counted = self._counted, Counted()
        return counted

    def take_hooks_changed(self) -> bool:
        """Tell whether other hooks were found in it since the last time."""
        with self._lock:
            changed, self._has_changed = self._has_changed, False
        return changed

    def follow(self, record: PluginRecord) -> None:
        """Be what was decided for all processes: disabled, enabled, enabled anew."""
        if self.hooks is None and record.hooks is not None:
            self.hooks = frozenset(record.hooks)
        if record.disabled_at is not None:
            self.turn_off()
        elif record.generation != self.generation or self._is_disabled:
            self._turn_on(record.generation)

    def adopt(self, record: PluginRecord) -> None:
        """Begin as it was left."""
        self.generation = record.generation
        self.last_error, self.last_error_at = record.last_error, record.last_error_at
        self.hooks = None if record.hooks is None else frozenset(record.hooks)
        self._is_disabled = record.disabled_at is not None

    def turn_off(self) -> None:
        """Call it no more."""
        with self._lock:
            before, self._is_disabled = self._is_disabled, True
        if not before:
            self._end_processes()

    def close(self) -> None:
        """End its processes."""
        for lane in self._lanes.values():
            lane.close()

    def _turn_on(self, generation: int) -> None:
        """Call it again, loaded anew."""
        self._end_processes()
        with self._lock:
            self.generation = generation
            self._is_disabled = self._is_loaded = self._is_broken = False
            self.failures_in_a_row = 0
        if self._is_started:
            _log.info("plugin enabled", plugin=self.name)
            self.start()

    def _end_processes(self) -> None:
        for lane in self._lanes.values():
            lane.restart()

    def _loaded(self, hooks: frozenset[str]) -> None:
        with self._lock:
            self._has_changed = self._has_changed or self.hooks != hooks
            is_news = self.hooks != hooks or not self._is_loaded
            self.hooks, self._is_loaded, self._is_broken = hooks, True, False
        if is_news:
            _log.info("plugin loaded", plugin=self.name, hooks=", ".join(sorted(hooks)))
            self.news(hooks)
        if hooks & ASKED.keys():
            self._lanes[True].prepare()
        if not hooks & TOLD.keys():
            self._lanes[False].restart()

    def _failed(self, hook: str, fault: PluginFault) -> None:
        """Count a failure; too many in a row disable it."""
        self.meter.plugin_called(self.name, hook, fault.outcome)
        if fault.outcome == "skipped":
            return
        with self._lock:
            self._counted.calls += 1
            self._counted.failures += 1
            self.failures_in_a_row += 1
            self.last_error, self.last_error_at = f"{hook}: {fault}", time.time()
            self._is_broken = self._is_broken or not self._is_loaded
            is_last = self.failures_in_a_row >= self._limits.failures and not self._is_disabled
            self._is_disabled = self._is_disabled or is_last
        trace = {"trace": "\n".join(fault.trace)} if fault.trace else {}
        _log.error("plugin failed", plugin=self.name, hook=hook, outcome=fault.outcome, reason=str(fault), **trace)
        if is_last:
            reason = f"{self.failures_in_a_row} failures in a row, the last: {self.last_error}"
            _log.error("plugin disabled", plugin=self.name, reason=reason)
            self.disabled(self.name, reason)
            self._end_processes()
