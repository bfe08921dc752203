"""One condition of a query as an SQL expression.

Texts match case-sensitively; names without case and accents in every script; dates and times by prefix, so that
`10` is any time from 10:00 to 10:59:59.999999; numbers by value. Where an attribute has several values one that
matches is enough.
Conditions on several attributes of one sequence need not be met by the same item.
Ref: PS3.4 §C.2.2.2.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, exists, false, func, or_, select, true, union

from archimage.errors import InvalidQueryError
from archimage.index import derived
from archimage.index.dialect import Dialect, Text
from archimage.index.schema import TABLES, instance, name_key
from archimage.model import names, patterns
from archimage.model.attributes import Attribute
from archimage.model.query import Condition, DateTimeRange, Empty, Exact, Match, Range, UIDList, Universal, Wildcard

NUMBERS: Final = frozenset({"IS", "DS", "US"})
_TIMES: Final[dict[str, Callable[[str], str]]] = {
    "DA": str,
    "TM": patterns.time_floor,
    "DT": patterns.date_time_floor,
}
_PATTERN_MAX_LENGTH: Final = 10_240  # characters, the longest value of a text VR

Narrowing = Exact | Wildcard | Range | UIDList
Term = Callable[[Text], ColumnElement[bool]]


@dataclass(frozen=True, slots=True)
class NameKeys:
    """A table of the search keys of names: owner is what a key leads to, and kinds begin with prefix."""

    owner: Text
    kind: Text
    key: Text
    prefix: str = ""

    def of(self, kind: str) -> ColumnElement[bool]:
        """Choose the keys of a kind."""
        return self.kind == f"{self.prefix}{kind}"


_STORED_NAMES: Final = NameKeys(name_key.c.name, name_key.c.kind, name_key.c.key)


def is_universal(match: Match) -> bool:
    """Tell whether everything matches, an absent value too."""
    return isinstance(match, Universal) or (isinstance(match, Wildcard) and not match.pattern.strip("*"))


def clean(text: str) -> str:
    """Make text fit for a database: no NUL, no lone surrogates."""
    if text.isascii():
        return text.replace("\0", "")
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def expression(condition: Condition | DateTimeRange, dialect: Dialect, *, fuzzy: bool) -> ColumnElement[bool]:
    """Translate a condition, over the columns of its attribute's table."""
    if isinstance(condition, DateTimeRange):
        return _combined(condition)
    attribute, match = condition.attribute, condition.match
    if isinstance(match, Universal | Empty) or is_universal(match):
        return _without_value(attribute) if isinstance(match, Empty) else true()
    if attribute.vr == "PN":
        return column_of(attribute).in_(named(match, dialect, fuzzy, _STORED_NAMES))
    term = _term(attribute, match, dialect)
    if attribute.column in derived.MEMBERS:
        inner, member = derived.MEMBERS[attribute.column]
        return inner.where(term(member)).exists()
    if attribute.computed:
        raise InvalidQueryError(f"{attribute.keyword} is counted and cannot be matched")
    if attribute.multiple:
        value = dialect.split(column_of(attribute))
        return exists(select(1).select_from(value.table).where(term(value)))
    return term(column_of(attribute))


def studies(condition: Condition | DateTimeRange, dialect: Dialect) -> Select[Any] | None:
    """Select the keys of studies that meet a condition on what is gathered from below, maybe twice; None for others.

    Those that are many, or none, are found several times as fast among the values as by looking below every study.
    """
    if isinstance(condition, DateTimeRange) or condition.attribute.column not in derived.MEMBERS:
        return None
    attribute, match = condition.attribute, condition.match
    if isinstance(match, Universal | Empty) or is_universal(match):
        return None
    found = derived.PARENTS[attribute.column]
    term = _term(attribute, match, dialect)
    return found.where(term(derived.MEMBERS[attribute.column][1]))


def _without_value(attribute: Attribute) -> ColumnElement[bool]:
    """Match rows that lack an attribute; what is empty is kept as NULL."""
    if attribute.column in derived.MEMBERS:
        return ~derived.MEMBERS[attribute.column][0].exists()
    return column_of(attribute).is_(None)


def column_of(attribute: Attribute) -> ColumnElement[Any]:
    """Return the column of an attribute that stands in a table."""
    return TABLES[attribute.level].c[attribute.column]


def _term(attribute: Attribute, match: Narrowing, dialect: Dialect) -> Term:
    """Choose the comparison of one value."""
    if attribute.column == "acquisition_date_time":
        return lambda text: _time(func.coalesce(instance.c.acquisition_utc, text), attribute.vr, match, dialect)
    return term_of(attribute.vr, match, dialect)


def term_of(vr: str, match: Narrowing, dialect: Dialect) -> Term:
    """Choose the comparison of one value of a VR, but for names."""
    if vr in NUMBERS:
        return lambda text: _number(dialect.number(text), match)
    if vr in _TIMES:
        return lambda text: _time(text, vr, match, dialect)
    return lambda text: _text(text, match, dialect)


def _text(text: Text, match: Narrowing, dialect: Dialect) -> ColumnElement[bool]:
    """Compare a text."""
    match match:
        case Exact(value):
            return text == clean(value)
        case Wildcard(pattern):
            return _wildcard(text, clean(pattern), dialect)
        case UIDList(values):
            return dialect.one_of(text, [clean(value) for value in values])
        case Range(low, high):
            return between(text, clean(low or ""), clean(high or ""))


