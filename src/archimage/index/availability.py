"""Which studies have grown, and of which of them others have heard, in the table `grown_study`.

The row without a UID has up to when they were noted. A study that grows as it did before is told of anew, so what
others have heard may be forgotten as soon as nothing of it is noted twice.
"""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import bindparam, delete, func, select, update

from archimage.index.arrivals import ArrivalTable
from archimage.index.compiled import Compiled
from archimage.index.deliveries import DeliveryTable
from archimage.index.ingest import Cursor
from archimage.index.nodes import Database
from archimage.index.schema import instance, series, study
from archimage.index.schema_performed import grown_study
from archimage.model.availability import GrownStudy, KeptInstance
from archimage.model.deliveries import Delivery

_MARK: Final = ""
_PER_LOOK: Final = 10_000
_OVERLAP_S: Final = 10.0
"""What came so long before the newest that is known may have been committed after it, by another node."""
_FORGOTTEN_S: Final = 86_400.0


class GrownStudyTable:
    """Implements `ports.mpps.GrowingStudies`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._arrivals = ArrivalTable(database)
        self._deliveries = DeliveryTable(database)
        grown = grown_study.c
        above = instance.join(series, instance.c.series_pk == series.c.pk).join(study, series.c.study_pk == study.c.pk)
        came = select(study.c.study_instance_uid, func.max(instance.c.received_at)).select_from(above)
        came = came.where(instance.c.pk >= bindparam("pk"), instance.c.received_at > bindparam("since"))
        came = came.group_by(study.c.study_instance_uid).order_by(func.max(instance.c.received_at))
        self._came = Compiled(came.limit(bindparam("most")), database)
        this = grown.study_instance_uid == bindparam("this")
        grow = update(grown_study).where(this, grown.grown_at < bindparam("grown_at"))
        self._grow = Compiled(grow.values(grown_at=bindparam("grown_at")), database)
        self._insert = Compiled(database.dialect.insert_once(grown_study), database)
        self._since = Compiled(select(grown.grown_at).where(this), database)
        due = (grown.told_at < grown.grown_at, grown.grown_at <= bindparam("before"), grown.study_instance_uid != _MARK)
        quiet = select(grown.study_instance_uid, grown.grown_at).where(*due).order_by(grown.grown_at)
        self._quiet = Compiled(quiet.limit(bindparam("most")), database)
        same = (this, grown.grown_at == bindparam("grown_at"), grown.told_at < grown.grown_at)
        self._tell = Compiled(update(grown_study).where(*same).values(told_at=bindparam("grown_at")), database)
        old = (grown.study_instance_uid != _MARK, grown.told_at >= grown.grown_at, grown.grown_at < bindparam("before"))
        self._forget = Compiled(delete(grown_study).where(*old), database)
        rows = select(study.c.study_instance_uid, series.c.series_instance_uid)
        rows = rows.add_columns(instance.c.sop_class_uid, instance.c.sop_instance_uid).select_from(above)
        order = (study.c.study_instance_uid, series.c.series_instance_uid, instance.c.pk)
        of_study = rows.where(study.c.study_instance_uid == bindparam("this"))
        self._of_study = Compiled(of_study.order_by(*order).limit(bindparam("most")), database)
        uids = database.dialect.among(instance.c.sop_instance_uid, "uids")
        self._kept = Compiled(rows.where(uids).order_by(*order), database)

    def note(self, since: float) -> float:
        """Note the studies of which instances came since a time; return when the newest of all came."""
        before = since - _OVERLAP_S
        rows = self._came.rows(pk=self._arrivals.first(int(before)), since=before, most=_PER_LOOK)
        newest = max((since, *(float(came_at) for _, came_at in rows)))
        with self._database.transaction() as cursor:
            for uid, came_at in rows:
                self._set(cursor, uid, float(came_at), 0.0)
            self._set(cursor, _MARK, newest, newest)
            self._forget.run(cursor, before=newest - _FORGOTTEN_S)
        return newest

    def since(self) -> float | None:
        """Return up to when they were noted, None before the first time."""
        rows = self._since.rows(this=_MARK)
        return float(rows[0][0]) if rows else None

    def quiet(self, before: float, limit: int) -> Sequence[GrownStudy]:
        """Return studies of which nothing came after a time, and of which others have not heard since they grew."""
        return [GrownStudy(uid, float(grown_at)) for uid, grown_at in self._quiet.rows(before=before, most=limit)]

    def tell(self, study: GrownStudy, deliveries: Sequence[Delivery]) -> bool:
        """Keep that others are to hear of a study; False where they were told already, or it has grown since."""
        with self._database.transaction() as cursor:
            if not self._tell.run(cursor, this=study.study_instance_uid, grown_at=study.grown_at):
                return False
            self._deliveries.add_within(cursor, deliveries)
        self._database.sync()
        return True

    def instances(self, study_instance_uid: str, limit: int) -> Sequence[KeptInstance]:
        """Return the instances of a study, by series."""
        return [KeptInstance(*row) for row in self._of_study.rows(this=study_instance_uid, most=limit)]

    def kept(self, sop_instance_uids: Sequence[str]) -> Sequence[KeptInstance]:
        """Return those of these instances that the archive has, by study and series."""
        rows = self._kept.rows(uids=str(self._database.dialect.pack(sop_instance_uids)))
        return [KeptInstance(*row) for row in rows]

    def _set(self, cursor: Cursor, uid: str, grown_at: float, told_at: float) -> None:
        if not self._grow.run(cursor, this=uid, grown_at=grown_at):
            self._insert.run(cursor, study_instance_uid=uid, grown_at=grown_at, told_at=told_at)
