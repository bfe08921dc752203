"""The query use case: an identifier becomes a typed query, and the index's rows come back in pages.

Ref: PS3.4 §C.4.1 (C-FIND), §C.6 (information models).
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, TypeVar, cast

from archimage.errors import InvalidQueryError, OutOfResourcesError
from archimage.model import callers
from archimage.model.attributes import ATTRIBUTES, BY_COLUMN, BY_TAG, Attribute, Level
from archimage.model.callers import granted
from archimage.model.patterns import literal_prefix
from archimage.model.query import Condition, DateTimeRange, Query, Range, Universal, Wildcard
from archimage.ports.index import Index
from archimage.ports.meter import Meter
from archimage.services.identifiers import Identifier, Key, flatten
from archimage.services.matching import parse_match
from archimage.services.remembered import Remembered
from archimage.services.told import query_asked
from archimage.services.visible import seen

T = TypeVar("T")

Row = Mapping[str, str]
"""Columns of `model.attributes` to text; absent values left out."""

ALWAYS_RETURNED: Final = frozenset({0x00080052, 0x00080054, 0x00080056})
"""Query/Retrieve Level, Retrieve AE Title and Instance Availability stand in every response."""
FEW: Final = 10_000
"""So many matches are sorted faster than they are met on a walk along an index in its order."""
REMEMBERED_COUNTS: Final = 1_024
REMEMBERED_ANSWERS: Final = 64
_UNLIMITED: Final = 1 << 62
_CONTEXT_COLUMNS: Final = frozenset({"timezone_offset_from_utc", "available_transfer_syntax_uid"})
_SEQUENCE_ATTRIBUTES: Final[Mapping[int, tuple[Attribute, ...]]] = {
    sequence: tuple(attribute for attribute in ATTRIBUTES if attribute.sequence_tag == sequence)
    for sequence in {attribute.sequence_tag for attribute in ATTRIBUTES}
    if sequence is not None
}
_DATE_TIMES: Final = tuple(
    (attribute, BY_COLUMN[time])
    for attribute in ATTRIBUTES
    if attribute.vr == "DA" and (time := attribute.column.removesuffix("date") + "time") in BY_COLUMN
)


Review = Callable[[str, Query], Query]
"""Returns a query of a door as it may be made: it finds the same or less."""


class Root(Enum):
    """Query/Retrieve information model, with the levels it knows."""

    PATIENT = (Level.PATIENT, Level.STUDY, Level.SERIES, Level.IMAGE)
    STUDY = (Level.STUDY, Level.SERIES, Level.IMAGE)
    PATIENT_STUDY_ONLY = (Level.PATIENT, Level.STUDY)

    def check(self, level: Level) -> None:
        """Raise InvalidQueryError where the model does not know the level."""
        if level not in self.value:
            raise InvalidQueryError(f"level {level} is not part of the {self.name.replace('_', ' ').lower()} model")


@dataclass(frozen=True, slots=True)
class QueryOptions:
    """What extended negotiation agreed on (PS3.4 §C.5.1.1), or a web client asks for (PS3.18 §8.3.4)."""

    combined_date_time: bool = False
    fuzzy_names: bool = False
    empty_values: bool = False


@dataclass(frozen=True, slots=True)
class Find:
    """A query ready to run, and the keys that each response gives back.

    unsupported tells that some keys are neither matched nor returned.
    """

    query: Query
    keys: tuple[Key, ...]
    unsupported: bool


class QueryService:
    """Answers queries from the index."""

    def __init__(self, index: Index, *, max_results: int | None = None) -> None:
        self.meter = Meter()
        """Hears of queries, from the doors through which they come."""
        self.review: Review | None = None
        """Looks at what people and programs search for before it is looked for, where anybody does."""
        self._index = index
        self._max_results = max_results
        self._counts = Remembered[int](index.generation, REMEMBERED_COUNTS)
        self._some = Remembered[Sequence[int]](index.generation, REMEMBERED_ANSWERS)
        self._answers = Remembered[object](index.generation, REMEMBERED_ANSWERS, index.generation_at_once)

    @property
    def max_results(self) -> int:
        """How many matches one query may return."""
        return _UNLIMITED if self._max_results is None else self._max_results

    def prepare(self, root: Root, identifier: Identifier, options: QueryOptions | None = None) -> Find:
        """Turn an identifier into a query.

        Unique keys of the levels above are not asked for, and keys at any level are matched: every query is
        answered as a relational one, as most archives do today. Counts are returned and not matched;
        Timezone Offset From UTC is returned and shifts nothing, as that is never negotiated.

        Raises:
            InvalidQueryError: the level or a value does not fit.
        """
        find = find_of(root, identifier, options or QueryOptions())
        limit = None if self._max_results is None else self._max_results + 1
        query_asked(find.query)
        return replace(find, query=replace(find.query, limit=limit))

    def reviewed(self, door: str, query: Query) -> Query:
        """Return a query of a door as it may be made; blocks where somebody looks at it.

        Every search that somebody makes for patients, studies, series or instances passes here once, whichever way he
        came. What the archive looks up by itself, or to show what somebody has opened, does not.

        Raises:
            NotAuthorisedError: it may not.
            UnavailableError: who must look at it cannot.
        """
        return query if self.review is None or callers.current() is None else self.review(door, query)

    def count(self, query: Query) -> int:
        """Count the matches, limit and offset left aside; blocks."""
        counted = _bare(seen(query))
        return self._counts.get(counted, lambda: self._index.count(counted))

    def some(self, query: Query, limit: int) -> Sequence[int]:
        """Return the index's keys of the matches, in no order, of no more than limit of them; blocks."""
        wanted = _bare(seen(query))
        return self._some.get((wanted, limit), lambda: self._index.some(wanted, limit))

    def few(self, query: Query) -> Sequence[int] | None:
        """Return the index's keys of the matches, limit and offset left aside, where they are few and to look for them
        is most of the work: who has them need not look again for the count, or the next page. None elsewhere; blocks.
        """
        if not query.text and not any(map(_is_laborious, query.conditions)):
            return None
        found = self.some(query, FEW + 1)
        return found if len(found) <= FEW else None

    def remember(self, key: Hashable, make: Callable[[], T], serves: Callable[[T], bool]) -> T:
        """Return what make returns, or did when key was last asked for if nothing has changed since; blocks.

        Of small answers that are asked for again and again; serves tells whether one is to be used again.
        """
        key = (key, granted().within)
        return cast("T", self._answers.get(key, make, cast("Callable[[object], bool]", serves)))

    def recall(self, key: Hashable, serves: Callable[[T], bool]) -> T | None:
        """Return what `remember` would without making it; None where it would have to, or to wait. Never blocks."""
        key = (key, granted().within)
        return cast("T | None", self._answers.at_once(key, cast("Callable[[object], bool]", serves)))

    def pages(self, query: Query) -> Iterator[Sequence[Row]]:
        """Yield the matches page by page; blocks.

        Raises:
            OutOfResourcesError: there are more matches than the limit, which have been yielded.
            IndexUnavailableError: the index does not answer.
        """
        left = self._max_results
        for page in self._index.find(seen(query)):
            if left is not None and len(page) > left:
                yield page[:left]
                raise OutOfResourcesError(f"more than {self._max_results} matches; narrow the query")
            left = None if left is None else left - len(page)
            yield page


