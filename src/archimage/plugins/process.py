"""The server's side of a plugin's process. Implements `ports.plugins.PluginLoader`."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

import orjson

from archimage.config_plugins import PluginsConfig
from archimage.errors import UnavailableError
from archimage.imaging.process import Answer, WorkerLostError, WorkerProcess, WorkerSettings
from archimage.model.plugins import ASKED, TOLD, PluginAnswer, PluginSource
from archimage.ports.plugins import Event, PluginFault, RunningPlugin, Serve

MAX_ANSWERS: Final = 100
_TASKS: Final = "archimage.plugins.worker:tasks"
_MAX_TEXT: Final = 2_000
_ALLOWED: Final = {**ASKED, **TOLD}


class ProcessLoader:
    """Starts processes of so much memory."""

    def __init__(self, memory_bytes: int) -> None:
        self._settings = WorkerSettings(memory_bytes=memory_bytes, max_answer_bytes=memory_bytes, tasks=_TASKS)

    def start(self, source: PluginSource) -> RunningPlugin:
        """Start a process for a plugin; raises PluginFault."""
        try:
            return PluginProcess(WorkerProcess(self._settings), source)
        except UnavailableError:
            raise PluginFault("lost", "its process did not start", ended=True) from None


def hooks_of(source: PluginSource, settings: PluginsConfig) -> frozenset[str]:
    """Load a plugin in a process that ends then, and return its hooks; raises PluginFault."""
    process = ProcessLoader(settings.memory_bytes).start(source)
    try:
        return process.load(settings.start_timeout_s)
    finally:
        process.close()


class PluginProcess:
    """A process, for one plugin."""

    def __init__(self, worker: WorkerProcess, source: PluginSource) -> None:
        self._worker = worker
        self._source = source

    def load(self, timeout_s: float) -> frozenset[str]:
        """Load the plugin; return its hooks. Raises PluginFault."""
        told = _ask(self._worker, ("load", asdict(self._source)), (), timeout_s)
        hooks = told.get("hooks")
        if not isinstance(hooks, list):
            raise PluginFault("failed", f"it cannot be loaded: {_text(told, 'failed')}", _lines(told), ended=True)
        return frozenset(map(str, hooks)) & _ALLOWED.keys()

    def call(self, hook: str, event: Event, serve: Serve, timeout_s: float) -> Sequence[PluginAnswer]:
        """Call a hook; raises PluginFault."""
        told = _ask(self._worker, ("call", {"hook": hook}), (orjson.dumps(event),), timeout_s, serve)
        if "failed" in told:
            raise PluginFault("failed", f"it raised {_text(told, 'failed')}", _lines(told))
        answers = told.get("answers")
        if not isinstance(answers, list):
            raise PluginFault("invalid", _text(told, "invalid"))
        return [_checked(hook, answer) for answer in answers[:MAX_ANSWERS]]

    def kill(self) -> None:
        """End it at once, whatever it does."""
        self._worker.kill()

    def close(self) -> None:
        """Let go of it, once nobody asks it."""
        self._worker.close()


def _ask(
    worker: WorkerProcess,
    task: tuple[str, Mapping[str, Any]],
    data: Sequence[bytes],
    timeout_s: float,
    serve: Serve | None = None,
) -> Mapping[str, Any]:
    """Have a process do a task; raises PluginFault where that ends the process."""
    try:
        answer: Answer = worker.ask(*task, data, timeout_s, serve)
    except WorkerLostError as lost:
        outcome, why = ("timeout", "it hung") if lost.late else ("lost", "it ended its process")
        raise PluginFault(outcome, f"{why}: {lost}", ended=True) from None  # type: ignore[arg-type]
    if answer.last:
        raise PluginFault("memory", "it took more memory than plugins.memory_bytes", ended=True)
    if answer.error is not None:
        raise PluginFault("invalid", "its process answered something else", ended=True)
    return answer.result


def _checked(hook: str, answer: object) -> PluginAnswer:
    """Return an answer that may be given to a hook."""
    match answer:
        case {"kind": str(kind), "text": str(text)} if kind in _ALLOWED[hook]:
            return PluginAnswer(kind, text)
        case {"kind": str(kind), "keys": dict(keys)} if kind in _ALLOWED[hook]:
            return PluginAnswer(kind, keys={str(name): str(value) for name, value in keys.items()})
        case {"kind": str(kind)}:
            allowed = ", ".join(sorted(_ALLOWED[hook])) or "nothing"
            raise PluginFault("invalid", f"{hook} answered {kind[:40]!r}, and may answer {allowed}")
    raise PluginFault("invalid", f"{hook} answered something else")


def _text(told: Mapping[str, Any], name: str) -> str:
    return str(told.get(name, ""))[:_MAX_TEXT]


def _lines(told: Mapping[str, Any]) -> Sequence[str]:
    trace = told.get("trace")
    return [str(line)[:_MAX_TEXT] for line in trace] if isinstance(trace, list) else []
