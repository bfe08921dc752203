"""A Query as SELECT statements.

The statements start from the table of the query's level and join those above as far as they are needed. Conditions
below the level become one sub-select over a chain of children: one child has to meet them all. It is correlated, so
that it costs only where the rest of the query leads, except when one of its conditions is met by few rows and has an
index: then it is the sub-select that leads.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    Select,
    Text,
    bindparam,
    cast,
    column,
    exists,
    func,
    literal_column,
    select,
    table,
)

from archimage.errors import InvalidQueryError
from archimage.index import derived, extents, freetext, matching
from archimage.index.dialect import Dialect
from archimage.index.schema import TABLES, instance, patient, series, study
from archimage.model.attributes import UNIQUE_KEYS, Attribute, Level
from archimage.model.patterns import literal_prefix
from archimage.model.query import Condition, DateTimeRange, Empty, OrderBy, Query, Wildcard

_LEVELS: Final = tuple(Level)
_INDEXED: Final = frozenset(
    {
        "patient_id",
        "patient_birth_date",
        "study_instance_uid",
        "accession_number",
        "study_id",
        "study_date",
        "series_instance_uid",
        "frame_of_reference_uid",
        "sop_instance_uid",
    }
)

_REMEMBERED: Final = 128
"""Queries whose statements are kept, whatever page is asked for: a list on a screen asks for the same again and again,
and making a statement takes several times as long as running it."""
_SHORT: Final = 10_000
"""Of lists up to this many rows the keys are found first, so that counts are worked out for the rows that are given."""

Texts = Callable[[str, Level, Dialect], list[ColumnElement[bool]]]
"""One of the two forms in `freetext`."""

_UNLIMITED: Final = 1 << 62
_CHOSEN: Final = table("chosen", column("pk"))
_LIMIT: Final = "limit_rows"
_OFFSET: Final = "offset_rows"
_AMONG: Final = "among_keys"

STORED: Final = (
    instance.c.sop_instance_uid,
    instance.c.sop_class_uid,
    instance.c.transfer_syntax_uid,
    instance.c.file_path,
    instance.c.size_bytes,
    instance.c.data_set_offset,
    instance.c.digest,
)
"""The columns of a StoredInstance, in its order."""


def columns_of(query: Query) -> tuple[Attribute, ...]:
    """Return what a match gives back: what was requested at or above the level, and the unique keys."""
    keys = [UNIQUE_KEYS[level] for level in _LEVELS[: query.level.depth + 1]]
    asked = [attribute for attribute in query.requested if attribute.level.depth <= query.level.depth]
    return tuple({attribute.column: attribute for attribute in (*keys, *asked)}.values())


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement as text, and its parameters by name."""

    text: str
    parameters: Mapping[str, Any]


def find(query: Query, dialect: Dialect) -> Statement:
    """Select the columns of `columns_of` of each match."""
    if query.among is None:
        return _of_page(query, _find(_every_page(query), dialect))
    known = replace(query, among=(), conditions=(), fuzzy=False, text="", labels=(), within=())
    every = _of_page(query, _find(_every_page(known), dialect))
    return Statement(every.text, {**every.parameters, _AMONG: dialect.pack(query.among)})


def count(query: Query, dialect: Dialect) -> Statement:
    """Select the number of matches."""
    return _count(_bare(query), dialect)


def some(query: Query, limit: int, dialect: Dialect) -> Statement:
    """Select the keys of limit matches, in no order."""
    every = _some(_bare(query), dialect)
    return Statement(every.text, {**every.parameters, _LIMIT: limit})


def _bare(query: Query) -> Query:
    """Return what decides which rows match."""
    return replace(query, requested=(), order_by=(), limit=None, offset=0, among=None)


def instance_keys(query: Query, dialect: Dialect) -> Statement:
    """Select the keys of the instances at or below the matches, by study, series and instance number."""
    return _of_page(query, _instance_keys(_every_page(query), dialect))


