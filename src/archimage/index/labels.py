"""The labels that people give studies, in the table `label`."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import BindParameter, Delete, Select, bindparam, delete, exists, func, select
from sqlalchemy.sql.expression import Insert

from archimage.index.matching import clean
from archimage.index.nodes import Database
from archimage.index.schema import label, study

_STUDY: Final[BindParameter[str]] = bindparam("study")


class LabelTable:
    """Implements `ports.Labels`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        this = label.c.study_instance_uid == _STUDY
        pair = (label.c.study_instance_uid, label.c.name)
        of_studies = database.dialect.among(label.c.study_instance_uid, "studies")
        kept = label.join(study, study.c.study_instance_uid == label.c.study_instance_uid)
        self._of = self._text(select(*pair).where(of_studies).order_by(label.c.name))
        self._counts = self._text(
            select(label.c.name, func.count()).select_from(kept).group_by(label.c.name).order_by(label.c.name)
        )
        self._count = self._text(select(func.count()).select_from(label).where(this))
        self._is_kept = self._text(select(exists().where(study.c.study_instance_uid == _STUDY)))
        self._add = self._text(database.dialect.insert_once(label))
        self._remove = self._text(delete(label).where(this, label.c.name == bindparam("name")))

    def of(self, study_instance_uids: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Map those of these studies that have labels to them."""
        found: dict[str, list[str]] = {}
        uids = self._database.dialect.pack([clean(uid) for uid in study_instance_uids])
        for uid, name in self._database.fetch(self._of, {"studies": str(uids)}):
            found.setdefault(uid, []).append(name)
        return found

    def counts(self) -> Mapping[str, int]:
        """Map each label to how many studies have it."""
        return {name: int(count) for name, count in self._database.fetch(self._counts, {})}

    def add(self, study_instance_uid: str, name: str, most: int) -> bool:
        """Give a study a label, which it may have already; False where it is not kept, or has that many."""
        values = {"study": clean(study_instance_uid)}
        with self._database.transaction() as cursor:
            cursor.execute(self._is_kept, values)
            kept = bool(cursor.fetchone()[0])
            cursor.execute(self._count, values)
            if not kept or cursor.fetchone()[0] >= most:
                return False
            cursor.execute(self._add, {"study_instance_uid": values["study"], "name": clean(name)})
        self._database.sync()
        return True

    def remove(self, study_instance_uid: str, name: str) -> None:
        """Take a label from a study; absent is fine."""
        with self._database.transaction() as cursor:
            cursor.execute(self._remove, {"study": clean(study_instance_uid), "name": clean(name)})
        self._database.sync()

    def _text(self, statement: Select[Any] | Insert | Delete) -> str:
        return str(statement.compile(dialect=self._database.dialect.engine))
