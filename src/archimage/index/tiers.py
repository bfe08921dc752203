"""What lies in which tier, in the tables `tier_use` and `instance`."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Select,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    null,
    select,
    update,
)

from archimage.index.compiled import Compiled
from archimage.index.nodes import Database
from archimage.index.relocation import HERE, tier_in
from archimage.index.schema import instance, removal, series, study
from archimage.index.schema_tiers import tier_copy, tier_use
from archimage.model.tiers import Share, Shares, TierUse

_COUNTED: Final = ("studies", "instances", "size_bytes", "counted_at")
_PATHS: Final[Sequence[Column[str]]] = (instance.c.file_path, removal.c.file_path, tier_copy.c.path)


class TierTable:
    """Implements `ports.tiers.TierRecords`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        dialect = database.dialect
        this = tier_use.c.tier == bindparam("this")
        values: dict[str, Any] = {column.name: bindparam(column.name) for column in tier_use.columns}
        noted: dict[str, Any] = {name: bindparam(f"new_{name}") for name in _COUNTED}
        self._uses = Compiled(select(tier_use).order_by(tier_use.c.tier), database)
        self._begin = Compiled(dialect.insert_once(tier_use).values(values), database)
        self._add = Compiled(insert(tier_use).values(values), database)
        self._count = Compiled(update(tier_use).where(this).values(noted), database)
        self._forget = Compiled(delete(tier_use).where(this), database)
        below = instance.join(series, instance.c.series_pk == series.c.pk).join(study, series.c.study_pk == study.c.pk)
        tier = tier_in(instance.c.file_path, dialect)
        counted: list[Any] = [func.count(), func.sum(instance.c.size_bytes)]
        shares: Select[Any] = select(tier, *counted).select_from(below)
        self._shares = Compiled(shares.where(study.c.study_instance_uid == bindparam("study")).group_by(tier), database)
        every: Select[Any] = select(tier, func.count(func.distinct(series.c.study_pk)), *counted)
        self._all = Compiled(
            every.select_from(instance.join(series, instance.c.series_pk == series.c.pk)).group_by(tier), database
        )
        one: ColumnElement[int] = literal_column("1")
        self._named = [
            Compiled(select(one).where(path.like(bindparam("inside"))).limit(one), database) for path in _PATHS
        ]
        self._prepare_home()
        self._copies = Compiled(select(one).select_from(tier_copy).limit(one), database)

    def _prepare_home(self) -> None:
        dialect = self._database.dialect
        one: ColumnElement[int] = literal_column("1")
        at = dialect.position(instance.c.file_path, literal_column("'/'"))
        outside = tier_in(instance.c.file_path, dialect) != HERE
        home: dict[str, Any] = {"file_path": func.substr(instance.c.file_path, at + one)}
        removed = tier_in(removal.c.file_path, dialect) != HERE
        self._home = Compiled(update(instance).where(outside).values(home), self._database)
        self._nowhere = [
            Compiled(update(removal).where(removed).values(file_path=null()), self._database),
            Compiled(delete(tier_copy), self._database),
            Compiled(delete(tier_use), self._database),
        ]

    def uses(self) -> Sequence[TierUse]:
        """Return what was last counted of each tier that has been used."""
        rows = self._uses.rows()
        return [
            TierUse(tier, int(studies), int(count), int(size), float(at)) for tier, studies, count, size, at in rows
        ]

    def begin(self, tier: str) -> None:
        """Note that a tier is used from now on."""
        self._begin.change(**asdict(TierUse(tier, 0, 0, 0, time.time())))

    def count(self, now: float) -> None:
        """Count what lies in which tier, and note it."""
        found = {tier: (int(studies), int(count), int(size)) for tier, studies, count, size in self._all.rows()}
        with self._database.transaction() as cursor:
            for tier in found.keys() | {use.tier for use in self.uses()}:
                use = TierUse(tier, *found.get(tier, (0, 0, 0)), now)
                counted = {f"new_{name}": getattr(use, name) for name in _COUNTED}
                if not self._count.run(cursor, this=tier, **counted):
                    self._add.run(cursor, **asdict(use))

    def shares(self, study_instance_uid: str) -> Shares:
        """Tell what of a study lies where."""
        rows = self._shares.rows(study=study_instance_uid)
        return {tier: Share(int(count), int(size)) for tier, count, size in rows}

    def is_empty(self, tier: str) -> bool:
        """Tell whether no row names anything in a tier, and nothing is there yet to be deleted; looks at all rows."""
        return not any(named.rows(inside=f"{tier}/%") for named in self._named)

    @property
    def has_copies(self) -> bool:
        """Tell whether copies are being made, or a crash has left some."""
        return bool(self._copies.rows())

    def forget(self, tier: str) -> None:
        """Note that a tier is used no more."""
        self._forget.change(this=tier)

    def bring_home(self) -> int:
        """Have all objects lie in the hot tier, where a restoration has put them; return how many were elsewhere.

        Nothing is due to be deleted in other tiers any more: they belong to the archive that was backed up.
        """
        with self._database.transaction() as cursor:
            moved = self._home.run(cursor)
            for statement in self._nowhere:
                statement.run(cursor)
        self._database.sync()
        return moved