def _every_page(query: Query) -> Query:
    """Return the query that stands for all of whose pages the statement is the same: of the first, or of any other.

    A planner that keeps its plan takes a tenth of all rows for an offset that it does not know.
    """
    if query.limit is None and not query.offset:
        return query
    limit = _SHORT if query.limit is not None and query.limit <= _SHORT else _UNLIMITED
    return replace(query, limit=limit, offset=min(query.offset, 1))


def _of_page(query: Query, every: Statement) -> Statement:
    limit = _UNLIMITED if query.limit is None else query.limit
    return Statement(every.text, {**every.parameters, _LIMIT: limit, _OFFSET: query.offset})


@lru_cache(maxsize=_REMEMBERED)
def _find(query: Query, dialect: Dialect) -> Statement:
    """Join the matches' keys to the listing of their columns, of which only the former is made for every search."""
    is_led = any(map(_is_selective, query.conditions))
    listed = _listed(replace(query, conditions=(), fuzzy=False, text="", labels=(), within=()), is_led, dialect)
    matches = _matches(query, dialect) if query.among is None else _among(query, dialect)
    keys = _compiled(
        _paged(matches, query, matches.selected_columns[0], is_led, dialect) if _is_short(query) else matches, dialect
    )
    parameters = {**listed.parameters, **keys.parameters}
    return Statement(f"WITH {_CHOSEN.name} (pk) AS ({keys.text}) {listed.text}", parameters)


@lru_cache(maxsize=_REMEMBERED)
def _listed(query: Query, is_led: bool, dialect: Dialect) -> Statement:
    """Select the columns of rows that are chosen; it has no parameters but limit and offset."""
    columns = [_output(attribute).label(attribute.column) for attribute in columns_of(query)]
    found, key = select(*columns), TABLES[query.level].c.pk
    rows = chain(Level.PATIENT, query.level)
    if _is_short(query):
        found = found.select_from(rows).where(key.in_(select(_CHOSEN.c.pk)))
        return _compiled(found.order_by(*_order(query, key, is_led, dialect)), dialect)
    found = found.select_from(rows.join(_CHOSEN, _CHOSEN.c.pk == key))
    return _compiled(_paged(found, query, key, is_led, dialect), dialect)


def _is_short(query: Query) -> bool:
    return query.limit is not None and query.limit <= _SHORT


def _matches(query: Query, dialect: Dialect) -> Select[Any]:
    """Select the keys of the matches."""
    studies = _studies(query, dialect)
    if studies is not None:
        return studies
    if query.text and query.order_by and query.limit is not None:
        return (
            select(TABLES[query.level].c.pk).select_from(_walk(query)).where(*_where(query, dialect, freetext.tested))
        )
    return _keys(query).where(*_where(query, dialect))


def _keys(query: Query) -> Select[Any]:
    """Select the keys of a level, and join what conditions and order look at."""
    key = TABLES[query.level].c.pk
    found = select(func.min(key)).group_by(patient.c.patient_id) if query.merged else select(key)
    return found.select_from(_needed(query))


def _walk(query: Query) -> FromClause:
    """Join the tables for a walk in their order, which ends with the page.

    The planner thinks that a condition leaves few rows and would rather sort them; as the key is not led by an index
    it begins with the patients.
    """
    if query.level is Level.STUDY and query.order_by[0].attribute.level is Level.PATIENT:
        return patient.join(study, study.c.patient_pk == patient.c.pk + literal_column("0"))
    return _needed(query)


def _among(query: Query, dialect: Dialect) -> Select[Any]:
    """Select the keys that are known."""
    key = TABLES[query.level].c.pk
    return select(key).select_from(_needed(query)).where(dialect.among(key, _AMONG))