def _wildcard(text: Text, pattern: str, dialect: Dialect) -> ColumnElement[bool]:
    """Match a pattern; its literal beginning goes to the index."""
    if len(pattern) > _PATTERN_MAX_LENGTH:
        return false()
    prefix = patterns.literal_prefix(pattern)
    bounds = between(text, prefix, prefix)
    return bounds if prefix and pattern == f"{prefix}*" else and_(bounds, dialect.glob(text, pattern))


def between(text: Text, low: str, high: str) -> ColumnElement[bool]:
    """Bound a text: not below low, and not above everything that begins with high; empty is open."""
    end = patterns.successor(high)
    bounds = [text >= low] if low else []
    return and_(text.is_not(None), *bounds, *([text < end] if end is not None else []))


def _number(number: ColumnElement[Any], match: Narrowing) -> ColumnElement[bool]:
    """Compare a number."""
    match match:
        case Exact(value) | Wildcard(value):
            wanted = _parse(value)
            return false() if wanted is None else number == wanted
        case UIDList(values):
            return number.in_([wanted for value in values if (wanted := _parse(value)) is not None])
        case Range(low, high):
            ends = [number >= _bound(low)] if low else []
            return and_(number.is_not(None), *ends, *([number <= _bound(high)] if high else []))


def _parse(value: str) -> float | None:
    """Read a finite number."""
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _bound(value: str) -> float:
    """Read an end of a range of numbers."""
    number = _parse(value)
    if number is None:
        raise InvalidQueryError(f"{value[:40]!r} is not a number")
    return number


def _time(text: Text, vr: str, match: Narrowing, dialect: Dialect) -> ColumnElement[bool]:
    """Compare a date, time or date-time."""
    match match:
        case Exact(value):
            return _span(text, vr, value, value)
        case Range(low, high):
            return _span(text, vr, low or "", high or "")
        case UIDList(values):
            return or_(false(), *(_span(text, vr, value, value) for value in values))
        case Wildcard():
            return _text(text, match, dialect)


def _span(text: Text, vr: str, low: str, high: str) -> ColumnElement[bool]:
    """Bound a date or time; a partial end stands for all that it covers."""
    low, high = clean(low), clean(high)
    if vr == "DT":
        low, high = patterns.to_utc(low), patterns.to_utc(high, end=True)
    return between(text, _TIMES[vr](low), high)


def _combined(condition: DateTimeRange) -> ColumnElement[bool]:
    """Match date and time as one; an absent time is the start of the day."""
    if condition.date.level is not condition.time.level:
        raise InvalidQueryError(f"{condition.date.keyword} and {condition.time.keyword} are not of one level")
    low, high = clean(condition.match.low or ""), clean(condition.match.high or "")
    date, time = column_of(condition.date), column_of(condition.time)
    both = date.concat(func.coalesce(time, ""))
    return and_(between(date, low[:8], high[:8]), between(both, patterns.date_time_floor(low), high))


def named(match: Narrowing, dialect: Dialect, fuzzy: bool, keys: NameKeys) -> Select[Any]:
    """Select the owners of names that match."""
    match match:
        case Exact(value) | Wildcard(value):
            wild = isinstance(match, Wildcard)
            found = _groups(clean(value), dialect, keys, wild=wild)
            loose = _words(clean(value), keys) if fuzzy else None
            return found if loose is None else _either([found, loose])
        case UIDList(values):
            return _either([_groups(clean(value), dialect, keys, wild=False) for value in values])
        case Range():
            raise InvalidQueryError("person names have no range")


def _groups(value: str, dialect: Dialect, keys: NameKeys, *, wild: bool) -> Select[Any]:
    """Select the owners of names of which each component group of value matches some form."""

    def fits(form: str) -> ColumnElement[bool]:
        return _wildcard(keys.key, form, dialect) if wild else keys.key == form

    forms = names.query_forms(value, wild=wild)
    return _all_of((or_(false(), *map(fits, sorted(one))) & keys.of(names.FORM) for one in forms), keys)


def _words(value: str, keys: NameKeys) -> Select[Any] | None:
    """Select the owners of names that for each word of value have one that begins or sounds so; None without words."""
    words = names.query_words(value)
    return _all_of((_word(sorted(spellings), keys) for spellings in words), keys) if words else None


def _word(spellings: list[str], keys: NameKeys) -> ColumnElement[bool]:
    """Match a word in any of its spellings."""
    begins = [keys.of(names.WORD) & between(keys.key, word, word) for word in spellings]
    sounds = [keys.of(names.SOUND) & (keys.key == key) for word in spellings if (key := names.sound(word))]
    return or_(false(), *begins, *sounds)


def _all_of(terms: Iterable[ColumnElement[bool]], keys: NameKeys) -> Select[Any]:
    """Select the owners that have a key for each term; none without terms."""
    found: Select[Any] | None = None
    for term in terms:
        chosen = select(keys.owner).where(term).correlate(None)
        found = chosen if found is None else chosen.where(keys.owner.in_(found))
    return select(keys.owner).where(false()) if found is None else found


def _either(selects: list[Select[Any]]) -> Select[Any]:
    """Select the owners of any of selects."""
    found = union(*selects).subquery()
    return select(*found.c)
