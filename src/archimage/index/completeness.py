"""Which studies grew, and of which of them an audience has heard, in the table `completing_study`.

A study that grows as it did before is told of anew, so what was heard of may be forgotten as soon as nothing of it is
noted twice.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import bindparam, delete, func, select, update

from archimage.index.arrivals import ArrivalTable
from archimage.index.compiled import Compiled
from archimage.index.deliveries import DeliveryTable
from archimage.index.ingest import Cursor
from archimage.index.nodes import Database
from archimage.index.schema import instance, series, study
from archimage.index.schema_plugins import completing_study
from archimage.model.availability import GrownStudy
from archimage.model.deliveries import Delivery

PER_LOOK: Final = 10_000
"""Studies that are noted at once; the next look notes the rest."""
_MARK: Final = ""
_FORGOTTEN_S: Final = 86_400.0
_OVERLAP_S: Final = 10.0
"""What came so long before the newest that is known may have been committed after it."""
_IDLE_S: Final = 3_600.0


class CompletingStudyTable:
    """Implements `ports.completeness.CompletingStudies` for one audience, by its name."""

    def __init__(self, database: Database, audience: str) -> None:
        self._database = database
        self._audience = audience
        self._noted: Mapping[str, float] = {}
        self._arrivals = ArrivalTable(database)
        self._deliveries = DeliveryTable(database)
        row = completing_study.c
        above = instance.join(series, instance.c.series_pk == series.c.pk).join(study, series.c.study_pk == study.c.pk)
        last = func.max(instance.c.received_at)
        came = select(study.c.study_instance_uid, last).select_from(above)
        came = came.where(instance.c.pk >= bindparam("pk"), instance.c.received_at > bindparam("since"))
        came = came.group_by(study.c.study_instance_uid).order_by(last)
        self._came = Compiled(came.limit(bindparam("most")), database)
        ours = row.audience == bindparam("whose")
        this = ours & (row.study_instance_uid == bindparam("this"))
        grown = update(completing_study).where(this, row.grown_at < bindparam("at"))
        self._grow = Compiled(grown.values(grown_at=bindparam("at")), database)
        self._insert = Compiled(database.dialect.insert_once(completing_study), database)
        self._since = Compiled(select(row.grown_at).where(this), database)
        untold = (ours, row.told_at < row.grown_at, row.study_instance_uid != _MARK)
        quiet = select(row.study_instance_uid, row.grown_at).where(*untold, row.grown_at <= bindparam("before"))
        self._quiet = Compiled(quiet.order_by(row.grown_at).limit(bindparam("most")), database)
        tell = update(completing_study).where(this, row.grown_at == bindparam("at"), row.told_at < row.grown_at)
        self._tell = Compiled(tell.values(told_at=bindparam("at")), database)
        told = (ours, row.study_instance_uid != _MARK, row.told_at >= row.grown_at)
        self._forget = Compiled(delete(completing_study).where(*told, row.grown_at < bindparam("before")), database)
        self._clear = Compiled(delete(completing_study).where(ours), database)

    def since(self) -> float | None:
        """Return up to when they were noted, None before the first time."""
        rows = self._since.rows(whose=self._audience, this=_MARK)
        return float(rows[0][0]) if rows else None

    def begin(self, now: float) -> None:
        """Note nothing of what came before."""
        with self._database.transaction() as cursor:
            self._clear.run(cursor, whose=self._audience)
            self._set(cursor, _MARK, now, now)
        self._database.sync()

    def note(self, mark: float, now: float) -> None:
        """Note the studies of which instances came since they were noted up to a mark, and how far that has come.

        Nothing is written where nothing came, but for the mark, at times.
        """
        since = mark - _OVERLAP_S
        rows = self._came.rows(pk=self._arrivals.first(int(since)), since=since, most=PER_LOOK)
        came = {str(uid): float(came_at) for uid, came_at in rows}
        fresh = {uid: at for uid, at in came.items() if self._noted.get(uid, 0.0) < at}
        reached = max((*came.values(), mark))
        if len(came) < PER_LOOK and reached < now - _IDLE_S:
            reached = now - _IDLE_S / 2
        if fresh or reached > mark:
            self._write(fresh, reached)
        self._noted = came

    def quiet(self, before: float, limit: int) -> Sequence[GrownStudy]:
        """Return studies of which nothing came after a time, and of which it has not heard since they grew."""
        rows = self._quiet.rows(whose=self._audience, before=before, most=limit)
        return [GrownStudy(uid, float(grown_at)) for uid, grown_at in rows]

    def tell(self, study: GrownStudy, deliveries: Sequence[Delivery]) -> bool:
        """Keep that it is to hear of a study; False where it was told already, or the study has grown since."""
        with self._database.transaction() as cursor:
            values = {"this": study.study_instance_uid, "at": study.grown_at}
            if not self._tell.run(cursor, whose=self._audience, **values):
                return False
            self._deliveries.add_within(cursor, deliveries)
        self._database.sync()
        return True

    def _write(self, fresh: Mapping[str, float], reached: float) -> None:
        with self._database.transaction() as cursor:
            for uid, at in fresh.items():
                self._set(cursor, uid, at, 0.0)
            self._set(cursor, _MARK, reached, reached)
            self._forget.run(cursor, whose=self._audience, before=reached - _FORGOTTEN_S)

    def _set(self, cursor: Cursor, uid: str, grown_at: float, told_at: float) -> None:
        if not self._grow.run(cursor, whose=self._audience, this=uid, at=grown_at):
            values: dict[str, object] = {"study_instance_uid": uid, "grown_at": grown_at, "told_at": told_at}
            self._insert.run(cursor, audience=self._audience, **values)
