"""Search parameters of FHIR as conditions of a query.

A parameter that cannot be met by anything here gives None in place of conditions: nothing is found then, which is no
error. Ref: https://hl7.org/fhir/R4B/search.html.
"""

import re
from calendar import monthrange
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from archimage.errors import InvalidQueryError
from archimage.model.attributes import BY_COLUMN
from archimage.model.ids import is_uid
from archimage.model.query import Condition, DateTimeRange, Exact, OrderBy, Range, UIDList, Wildcard
from archimage.services.fhir import values

MAX_VALUES: Final = 200
"""Values of one parameter."""
_DATE: Final = re.compile(
    r"(eq|ge|le|gt|lt|ne|sa|eb|ap)?(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.\d{1,9})?)?"
    r"(?:Z|[+-]\d\d:\d\d)?)?)?)?",
    re.ASCII,
)
_UNESCAPED_COMMA: Final = re.compile(r"(?<!\\),")
_ESCAPED: Final = re.compile(r"\\([\\,|$])")

Conditions = tuple[Condition | DateTimeRange, ...]
Read = Callable[[str], Conditions | None]
"""Reads the value of a parameter; None where nothing can meet it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A search: its parameters in their order, those of the result (`_count`) left out, and which part of the answer.

    sort is that of `_sort`: names with commas, a minus before one for descending.
    """

    pairs: tuple[tuple[str, str], ...]
    sort: str = ""
    limit: int = 50
    offset: int = 0


def conditions(asked: Asked, readers: Mapping[str, Read]) -> Conditions | None:
    """Return what must be met, None where nothing can; parameters that nobody reads are passed over.

    Raises:
        InvalidQueryError: a value does not fit its parameter.
    """
    found: list[Condition | DateTimeRange] = []
    for name, value in asked.pairs:
        if (read := readers.get(name)) is None:
            continue
        met = read(value)
        if met is None:
            return None
        found += met
    return tuple(found)


def order(sort: str, orders: Mapping[str, Sequence[str]]) -> tuple[OrderBy, ...]:
    """Return what `_sort` asks for.

    Raises:
        InvalidQueryError: something cannot be sorted by.
    """
    found: list[OrderBy] = []
    for name in filter(None, sort.split(",")):
        columns = orders.get(name.removeprefix("-"))
        if columns is None:
            raise InvalidQueryError(f"{name[:40]!r} cannot be sorted by here: {', '.join(orders)}")
        found += (OrderBy(BY_COLUMN[column], name.startswith("-")) for column in columns)
    return tuple(found)


def split(value: str) -> list[str]:
    """Return the values of a list with commas; InvalidQueryError where these are too many, or none."""
    found = [_ESCAPED.sub(r"\1", one).strip() for one in _UNESCAPED_COMMA.split(value)]
    found = [one for one in found if one]
    if not found or len(found) > MAX_VALUES:
        raise InvalidQueryError(f"a parameter has 1 to {MAX_VALUES} values")
    return list(dict.fromkeys(found))


def any_of(column: str, wanted: Sequence[str]) -> Conditions | None:
    """Return that a column has one of several values; None where these are none."""
    if not wanted:
        return None
    match = Exact(wanted[0]) if len(wanted) == 1 else UIDList(tuple(wanted))
    return (Condition(BY_COLUMN[column], match),)


def exactly(column: str, value: str) -> Condition:
    """Return that a column has a value, which may be empty in those that always have one."""
    return Condition(BY_COLUMN[column], Exact(value))


def token(value: str) -> tuple[str | None, str]:
    """Return system and code of a token; system is None where none is told."""
    system, bar, found = value.rpartition("|")
    return (system if bar else None), found


def uids(column: str) -> Read:
    """Read UIDs, as they are or as `urn:oid:`."""

    def read(value: str) -> Conditions | None:
        return any_of(column, [uid for one in split(value) if is_uid(uid := token(one)[1].removeprefix(values.OID))])

    return read


