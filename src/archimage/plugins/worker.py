"""What is done in the process of a plugin: it is loaded, and its hooks are called. Runs in `imaging.worker`.

An exception is told by its kind and by the lines of code that led there, never by its text, which may hold a patient's
data; only what goes wrong while the plugin is loaded is told in full, since no patient is near then.
"""

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import orjson

from archimage import plugin as api
from archimage.imaging.worker import Ask, Task
from archimage.plugin import (
    HOOKS,
    MARK,
    Association,
    FailedJob,
    Instance,
    Label,
    Narrow,
    Query,
    Refuse,
    Removed,
    Routed,
    Send,
    Study,
)

MAX_TRACE: Final = 20
MAX_TEXT: Final = 1_000
_Hooks = dict[str, Callable[[Any], Any]]
_OURS: Final = (__file__, importlib.__file__, importlib.util.__file__)


def tasks(ask: Ask) -> Mapping[str, Task]:
    """Return what this process does; ask has the server answer something."""
    loaded: _Hooks = {}
    return {"load": partial(_load, loaded), "call": partial(_call, loaded, ask)}


def _load(loaded: _Hooks, options: dict[str, Any], _data: list[memoryview]) -> tuple[dict[str, Any], bytes]:
    """Import the plugin; tell its hooks."""
    try:
        found = _from_folder(options) if options["kind"] == "folder" else _from_package(options["target"])
        loaded.update(_hooks_of(found))
    except MemoryError:
        raise
    except BaseException as error:  # SystemExit too: nothing that a plugin raises is to end the process
        return {"failed": _text(f"{type(error).__name__}: {error}"), "trace": _trace(error)}, b""
    if not loaded:
        return {"failed": f"it has no hook; there are {', '.join(HOOKS)}", "trace": []}, b""
    return {"hooks": sorted(loaded)}, b""


def _from_folder(options: Mapping[str, Any]) -> object:
    """Import a file, or a package by its `__init__.py`, beside which it finds what it imports itself."""
    path = Path(options["target"])
    name = f"archimage_plugin_{options['name'].replace('-', '_')}"
    inside = [str(path.parent)] if path.name == "__init__.py" else None
    spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=inside)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path.name} is no Python file")
    if inside is None:
        sys.path.insert(0, str(path.parent))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _from_package(target: str) -> object:
    """Import what an entry point names."""
    module, _, attributes = target.partition(":")
    found: object = importlib.import_module(module)
    for attribute in filter(None, attributes.split(".")):
        found = getattr(found, attribute)
    return found


def _hooks_of(found: object) -> Iterator[tuple[str, Callable[[Any], Any]]]:
    """Yield the hooks of a module or an object; of a single function that is marked, that one."""
    if (name := getattr(found, MARK, None)) in HOOKS and callable(found):
        yield str(name), found
        return
    if isinstance(found, type):
        found = found()
    for name in HOOKS:
        function = getattr(found, name, None)
        if callable(function):
            yield name, function


def _call(loaded: _Hooks, ask: Ask, options: dict[str, Any], data: list[memoryview]) -> tuple[dict[str, Any], bytes]:
    """Call a hook; tell what it answers."""
    hook = options["hook"]
    if hook not in loaded:
        return {"answers": []}, b""  # it was asked before its hooks were known
    told = _TELLERS[hook](orjson.loads(data[0]), ask)
    try:
        answered = loaded[hook](told)
        answers = answered if isinstance(answered, list | tuple) else [] if answered is None else [answered]
        return {"answers": [_plain(answer) for answer in answers]}, b""
    except MemoryError:
        raise
    except _NoAnswerError as error:
        return {"invalid": str(error)}, b""
    except BaseException as error:
        return {"failed": _kind(error), "trace": _trace(error)}, b""


class _NoAnswerError(Exception):
    """What a hook returned is no answer."""


def _plain(answer: object) -> dict[str, Any]:
    match answer:
        case Label(str(name)):
            return {"kind": "label", "text": _text(name)}
        case Send(str(node)):
            return {"kind": "send", "text": _text(node)}
        case Refuse(str(reason)):
            return {"kind": "refuse", "text": _text(reason)}
        case Narrow(keys) if all(isinstance(one, str) for pair in keys.items() for one in pair):
            return {"kind": "narrow", "keys": dict(keys)}
    raise _NoAnswerError(f"a hook answers with Label, Send, Refuse or Narrow, not with {type(answer).__name__}")


def _instance(values: Mapping[str, Any], ask: Ask) -> Instance:
    def read(uid: str, whole: bool) -> bytes:
        return ask({"read": uid, "whole": whole})

    return Instance(**_known(Instance, values), read=read)


def _study(values: Mapping[str, Any], ask: Ask) -> Study:
    def instances(uid: str) -> Iterator[Instance]:
        return (_instance(one, ask) for one in orjson.loads(ask({"instances": uid})))

    made = Study(**_known(Study, values), list_instances=instances)
    return replace(made, modalities=tuple(made.modalities), labels=tuple(made.labels))


def _routed(values: Mapping[str, Any], ask: Ask) -> Routed:
    made = Routed(**_known(Routed, {**values, "study": _study(values["study"], ask)}))
    return replace(made, sop_instance_uids=tuple(made.sop_instance_uids))


def _association(values: Mapping[str, Any], _ask: Ask) -> Association:
    made = Association(**_known(Association, values))
    return replace(made, abstract_syntaxes=tuple(made.abstract_syntaxes))


_TELLERS: Final[Mapping[str, Callable[[Mapping[str, Any], Ask], object]]] = {
    "on_instance_stored": _instance,
    "on_study_complete": _study,
    "on_routed": _routed,
    "on_job_failed": lambda values, _ask: FailedJob(**_known(FailedJob, values)),
    "on_study_deleted": lambda values, _ask: Removed(**_known(Removed, values)),
    "on_query": lambda values, _ask: Query(**_known(Query, values)),
    "on_association": _association,
}


def _known(kind: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what this release of the API does not know."""
    names = {one.name for one in fields(kind)}
    return {name: value for name, value in values.items() if name in names}


def _kind(error: BaseException) -> str:
    """Return the kind of an exception, by its module where that is not Python's own."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _trace(error: BaseException) -> list[str]:
    """Return the places that led to an exception, those of the plugin and what it called, outermost first."""
    frames = traceback.extract_tb(error.__traceback__)
    told = [frame for frame in frames if frame.filename not in _OURS and not frame.filename.startswith("<frozen")]
    if isinstance(error, SyntaxError) and error.filename:
        return [f"{Path(error.filename).name}:{error.lineno}"]
    return [f"{_file(frame.filename)}:{frame.lineno} in {frame.name}: {frame.line}" for frame in told[-MAX_TRACE:]]


def _file(path: str) -> str:
    """Return the end of a path, which is enough to find the file."""
    return "/".join(Path(path).parts[-2:])


def _text(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}..."


assert set(_TELLERS) == set(api.HOOKS)  # noqa: S101 - a hook that nothing is told of cannot be called
