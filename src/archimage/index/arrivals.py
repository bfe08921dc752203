"""How much came in since a moment; no index is needed, for rows are numbered as they come."""

from typing import Final

from sqlalchemy import ColumnElement, Select, bindparam, func, literal_column, select

from archimage.index.nodes import Database
from archimage.index.relocation import HERE, tier_in
from archimage.index.schema import instance
from archimage.model.records import Arrived

_PK: Final = bindparam("pk", type_=instance.c.pk.type)
_SINCE: Final = bindparam("since", type_=instance.c.received_at.type)


class ArrivalTable:
    """Implements `ports.Arrivals`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        zero: ColumnElement[int] = literal_column("0")
        self._ends = self._text(
            select(func.coalesce(func.min(instance.c.pk), zero), func.coalesce(func.max(instance.c.pk), zero))
        )
        following = select(func.min(instance.c.pk)).where(instance.c.pk >= _PK).scalar_subquery()
        self._next = self._text(select(instance.c.pk, instance.c.received_at).where(instance.c.pk == following))
        self._sum = self._text(
            select(func.count(), func.coalesce(func.sum(instance.c.size_bytes), zero))
            .select_from(instance)
            .where(instance.c.pk >= _PK, instance.c.received_at >= _SINCE)
        )
        here = tier_in(instance.c.file_path, database.dialect) == HERE
        self._hot = self._text(select(func.coalesce(func.sum(instance.c.size_bytes), zero)).where(here))

    def since(self, moment: int) -> Arrived:
        """Count what came since a moment, in seconds since 1970, and is kept; looks at these rows alone."""
        first = self.first(moment)
        rows = self._database.fetch(self._sum, {"pk": first, "since": moment})
        return Arrived(*rows[0])

    def hot_bytes(self) -> int:
        """Sum up what lies in the hot tier, bytes; looks at all rows."""
        return int(self._database.fetch(self._hot, {})[0][0])

    def first(self, moment: int) -> int:
        """Return a number from which on the rows are those that came at a moment or later."""
        low, high = self._database.fetch(self._ends, {})[0]
        while low < high:
            middle = (low + high) // 2
            rows = self._database.fetch(self._next, {"pk": middle})
            if not rows or rows[0][1] >= moment:  # none: the last ones were removed just now
                high = middle
            else:
                low = rows[0][0] + 1
        return int(low)

    def _text(self, statement: Select[tuple[object, ...]]) -> str:
        return str(statement.compile(dialect=self._database.dialect.engine))