def name(value: str, pattern: str = "*{}*") -> Conditions:
    """Read a part of a name."""
    texts = split(value)
    if len(texts) > 1:
        raise InvalidQueryError("names are searched for one at a time")
    plain = texts[0].translate(str.maketrans("*?\\^=", "     ")).strip()
    if not plain:
        raise InvalidQueryError("there is no name to search for")
    if len(plain) > 256:
        raise InvalidQueryError("a name to search for has at most 256 characters")
    return (Condition(BY_COLUMN["patient_name"], Wildcard(pattern.format(plain))),)


def day(column: str) -> Read:
    """Read a date with its prefix."""
    return lambda value: (Condition(BY_COLUMN[column], days(value)),)


def days(value: str) -> Range:
    """Read a date with its prefix as a range of days."""
    found = _read(value)
    return _days_within(found[1] or "eq", *_days(found))


def moment(date_column: str, time_column: str) -> Read:
    """Read a date, or date and time, with its prefix; times are those of the studies' own clocks."""
    return lambda value: _range(date_column, time_column, value)


def _read(value: str) -> re.Match[str]:
    found = _DATE.fullmatch(value)
    if found is None or "," in value:
        raise InvalidQueryError(f"{value[:40]!r} is no date such as ge2024-01-31, after eq, ge, le, gt or lt")
    if found[1] in {"ne", "sa", "eb", "ap"}:
        raise InvalidQueryError(f"the prefix {found[1]!r} is not supported: eq, ge, le, gt, lt")
    return found


def _range(date_column: str, time_column: str, value: str) -> Conditions:
    found = _read(value)
    attribute = BY_COLUMN[date_column]
    if found[5] is None:
        return (Condition(attribute, days(value)),)
    prefix, (first, _) = found[1] or "eq", _days(found)
    at = f"{found[5]}{found[6]}"
    if int(found[5]) > 23 or int(found[6]) > 59 or int(found[7] or 0) > 59:
        raise InvalidQueryError(f"{value[:40]!r} is no time of day")
    low = f"{first:%Y%m%d}{at}{found[7] or '00'}"
    high = f"{first:%Y%m%d}{at}{found[7] or '59'}.999999"
    return (DateTimeRange(attribute, BY_COLUMN[time_column], _times_within(prefix, low, high)),)


def _days(found: re.Match[str]) -> tuple[date, date]:
    """Return the first and the last day that a date means, which may be a month or a year."""
    year, month, number = int(found[2]), int(found[3] or 1), int(found[4] or 1)
    try:
        first = date(year, month, number)
        if found[4]:
            return first, first
        last_month = month if found[3] else 12
        return first, date(year, last_month, monthrange(year, last_month)[1])
    except (ValueError, IndexError):
        raise InvalidQueryError(f"{found[0][:40]!r} is no day of the calendar") from None


def _days_within(prefix: str, first: date, last: date) -> Range:
    if prefix == "gt":
        return Range(_written(last, 1), None)
    if prefix == "lt":
        return Range(None, _written(first, -1))
    low, high = f"{first:%Y%m%d}".zfill(8), f"{last:%Y%m%d}".zfill(8)
    return {"ge": Range(low, None), "le": Range(None, high)}.get(prefix, Range(low, high))


def _written(on: date, days: int) -> str:
    """Return a day so many days later, the first or the last of the calendar where there is none."""
    try:
        return f"{on + timedelta(days):%Y%m%d}".zfill(8)
    except OverflowError:
        return "99999999" if days > 0 else "00000000"


def _times_within(prefix: str, low: str, high: str) -> Range:
    """Return the range of a time; what lies within its own second, or minute, counts to all prefixes but gt and lt."""
    ranges = {
        "ge": Range(low, None),
        "le": Range(None, high),
        "gt": Range(f"{high[:14]}.9999999"[:21], None),
        "lt": Range(None, low),
    }
    return ranges.get(prefix, Range(low, high))
