"""Attribute paths: `PatientName`, `OtherPatientIDsSequence[0].PatientID`, `(0040,0275)[*].00400007`.

    path = step *("." step)          step = name ["[" index "]"]
    name = keyword | "(gggg,eeee)" | "ggggeeee"          index = number | "*"

A step with an index names items of a sequence, one without the element itself; every step but the last has an index.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from pydicom.datadict import keyword_for_tag, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from archimage.dicom.dictionary import dictionary_vr
from archimage.dicom.layout import check_depth
from archimage.dicom.limits import DEFAULT_LIMITS
from archimage.errors import InvalidPathError

_STEP: Final = re.compile(
    r"(?:\((?P<group>[0-9A-Fa-f]{4}),\s?(?P<element>[0-9A-Fa-f]{4})\)|(?P<number>[0-9A-Fa-f]{8})"
    r"|(?P<keyword>[A-Z][A-Za-z0-9]*))(?:\[(?P<index>\*|[0-9]{1,6})\])?(?:\.|\Z)"
)


@dataclass(frozen=True, slots=True)
class Step:
    """One step: index is None for the element itself, otherwise the item's number, or ALL."""

    tag: int
    index: int | None = None

    @property
    def vr(self) -> str:
        """The dictionary's VR, UN where it has none."""
        return dictionary_vr(self.tag)


ALL: Final = -1


def parse_path(text: str) -> tuple[Step, ...]:
    """Parse a path.

    Raises:
        InvalidPathError: it is malformed, too deep, or a keyword is not in the dictionary.
    """
    steps: list[Step] = []
    pos = 0
    while pos < len(text):
        match = _STEP.match(text, pos)
        if match is None:
            raise InvalidPathError(f"path {text!r} cannot be read at {text[pos:]!r}")
        steps.append(_step(match))
        pos = match.end()
    if not steps or text.endswith("."):
        raise InvalidPathError(f"path {text!r} names no element")
    if any(step.index is None for step in steps[:-1]):
        raise InvalidPathError(f"path {text!r} lacks an index such as [0] or [*] before a dot")
    check_depth(len(steps) - 1, DEFAULT_LIMITS)
    return tuple(steps)


def _step(match: re.Match[str]) -> Step:
    if match["keyword"] is None:
        tag = int(match["number"] or match["group"] + match["element"], 16)
    else:
        known = tag_for_keyword(match["keyword"])
        if known is None:
            raise InvalidPathError(f"{match['keyword']!r} is no keyword of the data dictionary")
        tag = int(known)
    index = match["index"]
    return Step(tag, index if index is None else ALL if index == "*" else int(index))


def format_step(tag: int, index: int | None = None) -> str:
    """Write one step, by keyword where the dictionary has one."""
    name = keyword_for_tag(tag) or f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
    return name if index is None else f"{name}[{index}]"


def get_path(dataset: Dataset, path: str) -> list[Any]:
    """Return the values, or with a final index the items, that a path names; none where it leads nowhere.

    Raises:
        InvalidPathError: the path is malformed.
    """
    *outer, last = parse_path(path)
    found: list[Any] = []
    for item in _walk(dataset, tuple(outer)):
        if last.index is None:
            found += [item[last.tag].value] if last.tag in item else []
        else:
            found += _items(item, last)
    return found


def set_path(dataset: Dataset, path: str, value: Any, vr: str | None = None) -> int:
    """Set an element everywhere a path leads; return in how many places.

    A numbered item that is the next of its sequence is made, and so is the sequence; `[*]` makes nothing.
    Without a vr the element keeps its own, or takes the dictionary's, UN where it has none.

    Raises:
        InvalidPathError: the path is malformed, ends in an index, or skips items.
    """
    *outer, last = parse_path(path)
    if last.index is not None:
        raise InvalidPathError(f"path {path!r} names items, not an element")
    items = list(_walk(dataset, tuple(outer), make=True))
    for item in items:
        item.add_new(last.tag, vr or (str(item[last.tag].VR) if last.tag in item else last.vr), value)
    return len(items)


def delete_path(dataset: Dataset, path: str) -> int:
    """Delete the elements or items that a path names; return how many there were.

    Raises:
        InvalidPathError: the path is malformed.
    """
    *outer, last = parse_path(path)
    return sum(_delete(item, last) for item in _walk(dataset, tuple(outer)))


def _delete(item: Dataset, step: Step) -> int:
    if step.index is None:
        present = step.tag in item
        if present:
            del item[step.tag]
        return int(present)
    doomed = _items(item, step)
    if doomed:
        first = 0 if step.index == ALL else step.index
        del item[step.tag].value[first : first + len(doomed)]
    return len(doomed)


def find_paths(dataset: Dataset, name: str) -> list[str]:
    """Return the path of every element of a name, a keyword or tag, at any depth.

    Raises:
        InvalidPathError: the name is malformed.
        InvalidDatasetError: sequences nest too deep.
    """
    steps = parse_path(name)
    if len(steps) != 1 or steps[0].index is not None:
        raise InvalidPathError(f"{name!r} is no single keyword or tag")
    return list(_find(dataset, steps[0].tag, "", 0))


def _find(dataset: Dataset, tag: int, prefix: str, depth: int) -> Iterator[str]:
    check_depth(depth, DEFAULT_LIMITS)
    for element in dataset:
        if element.tag == tag:
            yield prefix + format_step(tag)
        if element.VR == "SQ":
            for index, item in enumerate(element.value):
                yield from _find(item, tag, f"{prefix}{format_step(int(element.tag), index)}.", depth + 1)


def _walk(dataset: Dataset, steps: tuple[Step, ...], *, make: bool = False) -> Iterator[Dataset]:
    if not steps:
        yield dataset
        return
    if make:
        _make_item(dataset, steps[0])
    for item in _items(dataset, steps[0]):
        yield from _walk(item, steps[1:], make=make)


def _items(dataset: Dataset, step: Step) -> list[Dataset]:
    if step.tag not in dataset:
        return []
    sequence = dataset[step.tag].value
    if not isinstance(sequence, Sequence):
        raise InvalidPathError(f"{format_step(step.tag)} is no sequence")
    if step.index is None or step.index == ALL:
        return list(sequence)
    return list(sequence[step.index : step.index + 1])


def _make_item(dataset: Dataset, step: Step) -> None:
    if step.index is None or step.index == ALL:
        return
    if step.tag not in dataset:
        dataset.add_new(step.tag, "SQ", [])
    count = len(_items(dataset, Step(step.tag, ALL)))
    if step.index > count:
        raise InvalidPathError(f"{format_step(step.tag, step.index)} skips items: there are {count}")
    if step.index == count:
        dataset[step.tag].value.append(Dataset())