def _studies(query: Query, dialect: Dialect) -> Select[Any] | None:
    """Select the keys of the matches from below, where the query is simple enough."""
    if query.level is not Level.STUDY or len(query.conditions) != 1 or query.order_by:
        return None
    if query.text or query.labels or query.within:
        return None
    found = matching.studies(query.conditions[0], dialect)
    return None if found is None else found.distinct()


@lru_cache(maxsize=_REMEMBERED)
def _count(query: Query, dialect: Dialect) -> Statement:
    studies = _studies(query, dialect)
    if studies is not None:
        return _compiled(select(func.count()).select_from(studies.subquery()), dialect)
    number = func.count(patient.c.patient_id.distinct()) if query.merged else func.count()
    return _compiled(select(number).select_from(_needed(query)).where(*_where(query, dialect)), dialect)


@lru_cache(maxsize=_REMEMBERED)
def _some(query: Query, dialect: Dialect) -> Statement:
    limit = bindparam(_LIMIT, required=False, type_=Integer)
    if query.text and not (query.conditions or query.labels or query.within):
        found = _keys(query).where(*freetext.found(query.text, query.level, dialect, limit=limit))
    else:
        found = _matches(query, dialect)
    return _compiled(found.limit(limit), dialect)


@lru_cache(maxsize=_REMEMBERED)
def _instance_keys(query: Query, dialect: Dialect) -> Statement:
    target = TABLES[query.level]
    matches = select(target.c.pk).select_from(_needed(query)).where(*_where(query, dialect))
    is_led = any(map(_is_selective, query.conditions))
    below = chain(query.level, Level.IMAGE)
    found = select(instance.c.pk).select_from(below if query.level.depth < 3 else chain(Level.SERIES, Level.IMAGE))
    found = found.where(
        target.c.pk.in_(_paged(matches, query, matches.selected_columns[0], is_led, dialect).correlate(None))
    )
    ordered = found.where(*extents.visible(query.within, Level.IMAGE)).order_by(
        series.c.study_pk,
        dialect.number(series.c.series_number),
        series.c.pk,
        dialect.number(instance.c.instance_number),
        instance.c.pk,
    )
    return _compiled(ordered, dialect)


def _compiled(found: Select[Any], dialect: Dialect) -> Statement:
    """Turn a statement into text; lists of values become as many parameters."""
    compiled = found.compile(dialect=dialect.engine, compile_kwargs={"render_postcompile": True})
    return Statement(str(compiled), compiled.params)


def chain(top: Level, bottom: Level) -> FromClause:
    """Join the tables from top down to bottom."""
    found: FromClause = TABLES[bottom]
    for depth in range(bottom.depth - 1, top.depth - 1, -1):
        parent, child = TABLES[_LEVELS[depth]], TABLES[_LEVELS[depth + 1]]
        found = found.join(parent, child.c[f"{parent.name}_pk"] == parent.c.pk)
    return found


def _needed(query: Query) -> FromClause:
    """Join the tables that conditions and order of a query look at."""
    levels = [query.level, *map(level_of, query.conditions), *(order.attribute.level for order in query.order_by)]
    return chain(min(levels, key=lambda level: level.depth), query.level)


def level_of(condition: Condition | DateTimeRange) -> Level:
    """Return the level that a condition stands at."""
    return condition.date.level if isinstance(condition, DateTimeRange) else condition.attribute.level


def _where(query: Query, dialect: Dialect, texts: Texts = freetext.found) -> list[ColumnElement[bool]]:
    """Translate the conditions."""
    here, below = [], []
    for condition in query.conditions:
        if level_of(condition).depth <= query.level.depth:
            here.append(_at_or_above(condition, query, dialect))
        elif not _is_universal(condition):
            below.append(condition)
    here += freetext.labelled(query.labels)
    here += extents.visible(query.within, query.level)
    if query.text:
        here += texts(query.text, query.level, dialect)
    return [*here, _related(query, below, dialect)] if below else here


