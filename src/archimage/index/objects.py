"""Objects without a patient, in the table `object`."""

from collections.abc import Sequence
from typing import Any, Final

import orjson
from sqlalchemy import bindparam, delete, insert, or_, select

from archimage.index.compiled import Compiled
from archimage.index.nodes import Database
from archimage.index.schema_objects import kept_object
from archimage.model.objects import KeptObject
from archimage.ports.object import Kept

_FIELDS: Final = (
    "sop_instance_uid", "sop_class_uid", "transfer_syntax_uid", "size_bytes", "digest", "received_at",
    "source_ae_title", "model",
)  # fmt: skip
_ROWS: Final = select(*(kept_object.c[name] for name in _FIELDS), kept_object.c.pk)
_THIS: Final = kept_object.c.sop_instance_uid == bindparam("this")


class ObjectTable:
    """Implements `ports.object.Objects`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        columns: dict[str, Any] = {name: bindparam(name) for name in (*_FIELDS, "data")}
        self._insert = Compiled(insert(kept_object).values(columns), database)
        self._one = Compiled(_ROWS.where(_THIS), database)
        self._digest = Compiled(select(kept_object.c.digest).where(_THIS), database)
        self._data = Compiled(select(kept_object.c.data).where(_THIS), database)
        of_classes = database.dialect.among(kept_object.c.sop_class_uid, "classes")
        wanted = (or_(bindparam("all_classes") == 1, of_classes), kept_object.c.pk < bindparam("before"))
        newest = _ROWS.where(*wanted).order_by(kept_object.c.pk.desc())
        self._find = Compiled(newest.limit(bindparam("most")), database)
        self._remove = Compiled(delete(kept_object).where(_THIS), database)

    def put(self, added: KeptObject, data: bytes, *, replace: bool) -> Kept:
        """Keep an object and its data set; with replace instead of another one of its UID."""
        uid = added.sop_instance_uid
        with self._database.transaction() as cursor:
            there = self._digest.rows_of(cursor, this=uid)
            if there and there[0][0] == added.digest:
                return "duplicate"
            if there and not replace:
                return "other"
            self._remove.run(cursor, this=uid)
            self._insert.run(cursor, **_row(added), data=data)
        self._database.sync()
        return "replaced" if there else "stored"

    def get(self, sop_instance_uid: str) -> KeptObject | None:
        """Return one, or None."""
        rows = self._one.rows(this=sop_instance_uid)
        return _kept(rows[0]) if rows else None

    def data(self, sop_instance_uid: str) -> bytes | None:
        """Return the data set of one as it came, or None."""
        rows = self._data.rows(this=sop_instance_uid)
        return bytes(rows[0][0]) if rows else None

    def find(self, sop_class_uids: Sequence[str], *, before: int | None, limit: int) -> Sequence[KeptObject]:
        """Return the newest of some SOP classes, of all where none is named, before an id where one is given."""
        classes = str(self._database.dialect.pack(list(sop_class_uids)))
        below = 1 << 62 if before is None else before
        return [
            _kept(row)
            for row in self._find.rows(classes=classes, all_classes=int(not sop_class_uids), before=below, most=limit)
        ]

    def remove(self, sop_instance_uid: str) -> bool:
        """Forget one; False where it is not kept."""
        return self._remove.change(this=sop_instance_uid) == 1


def _row(added: KeptObject) -> dict[str, Any]:
    return {name: getattr(added, name) for name in _FIELDS} | {"model": orjson.dumps(added.model).decode()}


def _kept(row: Sequence[Any]) -> KeptObject:
    values = dict(zip((*_FIELDS, "id"), row, strict=True))
    return KeptObject(**values | {"digest": bytes(values["digest"]), "model": orjson.loads(values["model"])})
