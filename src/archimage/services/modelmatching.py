"""Query keys against data sets that are kept whole: worklist entries, work items, objects without a patient.

The same matching as the index does in SQL: texts case-sensitively; names without case and accents in every script;
dates and times by all that a partial value covers; of several values one that matches is enough. Keys of one sequence
are met by one and the same item.
Ref: PS3.4 §C.2.2.2.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from archimage.model import names, patterns
from archimage.model.query import Empty, Exact, Match, Range, UIDList, Universal, Wildcard
from archimage.services.datasets import Attribute, Model, text_of
from archimage.services.identifiers import Key
from archimage.services.matching import parse_match

_NUMBERS: Final = frozenset({"IS", "DS", "US", "UL", "SS", "SL", "FL", "FD"})
_FLOORS: Final[Mapping[str, Callable[[str], str]]] = {
    "DA": str,
    "TM": patterns.time_floor,
    "DT": patterns.date_time_floor,
}
UNMATCHED: Final = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
"""VRs of keys that everything matches."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One key of a query, parsed: inner are the keys of its item, None where it is no sequence."""

    name: str
    vr: str
    match: Match
    inner: tuple["Wanted", ...] | None = None

    @property
    def is_universal(self) -> bool:
        """Tell whether everything matches it."""
        if self.inner is not None:
            return all(one.is_universal for one in self.inner)
        return isinstance(self.match, Universal)


def parse(keys: Sequence[Key], *, empty_values: bool = False) -> tuple[Wanted, ...]:
    """Parse the keys of an identifier; of a sequence with several items only the first is looked at.

    Raises:
        InvalidQueryError: a value does not fit its VR, or is beyond a limit.
    """
    return tuple(_wanted(key, empty_values) for key in keys)


def _wanted(key: Key, empty_values: bool) -> Wanted:
    name = f"{key.tag:08X}"
    if key.vr == "SQ":
        inner = parse(key.items[0], empty_values=empty_values) if key.items else ()
        return Wanted(name, "SQ", Universal(), inner)
    if key.vr in UNMATCHED:
        return Wanted(name, key.vr, Universal())
    return Wanted(name, key.vr, parse_match(key.value, key.vr, empty_values=empty_values))


def exact_values(wanted: Wanted) -> tuple[str, ...]:
    """Return the values of which a key asks for one, none where it asks for anything else."""
    match wanted.match:
        case Exact(value):
            return (value,)
        case UIDList(values):
            return tuple(values)
    return ()


def matches(model: Model, wanted: Sequence[Wanted]) -> bool:
    """Tell whether a data set meets every key."""
    return all(one.is_universal or _meets(model.get(one.name), one) for one in wanted)


def _meets(attribute: Attribute | None, wanted: Wanted) -> bool:
    values = [] if attribute is None else attribute.get("Value", [])
    if wanted.inner is not None:
        return any(matches(item, wanted.inner) for item in values)
    found = [text for value in values if (text := text_of(value))]
    if isinstance(wanted.match, Empty):
        return not found
    return any(fits(text, wanted.vr, wanted.match) for text in found)


def fits(text: str, vr: str, match: Match) -> bool:
    """Tell whether one value of a VR is what is asked for."""
    if isinstance(match, UIDList):
        return any(fits(text, vr, Exact(value)) for value in match.values)
    if vr == "PN":
        return _is_named(text, match)
    if vr in _FLOORS:
        return _is_within(text, vr, match)
    if vr in _NUMBERS and isinstance(match, Exact):
        return _is_number(text, match.value)
    if isinstance(match, Wildcard):
        return pattern_of(match.pattern).fullmatch(text) is not None
    return isinstance(match, Exact) and text.rstrip() == match.value


def _is_named(text: str, match: Match) -> bool:
    """Compare a name by its folded forms: every component group of the key must be one, or fit one."""
    if not isinstance(match, Exact | Wildcard):
        return False
    wild = isinstance(match, Wildcard)
    forms = _forms(text)
    groups = names.query_forms(match.pattern if isinstance(match, Wildcard) else match.value, wild=wild)
    if wild:
        return all(any(pattern_of(one).fullmatch(form) for one in group for form in forms) for group in groups)
    return all(not forms.isdisjoint(group) for group in groups)


@lru_cache(maxsize=4096)
def _forms(name: str) -> frozenset[str]:
    return frozenset(key for kind, key in names.keys(name) if kind == names.FORM)


def _is_within(text: str, vr: str, match: Match) -> bool:
    if isinstance(match, Wildcard):
        return pattern_of(match.pattern).fullmatch(text) is not None
    if not isinstance(match, Exact | Range):
        return False
    low, high = (match.value, match.value) if isinstance(match, Exact) else (match.low or "", match.high or "")
    if vr == "DT":
        text, low, high = patterns.to_utc(text), patterns.to_utc(low), patterns.to_utc(high, end=True)
    end = patterns.successor(high)
    return text >= _FLOORS[vr](low) and (end is None or text < end)


def _is_number(text: str, wanted: str) -> bool:
    try:
        return float(text) == float(wanted)
    except ValueError:
        return False


@lru_cache(maxsize=1024)
def pattern_of(pattern: str) -> re.Pattern[str]:
    """Compile a pattern of `*` and `?`; runs of anything are short and none is tried again: it takes no time."""
    head, *rest = (re.escape(part).replace(r"\?", ".") for part in pattern.split("*"))
    if not rest:
        return re.compile(head, re.DOTALL)
    *middle, last = rest
    found = "".join(f"(?>.*?{part})" for part in middle)
    return re.compile(f"{head}{found}.*{last}", re.DOTALL)


def selected(model: Model, wanted: Sequence[Wanted]) -> Model:
    """Return what keys ask for, empty where it is not known: of a sequence the items that match, whole without keys."""
    return {one.name: _selected(model.get(one.name), one) for one in wanted}


def _selected(attribute: Attribute | None, wanted: Wanted) -> Attribute:
    if attribute is None:
        return {"vr": wanted.vr}
    if not wanted.inner or attribute.get("vr") != "SQ":
        return attribute
    items = [selected(item, wanted.inner) for item in attribute.get("Value", []) if matches(item, wanted.inner)]
    return {"vr": "SQ", "Value": items} if items else {"vr": "SQ"}