def _is_laborious(condition: Condition | DateTimeRange) -> bool:
    """Tell whether every value has to be looked at, as no index leads to those that match."""
    match = condition.match
    return isinstance(match, Wildcard) and not literal_prefix(match.pattern) and bool(match.pattern.strip("*"))


def _bare(query: Query) -> Query:
    """Return what decides which rows match."""
    return replace(query, requested=(), order_by=(), limit=None, offset=0, among=None)


def find_of(root: Root, identifier: Identifier, options: QueryOptions) -> Find:
    """Turn an identifier into a query without a limit; see `QueryService.prepare`."""
    root.check(identifier.level)
    pairs = tuple(flatten(identifier.keys))
    conditions = tuple(_conditions(pairs, empty_values=options.empty_values))
    if options.combined_date_time:
        conditions = _combined(conditions)
    query = Query(identifier.level, conditions, tuple(dict.fromkeys(_requested(identifier))), fuzzy=options.fuzzy_names)
    return Find(query, identifier.keys, any(not _supported(*pair, identifier.level) for pair in pairs))


def is_matched(path: tuple[int, ...]) -> bool:
    """Tell whether the attribute at a path of tags is one that can be matched."""
    attribute = BY_TAG.get((path[0] if len(path) == 2 else None, path[-1])) if len(path) < 3 else None
    return attribute is not None and _matched(attribute)


def _conditions(pairs: Iterable[tuple[int | None, Key]], *, empty_values: bool) -> Iterator[Condition | DateTimeRange]:
    for sequence, key in pairs:
        attribute = BY_TAG.get((sequence, key.tag))
        if attribute is None or not _matched(attribute):
            continue
        match = parse_match(key.value, attribute.vr, empty_values=empty_values)
        if not isinstance(match, Universal):
            yield Condition(attribute, match)


def _matched(attribute: Attribute) -> bool:
    return not (attribute.computed and attribute.vr == "IS") and attribute.column not in _CONTEXT_COLUMNS


def _requested(identifier: Identifier) -> Iterator[Attribute]:
    for key in identifier.keys:
        if key.vr == "SQ":
            found: Iterable[Attribute | None] = sequence_attributes(key)
        else:
            found = (BY_TAG.get((None, key.tag)),)
        for attribute in found:
            if attribute is not None and attribute.level.depth <= identifier.level.depth:
                yield attribute


def sequence_attributes(key: Key) -> tuple[Attribute, ...]:
    """Return the indexed attributes that a sequence key asks for: those of its item, or all when it is empty."""
    inner = {found.tag for item in key.items for found in item}
    known = _SEQUENCE_ATTRIBUTES.get(key.tag, ())
    return tuple(attribute for attribute in known if not inner or attribute.tag in inner)


def _supported(sequence: int | None, key: Key, level: Level) -> bool:
    attribute = BY_TAG.get((sequence, key.tag))
    if attribute is None:
        return sequence is None and key.tag in ALWAYS_RETURNED
    return attribute.level.depth <= level.depth


def _combined(conditions: Sequence[Condition | DateTimeRange]) -> tuple[Condition | DateTimeRange, ...]:
    """Join each date range with the range of its time (PS3.4 §C.2.2.2.5.1)."""
    ranges = {
        condition.attribute: condition.match
        for condition in conditions
        if isinstance(condition, Condition) and isinstance(condition.match, Range)
    }
    joined: list[DateTimeRange] = []
    for date, time in _DATE_TIMES:
        if date in ranges and time in ranges:
            days, hours = ranges.pop(date), ranges.pop(time)
            joined.append(
                DateTimeRange(date, time, Range(_moment(days.low, hours.low), _moment(days.high, hours.high)))
            )
    taken = {attribute for pair in joined for attribute in (pair.date, pair.time)}
    others = (c for c in conditions if not (isinstance(c, Condition) and c.attribute in taken))
    return (*others, *joined)


def _moment(day: str | None, hour: str | None) -> str | None:
    return None if day is None else day + (hour or "")
