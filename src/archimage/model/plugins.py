"""Plugins as the archive sees them: where they come from, how they fare, and what they answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

PluginState = Literal["starting", "ready", "broken", "disabled"]
"""starting: not loaded yet; broken: it could not be loaded, and is tried again; disabled: it failed too often, or
somebody turned it off."""
CallOutcome = Literal["done", "failed", "timeout", "memory", "lost", "invalid", "skipped"]
"""How a call of a hook ended: `failed` it raised; `timeout`, `memory` and `lost` cost its process; `invalid` its answer
is none of this hook; `skipped` it was not made, as the plugin was busy or is disabled."""

ASKED: Mapping[str, frozenset[str]] = {
    "on_query": frozenset({"refuse", "narrow"}),
    "on_association": frozenset({"refuse"}),
}
"""Hooks that somebody waits for, and the kinds of answers that each may give."""
TOLD: Mapping[str, frozenset[str]] = {
    "on_instance_stored": frozenset({"label", "send"}),
    "on_study_complete": frozenset({"label", "send"}),
    "on_study_deleted": frozenset(),
    "on_routed": frozenset({"label", "send"}),
    "on_job_failed": frozenset(),
}
"""Hooks that nobody waits for, and the kinds of answers."""


@dataclass(frozen=True, slots=True)
class PluginSource:
    """Where a plugin is loaded from: a path, or MODULE[:NAME] of an entry point."""

    name: str
    kind: Literal["folder", "package"]
    target: str


@dataclass(frozen=True, slots=True)
class PluginAnswer:
    """One thing that a hook answers: a label's name, a node, a reason, or keys."""

    kind: str
    text: str = ""
    keys: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class PluginRecord:
    """What is kept of a plugin, for all processes of the archive together; times are seconds since 1970, UTC.

    generation grows whenever it is enabled, so that each process loads it anew. hooks None tells that it was never
    loaded.
    """

    name: str
    source: str
    hooks: Sequence[str] | None = None
    disabled_at: float | None = None
    reason: str = ""
    generation: int = 0
    calls: int = 0
    failures: int = 0
    dropped: int = 0
    last_error: str = ""
    last_error_at: float | None = None


@dataclass(frozen=True, slots=True)
class PluginStatus:
    """A plugin as it is shown.

    calls, failures and dropped are counted over all processes, since it was first loaded; dropped are instances that
    it was not told of because it was too far behind. waiting is what it is still to be told, here. required: nothing
    that it is asked for goes on without it.
    """

    name: str
    source: str
    state: PluginState
    hooks: Sequence[str]
    required: bool
    calls: int
    failures: int
    failures_in_a_row: int
    dropped: int
    waiting: int
    reason: str
    disabled_at: float | None
    last_error: str
    last_error_at: float | None
