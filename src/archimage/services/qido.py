"""The search use case of DICOMweb: parameters become a typed query, and rows become objects of the DICOM JSON model.

Ref: PS3.18 §8.3.4 (query parameters), §10.6 (search), §F.2 (DICOM JSON model).
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from archimage.dicom.dictionary import dictionary_vr, tag_of_keyword
from archimage.dicom.json import RowWriter
from archimage.errors import InvalidQueryError
from archimage.model.attributes import ATTRIBUTES, BY_COLUMN, BY_TAG, UNIQUE_KEYS, Attribute, Level
from archimage.model.query import Condition, DateTimeRange, Exact, OrderBy, Query, UIDList
from archimage.services.identifiers import Identifier, Key
from archimage.services.query import QueryOptions, Root, Row, find_of, is_matched, sequence_attributes

MAX_FIELDS: Final = 1_024
MAX_SORT_KEYS: Final = 8
REMEMBERED_SEARCHES: Final = 256
_REMEMBERED_WRITERS: Final = 4
REMEMBERED_ROWS: Final = 512
"""Rows of which a writer keeps the JSON. A list on a screen is asked for again after every change, most of its rows the
same, and to write one takes ten times as long as to find it."""
_TAG: Final = re.compile(r"[0-9A-Fa-f]{8}", re.ASCII)
_MULTIPLE_VALUE_VRS: Final = frozenset({"AE", "AS", "AT", "CS", "LO", "PN", "SH", "UC"})
_COMMA_VRS: Final = frozenset({"AS", "AT", "CS", "UI"})
"""Lists of these may be written with commas, as the standard has it for UIDs: no value holds one."""
_DEFAULTS: Final[Mapping[Level, tuple[str, ...]]] = {
    Level.STUDY: (
        "study_date",
        "study_time",
        "accession_number",
        "modalities_in_study",
        "referring_physician_name",
        "timezone_offset_from_utc",
        "patient_name",
        "patient_id",
        "patient_birth_date",
        "patient_sex",
        "study_instance_uid",
        "study_id",
        "number_of_study_related_series",
        "number_of_study_related_instances",
    ),
    Level.SERIES: (
        "modality",
        "timezone_offset_from_utc",
        "series_description",
        "series_instance_uid",
        "series_number",
        "number_of_series_related_instances",
        "performed_procedure_step_start_date",
        "performed_procedure_step_start_time",
        "request_scheduled_procedure_step_id",
        "request_requested_procedure_id",
    ),
    Level.IMAGE: (
        "sop_class_uid",
        "sop_instance_uid",
        "available_transfer_syntax_uid",
        "timezone_offset_from_utc",
        "instance_number",
        "rows",
        "columns",
        "bits_allocated",
        "number_of_frames",
    ),
}
"""What every response holds, level by level (PS3.18 Tables 10.6.3-3, -4 and -5)."""


@dataclass(frozen=True, slots=True)
class Search:
    """What is searched for, as the client names it; `within` are the unique keys of the address."""

    level: Level
    within: tuple[tuple[str, str], ...] = ()
    matches: tuple[tuple[str, str], ...] = ()
    include: tuple[str, ...] = ()
    order_by: tuple[str, ...] = ()
    fuzzy: bool = False
    empty_values: bool = False
    """Two quotation marks ask for what has no value (PS3.4 §C.2.2.2.7)."""
    all_values: bool = False
    """Of several values of a key each must be there, not one of them (PS3.4 §C.2.2.2.8)."""
    limit: int = 100
    offset: int = 0


@dataclass(frozen=True, slots=True)
class PreparedSearch:
    """A search ready to run.

    ignored names what the archive keeps no index of, or cannot match; left_out what was asked for and cannot be
    returned.
    """

    query: Query
    ignored: tuple[str, ...]
    left_out: tuple[str, ...] = ()

    @property
    def limit(self) -> int:
        """How many results there may be."""
        return self.query.limit or 0


def prepare(search: Search) -> PreparedSearch:
    """Read the names and values of a search.

    Raises:
        InvalidQueryError: a name is no attribute, or a value does not fit its VR.
    """
    every = _every_page(replace(search, limit=0, offset=0))
    return replace(every, query=replace(every.query, limit=search.limit, offset=search.offset))


@lru_cache(maxsize=REMEMBERED_SEARCHES)
def _every_page(search: Search) -> PreparedSearch:
    if len(search.include) + len(search.matches) > MAX_FIELDS:
        raise InvalidQueryError(f"more than {MAX_FIELDS} attributes in one search")
    if len(search.order_by) > MAX_SORT_KEYS:
        raise InvalidQueryError(f"more than {MAX_SORT_KEYS} attributes to sort by")
    matches = [(name, parse_path(name), value) for name, value in search.matches]
    keys = keys_of(((path, value) for _, path, value in matches), search.within)
    options = QueryOptions(combined_date_time=True, fuzzy_names=search.fuzzy, empty_values=search.empty_values)
    find = find_of(Root.PATIENT, Identifier(search.level, keys), options)
    included = [(name, parse_path(name)) for name in search.include if name != "all"]
    conditions = find.query.conditions
    query = replace(
        find.query,
        conditions=tuple(_each_value(conditions)) if search.all_values else conditions,
        requested=_requested(search, [path for _, path, _ in matches] + [path for _, path in included]),
        order_by=tuple(_sort_key(name) for name in search.order_by),
    )
    ignored = tuple(name for name, path, _ in matches if not is_matched(path))
    return PreparedSearch(
        query, ignored, tuple(name for name, path in included if not _is_returned(path, search.level))
    )


def _is_returned(path: tuple[int, ...], level: Level) -> bool:
    """Tell whether results of a level can hold what a path names."""
    if len(path) == 1 and path[0] in _MADE_TAGS:
        return True
    return any(attribute.level.depth <= level.depth for attribute in _named(path))


def _each_value(conditions: Iterable[Condition | DateTimeRange]) -> Iterator[Condition | DateTimeRange]:
    """Ask for every value of a list, where an attribute may have several and its VR has multiple value matching."""
    for condition in conditions:
        if isinstance(condition, Condition) and isinstance(condition.match, UIDList):
            attribute = condition.attribute
            if attribute.multiple and attribute.vr in _MULTIPLE_VALUE_VRS:
                yield from (Condition(attribute, Exact(value)) for value in condition.match.values)
                continue
        yield condition


def parse_path(name: str) -> tuple[int, ...]:
    """Read an attribute ID: tags of eight digits, or keywords, joined with dots where sequences nest.

    Raises:
        InvalidQueryError: a part of it is neither.
    """
    return tuple(_tag(part, name) for part in name.split("."))


def _tag(part: str, name: str) -> int:
    if _TAG.fullmatch(part):
        return int(part, 16)
    tag = tag_of_keyword(part)
    if tag is None:
        raise InvalidQueryError(f"{name[:80]!r} is no attribute: give a keyword, or a tag of eight hexadecimal digits")
    return tag


def keys_of(matches: Iterable[tuple[tuple[int, ...], str]], within: Iterable[tuple[str, str]]) -> tuple[Key, ...]:
    """Make query keys; those of one sequence share its item."""
    plain: dict[int, Key] = {}
    nested: dict[int, dict[int, Key]] = {}
    for path, value in matches:
        vr = dictionary_vr(path[-1])
        text = value.replace(",", "\\") if vr in _COMMA_VRS else value
        place = plain if len(path) == 1 else nested.setdefault(path[0], {})
        if len(path) > 2 or vr == "SQ":
            continue
        if path[-1] in place:
            raise InvalidQueryError(f"attribute {path[-1]:08X} is matched twice")
        place[path[-1]] = Key(path[-1], vr, text)
    for column, uid in within:
        tag = BY_COLUMN[column].tag
        if tag in plain and plain[tag].value not in {uid, ""}:
            raise InvalidQueryError(f"attribute {tag:08X} differs from the address")
        plain[tag] = Key(tag, "UI", uid)
    sequences = (Key(tag, "SQ", "", (tuple(item.values()),)) for tag, item in nested.items())
    return (*plain.values(), *sequences)


def _requested(search: Search, paths: Sequence[tuple[int, ...]]) -> tuple[Attribute, ...]:
    """List what a response holds: what the standard wants of its level and of those above that the address leaves open,
    what was matched, and what was asked for."""
    wanted = [BY_COLUMN[column] for level in _levels(search) for column in _DEFAULTS[level]]
    if "all" in search.include:
        wanted += [attribute for attribute in ATTRIBUTES if attribute.level.depth <= search.level.depth]
    for path in paths:
        wanted += _named(path)
    return tuple(dict.fromkeys(found for found in wanted if found.level.depth <= search.level.depth))


def _levels(search: Search) -> Iterator[Level]:
    """Yield the levels whose attributes stand in each response: that of the search, and those above it unless one
    object of them was named."""
    named = dict(search.within)
    yield search.level
    if search.level.depth > Level.STUDY.depth and "study_instance_uid" not in named:
        yield Level.STUDY
    if search.level is Level.IMAGE and "series_instance_uid" not in named:
        yield Level.SERIES


def _named(path: tuple[int, ...]) -> tuple[Attribute, ...]:
    """Return the indexed attributes that a path stands for."""
    if len(path) == 1 and dictionary_vr(path[0]) == "SQ":
        return sequence_attributes(Key(path[0], "SQ", ""))
    found = BY_TAG.get((None, path[0])) if len(path) == 1 else BY_TAG.get((path[0], path[-1]))
    return (found,) if found is not None and len(path) < 3 else ()


def _sort_key(name: str) -> OrderBy:
    """Read a sort key; a minus sign before it is descending."""
    path = parse_path(name.removeprefix("-"))
    attribute = BY_TAG.get((None, path[0])) if len(path) == 1 else None
    if attribute is None or attribute.multiple:
        raise InvalidQueryError(f"{name[:80]!r} cannot be sorted by")
    return OrderBy(attribute, name.startswith("-"))


@dataclass(frozen=True, slots=True)
class _Made:
    """An attribute that no table holds."""

    column: str
    tag: int
    vr: str
    sequence_tag: None = None


_MADE: Final = (
    _Made("specific_character_set", 0x00080005, "CS"),
    _Made("instance_availability", 0x00080056, "CS"),
    _Made("retrieve_url", 0x00081190, "UR"),
)
_MADE_TAGS: Final = frozenset(made.tag for made in _MADE)
_CONSTANTS: Final = {"specific_character_set": "ISO_IR 192", "instance_availability": "ONLINE"}


class ResultWriter:
    """Writes results that hold the same attributes as objects of DICOM JSON; base_url is the address of the service."""

    def __init__(self, level: Level, requested: Iterable[Attribute], base_url: str) -> None:
        self._studies = f"{base_url}/studies"
        self._depth = level.depth
        keys = (key for level, key in UNIQUE_KEYS.items() if 0 < level.depth <= self._depth)
        self._write = RowWriter((*dict.fromkeys((*requested, *keys)), *_MADE)).write
        self._written = lru_cache(maxsize=REMEMBERED_ROWS)(self._written_anew)

    def write(self, row: Row) -> bytes:
        """Return one result; attributes without a value have their VR alone."""
        return self._written(tuple(row.items()))

    def _written_anew(self, items: tuple[tuple[str, str], ...]) -> bytes:
        row = dict(items)
        return self._write({**row, **_CONSTANTS, "retrieve_url": self._retrieve_url(row)})

    def _retrieve_url(self, row: Row) -> str:
        url = f"{self._studies}/{row['study_instance_uid']}"
        if self._depth >= Level.SERIES.depth:
            url += f"/series/{row['series_instance_uid']}"
        if self._depth >= Level.IMAGE.depth:
            url += f"/instances/{row['sop_instance_uid']}"
        return url


@lru_cache(maxsize=_REMEMBERED_WRITERS)
def result_writer(level: Level, requested: tuple[Attribute, ...], base_url: str) -> ResultWriter:
    """Return the writer of such results."""
    return ResultWriter(level, requested, base_url)
