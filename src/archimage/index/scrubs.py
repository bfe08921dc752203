"""How far scrubbing is and what it found, in the tables `scrub_round` and `damage`."""

from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any, Final

from sqlalchemy import BindParameter, and_, bindparam, delete, func, insert, select, update

from archimage.index.compiled import Compiled
from archimage.index.nodes import Database
from archimage.index.schema import instance
from archimage.index.schema_scrub import damage, scrub_round
from archimage.index.statements import STORED
from archimage.model.records import StoredInstance
from archimage.model.scrub import Damage, Round

_THE_ROW: Final = 1


class ScrubTable:
    """Implements `ports.scrub.Scrubs`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        following = select(instance.c.pk, *STORED).where(instance.c.pk > bindparam("after_row"))
        self._page = Compiled(following.order_by(instance.c.pk).limit(bindparam("most")), database)
        round_values: dict[str, BindParameter[Any]] = {one.name: bindparam(one.name) for one in fields(Round)}
        self._round = Compiled(select(*(scrub_round.c[one.name] for one in fields(Round))), database)
        self._begin = Compiled(insert(scrub_round).values(pk=bindparam("row"), **round_values), database)
        self._keep = Compiled(update(scrub_round).values(round_values), database)
        this = damage.c.sop_instance_uid == bindparam("this")
        values: dict[str, BindParameter[Any]] = {one.name: bindparam(one.name) for one in fields(Damage)}
        self._note = Compiled(insert(damage).values(values), database)
        self._settle = Compiled(delete(damage).where(this), database)
        there = and_(instance.c.sop_instance_uid == damage.c.sop_instance_uid, instance.c.file_path == damage.c.path)
        kept = damage.join(instance, there)
        known = select(*(damage.c[one.name] for one in fields(Damage))).select_from(kept)
        self._damaged = Compiled(known.order_by(damage.c.found_at).limit(bindparam("most")), database)
        self._count = Compiled(select(func.count()).select_from(kept), database)

    def page(self, after: int, limit: int) -> Sequence[tuple[int, StoredInstance]]:
        """Return the next instances after a row, with the numbers of their rows."""
        return [(pk, StoredInstance(*stored)) for pk, *stored in self._page.rows(after_row=after, most=limit)]

    def round(self) -> Round | None:
        """Return how far the round is, None before the first."""
        rows = self._round.rows()
        return Round(*rows[0]) if rows else None

    def keep(self, now: Round) -> None:
        """Note how far it is."""
        with self._database.transaction() as cursor:
            if not self._keep.run(cursor, **asdict(now)):
                self._begin.run(cursor, row=_THE_ROW, **asdict(now))
        self._database.flush()

    def note(self, found: Damage) -> bool:
        """Note a damage; tell whether it was not known."""
        with self._database.transaction() as cursor:
            was_known = self._settle.run(cursor, this=found.sop_instance_uid)
            self._note.run(cursor, **asdict(found))
        self._database.flush()
        return not was_known

    def settle(self, sop_instance_uid: str) -> bool:
        """Note that an instance is well; tell whether it was not."""
        return bool(self._settle.change(this=sop_instance_uid))

    def damaged(self, limit: int) -> Sequence[Damage]:
        """Return what is damaged and still there, at most limit, in the order in which it was found."""
        return [Damage(*row) for row in self._damaged.rows(most=limit)]

    def count(self) -> int:
        """Count it."""
        return int(self._count.rows()[0][0])
