"""Scheduled procedure steps, in the tables `worklist` and `worklist_key`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import orjson
from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Select,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    tuple_,
    update,
)

from archimage.index.compiled import Compiled
from archimage.index.ingest import Cursor
from archimage.index.matching import NameKeys, clean, is_universal, named, term_of
from archimage.index.nodes import Database
from archimage.index.schema_worklist import worklist, worklist_key
from archimage.model import names
from archimage.model.query import Empty, Universal
from archimage.model.worklist import SEARCHED, Sought, StepState, WorklistItem, WorklistQuery, WorklistRow
from archimage.ports.department import Start

_REMEMBERED: Final = 128
"""Queries whose statements are kept: a modality asks for the same again and again."""
_ITEM: Final = (
    worklist.c.key,
    worklist.c.model,
    worklist.c.state,
    worklist.c.source,
    worklist.c.created_at,
    worklist.c.changed_at,
    worklist.c.expires_at,
)
_START: Final = (worklist.c.start_date, worklist.c.start_time, worklist.c.pk)
_STATION: Final = "A"
_NAMES: Final = {"patient_name": "P", "performing_physician": "D"}
_FREE_TEXT: Final = ("patient_name", "patient_id", "accession_number", "requested_procedure_id", "description")


class WorklistTable:
    """Implements `ports.department.Worklist`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        this = worklist.c.pk == bindparam("this")
        keyed = worklist.c.key == bindparam("sought")
        columns = [column.name for column in worklist.columns if not column.primary_key]
        values = _named(columns)
        changed = {name: value for name, value in values.items() if name not in {"key", "created_at"}}
        key_values = _named(column.name for column in worklist_key.columns)
        self._there = Compiled(select(worklist.c.pk).where(keyed), database)
        self._insert = Compiled(insert(worklist).values(values).returning(worklist.c.pk), database)
        self._update = Compiled(update(worklist).where(this).values(changed), database)
        self._forget_keys = Compiled(delete(worklist_key).where(worklist_key.c.item == bindparam("this")), database)
        self._add_key = Compiled(insert(worklist_key).values(key_values), database)
        self._one = Compiled(select(*_ITEM).where(keyed), database)
        self._remove = Compiled(delete(worklist).where(keyed), database)
        of_source = select(worklist.c.key).where(worklist.c.source == bindparam("sought"))
        self._keys = Compiled(of_source.order_by(worklist.c.pk), database)
        state = _named(("state", "changed_at"))
        self._state = Compiled(update(worklist).where(keyed).values(state), database)
        self._forget = Compiled(delete(worklist).where(worklist.c.expires_at < bindparam("before")), database)
        self._found = lru_cache(_REMEMBERED)(lambda query: Compiled(self._of_start(query), database))
        self._newest = lru_cache(_REMEMBERED)(lambda query: Compiled(self._backwards(query), database))
        self._counted = lru_cache(_REMEMBERED)(lambda query: Compiled(self._number(query), database))

    def put(self, *rows: WorklistRow) -> None:
        """Keep items, all or none, each in the place of the one of its key."""
        with self._database.transaction() as cursor:
            for row in rows:
                self._put(cursor, row)
        self._database.sync()

    def _put(self, cursor: Cursor, row: WorklistRow) -> None:
        values = _values(row)
        there = self._there.rows_of(cursor, sought=row.item.key)
        if there:
            self._update.run(cursor, this=there[0][0], **values)
            self._forget_keys.run(cursor, this=there[0][0])
        else:
            there = self._insert.rows_of(cursor, **values)
        item = there[0][0]
        self._add_key.run_all(
            cursor, [{"kind": kind, "key": key, "item": item} for kind, key in set(_keys(row.columns))]
        )

    def get(self, key: str) -> WorklistItem | None:
        """Return one, or None."""
        rows = self._one.rows(sought=key)
        return _item(rows[0]) if rows else None

    def remove(self, key: str) -> bool:
        """Forget one; False where it is not there."""
        return self._remove.change(sought=key) == 1

    def keys(self, source: str) -> Sequence[str]:
        """Return the keys of all that came from somewhere."""
        return [key for (key,) in self._keys.rows(sought=source)]

    def set_state(self, key: str, state: StepState, changed_at: float) -> bool:
        """Note where an item stands; False where it is not there."""
        return self._state.change(sought=key, state=state.value, changed_at=changed_at) == 1

    def find(
        self, query: WorklistQuery, *, alive_at: float, after: Start | None = None, limit: int
    ) -> Sequence[tuple[Start, WorklistItem]]:
        """Return items in the order of their start, after one, that expire later than alive_at."""
        day, moment, number = after or ("", "", 0)
        rows = self._found(query).rows(alive_at=alive_at, day=day, moment=moment, number=number, most=limit)
        return [((row[0], row[1], row[2]), _item(row[3:])) for row in rows]

    def newest(self, query: WorklistQuery, *, offset: int, limit: int) -> Sequence[WorklistItem]:
        """Return items of whatever age, the last to start first."""
        return [_item(row) for row in self._newest(query).rows(most=limit, skipped=offset)]

    def count(self, query: WorklistQuery) -> int:
        """Count the items of whatever age."""
        return int(self._counted(query).rows()[0][0])

    def forget(self, expired_before: float) -> int:
        """Forget what expired before a time; return how many these were."""
        return self._forget.change(before=expired_before)

    def _of_start(self, query: WorklistQuery) -> Select[Any]:
        """Select a page; every index that leads to the items is better than the order of their starts."""
        after = tuple_(*_START) > tuple_(bindparam("day"), bindparam("moment"), bindparam("number"))
        found = select(*_START, *_ITEM).where(*self._conditions(query), worklist.c.expires_at > bindparam("alive_at"))
        return found.where(after).order_by(*_START).limit(bindparam("most"))

    def _backwards(self, query: WorklistQuery) -> Select[Any]:
        newest = select(*_ITEM).where(*self._conditions(query)).order_by(*(column.desc() for column in _START))
        return newest.limit(bindparam("most")).offset(bindparam("skipped"))

    def _number(self, query: WorklistQuery) -> Select[Any]:
        return select(func.count()).select_from(worklist).where(*self._conditions(query))

    def _conditions(self, query: WorklistQuery) -> Iterator[ColumnElement[bool]]:
        for sought in query.conditions:
            if not isinstance(sought.match, Universal) and not is_universal(sought.match):
                yield self._condition(sought, query.fuzzy)
        if query.states:
            yield or_(*(worklist.c.state == state.value for state in query.states))
        if query.text:
            word = clean(query.text)
            yield or_(*(self._database.dialect.contains(worklist.c[name], word) for name in _FREE_TEXT))

    def _condition(self, sought: Sought, fuzzy: bool) -> ColumnElement[bool]:
        column, match = sought.searched.column, sought.match
        if isinstance(match, Universal | Empty):
            return worklist.c[column] == ""
        dialect = self._database.dialect
        if column in _NAMES:
            keys = NameKeys(worklist_key.c.item, worklist_key.c.kind, worklist_key.c.key, _NAMES[column])
            return worklist.c.pk.in_(named(match, dialect, fuzzy, keys))
        term = term_of(sought.searched.vr, match, dialect)
        if column == "station_ae_title":
            stations = select(worklist_key.c.item).where(worklist_key.c.kind == _STATION, term(worklist_key.c.key))
            return worklist.c.pk.in_(stations)
        return term(worklist.c[column])


def _named(columns: Iterable[str]) -> dict[str, BindParameter[Any]]:
    """Return parameters by the names of columns."""
    return {name: bindparam(name) for name in columns}


def _keys(columns: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the rows of `worklist_key`."""
    for station in filter(None, columns["station_ae_title"].split("\\")):
        yield _STATION, station
    for column, letter in _NAMES.items():
        for kind, key in names.keys(columns[column]):
            yield letter + kind, key


def _values(row: WorklistRow) -> dict[str, object]:
    item = row.item
    return {
        "key": item.key,
        "state": item.state.value,
        "source": item.source,
        "created_at": item.created_at,
        "changed_at": item.changed_at,
        "expires_at": item.expires_at,
        "description": row.description,
        "model": orjson.dumps(item.model).decode(),
        **{searched.column: row.columns[searched.column] for searched in SEARCHED},
    }


def _item(row: Sequence[Any]) -> WorklistItem:
    key, model, state, source, created_at, changed_at, expires_at = row
    return WorklistItem(key, orjson.loads(model), StepState(state), source, created_at, changed_at, expires_at)
