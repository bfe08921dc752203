"""Scripts as they are served: each with the modules that it imports, in one file instead of one request for each.

A module becomes a function that is called once and returns what it exports, before those that import it. So only the
plain forms are understood, each on a line of its own: `import { a, b as c } from "./module.js";`, and `export` before a
function, class or constant; whatever else begins with either word is an error, and found when the server starts.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

_IMPORT: Final = re.compile(r'^import \{(.*)\} from "\./([a-z]+)\.js";$', re.MULTILINE)
_EXPORT: Final = re.compile(r"^export (?=(?:async )?(?:function\*?|class|const) (\w+))", re.MULTILINE)
_OTHER: Final = re.compile(r"^(?:import|export)\b.*$", re.MULTILINE)


def link(modules: Mapping[str, str]) -> Mapping[str, str]:
    """Return the scripts that no other imports, each with all that it needs; by name, without `.js`.

    Raises:
        ValueError: a module imports what is not there, itself by way of others, or in a form that is not understood.
    """
    imported = {name for text in modules.values() for _, name in _IMPORT.findall(text)}
    return {name: _linked(name, modules) for name in modules if name not in imported}


def _linked(name: str, modules: Mapping[str, str]) -> str:
    return "".join(_wrapped(one, modules[one]) for one in _needed(name, modules, ()))


def _needed(name: str, modules: Mapping[str, str], above: tuple[str, ...]) -> Iterable[str]:
    """Return a module and what it needs, that first, each once."""
    if name in above or name not in modules:
        raise ValueError(f"{name}.js is imported, by {' by '.join(reversed(above))}, and cannot be")
    found: dict[str, None] = {}
    for _, other in _IMPORT.findall(modules[name]):
        found |= dict.fromkeys(_needed(other, modules, (*above, name)))
    return [*found, name]


def _wrapped(name: str, text: str) -> str:
    exported = _EXPORT.findall(text)
    text = _EXPORT.sub("", _IMPORT.sub(_taken, text))
    if (other := _OTHER.search(text)) is not None:
        raise ValueError(f"{name}.js: {other[0]} is not understood")
    return f"const module_{name} = (() => {{\n{text}\nreturn {{ {', '.join(exported)} }};\n}})();\n"


def _taken(found: "re.Match[str]") -> str:
    return f"const {{{found[1].replace(' as ', ': ')}}} = module_{found[2]};"
