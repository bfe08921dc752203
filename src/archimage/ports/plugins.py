"""Plugins, as services need them: processes that run them, and where it is kept how they fare."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from archimage.model.plugins import CallOutcome, PluginAnswer, PluginRecord, PluginSource

Event = Mapping[str, Any]
"""What a hook is told, as JSON."""
Serve = Callable[[Mapping[str, Any]], bytes]
"""Answers what a plugin asks for during a call; raises ArchimageError where it cannot be had."""


class PluginFault(Exception):  # noqa: N818 - the plugin's, not ours
    """A plugin did not do what it was asked; the text says why, without anything that its exceptions say.

    trace are the lines of its code that led there. ended tells that its process is gone.
    """

    def __init__(self, outcome: CallOutcome, reason: str, trace: Sequence[str] = (), *, ended: bool = False) -> None:
        super().__init__(reason)
        self.outcome: CallOutcome = outcome
        self.trace = tuple(trace)
        self.ended = ended


class RunningPlugin(Protocol):
    """A process for a plugin; asked by one thread at a time, killed from any."""

    def load(self, timeout_s: float) -> frozenset[str]:
        """Load the plugin; return its hooks. Raises PluginFault."""

    def call(self, hook: str, event: Event, serve: Serve, timeout_s: float) -> Sequence[PluginAnswer]:
        """Call a hook; raises PluginFault."""

    def kill(self) -> None:
        """End it at once, whatever it does."""

    def close(self) -> None:
        """Let go of it, once nobody asks it."""


class PluginLoader(Protocol):
    """Starts processes."""

    def start(self, source: PluginSource) -> RunningPlugin:
        """Start a process for a plugin; raises PluginFault."""


class PluginRecords(Protocol):
    """Keeps how plugins fare; all of it blocks."""

    def register(self, name: str, source: str) -> None:
        """Begin to keep a plugin, if it is not kept."""

    def loaded(self, name: str, hooks: Sequence[str]) -> None:
        """Keep which hooks it has."""

    def all(self) -> Sequence[PluginRecord]:
        """Return all that are kept, by name."""

    def count(self, name: str, calls: int, failures: int, dropped: int) -> None:
        """Add to what is counted."""

    def failed(self, name: str, error: str, now: float) -> None:
        """Keep its last error."""

    def disable(self, name: str, reason: str, now: float) -> bool:
        """Turn it off for all processes; False where it is not kept."""

    def enable(self, name: str) -> bool:
        """Turn it on for all processes, to be loaded anew; False where it is not kept."""