def _at_or_above(condition: Condition | DateTimeRange, query: Query, dialect: Dialect) -> ColumnElement[bool]:
    """Translate a condition on the row or one above it; a range above leads only as a sub-select."""
    term = matching.expression(condition, dialect, fuzzy=query.fuzzy)
    level = level_of(condition)
    if level is query.level or not _is_selective(condition):
        return term
    key = TABLES[level].c.pk
    return key.in_(select(key).where(term).correlate(None))


def _is_universal(condition: Condition | DateTimeRange) -> bool:
    return isinstance(condition, Condition) and matching.is_universal(condition.match)


def _related(query: Query, below: Sequence[Condition | DateTimeRange], dialect: Dialect) -> ColumnElement[bool]:
    """Match the rows of which some child meets every condition."""
    deepest = max(map(level_of, below), key=lambda level: level.depth)
    top = _LEVELS[query.level.depth + 1]
    target = TABLES[query.level]
    link = TABLES[top].c[f"{target.name}_pk"]
    terms = [matching.expression(condition, dialect, fuzzy=query.fuzzy) for condition in below]
    children = chain(top, deepest)
    if any(map(_is_selective, below)):
        return target.c.pk.in_(select(link).select_from(children).where(*terms).correlate(None))
    return exists(select(1).select_from(children).where(link == target.c.pk, *terms).correlate(target))


def _is_selective(condition: Condition | DateTimeRange) -> bool:
    """Tell whether an index leads to the few rows that meet a condition."""
    if isinstance(condition, DateTimeRange):
        return condition.date.column in _INDEXED
    attribute, match = condition.attribute, condition.match
    if isinstance(match, Empty):
        return False
    if isinstance(match, Wildcard) and attribute.vr != "PN" and not literal_prefix(match.pattern):
        return False
    return attribute.vr == "PN" or attribute.column in _INDEXED


def _paged(found: Select[Any], query: Query, key: ColumnElement[Any], is_led: bool, dialect: Dialect) -> Select[Any]:
    """Sort and cut; what is cut needs an order, if only that of arrival."""
    if query.order_by or query.limit is not None:
        found = found.order_by(*_order(query, key, is_led, dialect))
    if query.limit is None:
        return found
    limit, offset = (bindparam(name, required=False, type_=Integer) for name in (_LIMIT, _OFFSET))
    return found.limit(limit).offset(offset if query.offset else literal_column("0", Integer))


def _order(query: Query, key: ColumnElement[Any], is_led: bool, dialect: Dialect) -> list[ColumnElement[Any]]:
    """Translate the sort keys; the tie-breaker follows the last one's direction, so that one index serves both.

    is_led tells that an index leads to the matches.
    """
    keys = [_sort_key(order, query, dialect) for order in query.order_by]
    if not keys:
        # Where an index leads, a bare key would tempt the planner to walk the whole table in its order all the same.
        return [key + literal_column("0")] if is_led else [key]
    return [*keys, key.desc() if query.order_by[-1].descending else key]


def _sort_key(order: OrderBy, query: Query, dialect: Dialect) -> ColumnElement[Any]:
    """Translate one sort key; of few matches one that no index has, or the planner would walk all of it for them."""
    attribute, level = order.attribute, query.level
    if attribute.level.depth > level.depth:
        raise InvalidQueryError(f"{attribute.keyword} has several values at {level} level and cannot be sorted by")
    value = _value(attribute)
    if attribute.vr in matching.NUMBERS and not attribute.computed:
        value = dialect.number(value)
    elif query.among is not None:
        value = value.concat(literal_column("''"))
    return dialect.descending(value) if order.descending else dialect.ascending(value)


def _output(attribute: Attribute) -> ColumnElement[Any]:
    """Select an attribute as text."""
    value = _value(attribute)
    return cast(value, Text) if attribute.column in derived.COUNTS else value


def _value(attribute: Attribute) -> ColumnElement[Any]:
    """Select an attribute, or work it out from what stands below."""
    return derived.VALUES[attribute.column] if attribute.computed else matching.column_of(attribute)
