"""Resources of FHIR that are kept as they were sent, in the table `fhir_resource`; and which studies grew."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import bindparam, delete, func, insert, select, update

from archimage.index.arrivals import ArrivalTable
from archimage.index.compiled import Compiled
from archimage.index.nodes import Database
from archimage.index.schema import instance, series, study
from archimage.index.schema_fhir import fhir_resource
from archimage.model.fhir import KeptResource

_FIELDS: Final = ("kind", "id", "status", "about", "body", "created_at", "changed_at")


class FhirTable:
    """Implements `ports.fhir.FhirResources`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        rows = select(*(fhir_resource.c[name] for name in _FIELDS))
        this = (fhir_resource.c.kind == bindparam("this_kind"), fhir_resource.c.id == bindparam("this_id"))
        of_kind = fhir_resource.c.kind == bindparam("this_kind")
        of_status = (bindparam("this_status") == "") | (fhir_resource.c.status == bindparam("this_status"))
        values: dict[str, Any] = {name: bindparam(name) for name in _FIELDS}
        changed: dict[str, Any] = {name: bindparam(name) for name in ("status", "about", "body", "changed_at")}
        self._insert = Compiled(insert(fhir_resource).values(values), database)
        self._update = Compiled(update(fhir_resource).where(*this).values(changed), database)
        self._one = Compiled(rows.where(*this), database)
        self._find = Compiled(rows.where(of_kind, of_status).order_by(fhir_resource.c.pk.desc()), database)
        of_word = (bindparam("word") == "") | (database.dialect.position(fhir_resource.c.about, bindparam("word")) > 0)
        keys = select(fhir_resource.c.id, fhir_resource.c.about).where(of_kind, of_status, of_word)
        self._keys = Compiled(keys.order_by(fhir_resource.c.pk.desc()), database)
        self._count = Compiled(select(func.count()).select_from(fhir_resource).where(of_kind), database)
        self._remove = Compiled(delete(fhir_resource).where(*this), database)

    def put(self, resource: KeptResource) -> None:
        """Keep a resource, in the place of the one of its kind and id."""
        values = {name: getattr(resource, name) for name in _FIELDS}
        changed = {name: values[name] for name in ("status", "about", "body", "changed_at")}
        with self._database.transaction() as cursor:
            if not self._update.run(cursor, this_kind=resource.kind, this_id=resource.id, **changed):
                self._insert.run(cursor, **values)
        self._database.sync()

    def get(self, kind: str, resource_id: str) -> KeptResource | None:
        """Return one, or None."""
        rows = self._one.rows(this_kind=kind, this_id=resource_id)
        return KeptResource(*rows[0]) if rows else None

    def find(self, kind: str, *, status: str = "") -> Sequence[KeptResource]:
        """Return those of a kind, and of a status where one is given, the newest first."""
        return [KeptResource(*row) for row in self._find.rows(this_kind=kind, this_status=status)]

    def keys(self, kind: str, *, status: str = "", about: str = "") -> Sequence[tuple[str, str]]:
        """Return id and about of those of a kind, of a status, and about a word where these are given; newest first."""
        word = f" {about} " if about else ""
        return [(str(key), str(words)) for key, words in self._keys.rows(this_kind=kind, this_status=status, word=word)]

    def count(self, kind: str) -> int:
        """Count those of a kind."""
        return int(self._count.rows(this_kind=kind)[0][0])

    def remove(self, kind: str, resource_id: str) -> bool:
        """Forget one; False where it is not there."""
        return self._remove.change(this_kind=kind, this_id=resource_id) == 1


class StudyArrivalTable:
    """Implements `ports.fhir.StudyArrivals`."""

    def __init__(self, database: Database) -> None:
        self._arrivals = ArrivalTable(database)
        grown = (
            select(study.c.study_instance_uid, func.max(instance.c.received_at))
            .select_from(instance.join(series, instance.c.series_pk == series.c.pk).join(study))
            .where(instance.c.pk >= bindparam("first"), instance.c.received_at >= bindparam("since"))
            .group_by(study.c.study_instance_uid)
            .limit(bindparam("most"))
        )
        self._grown = Compiled(grown, database)

    def studies_since(self, moment: float, limit: int) -> Sequence[tuple[str, float]]:
        """Return studies of which instances came at a moment or later, each with when its last one came."""
        first = self._arrivals.first(int(moment))
        rows = self._grown.rows(first=first, since=moment, most=limit)
        return [(str(uid), float(last)) for uid, last in rows]
