"""What is asked for by UID alone, once for every frame that a viewer shows: statements compiled ahead, as text."""

from typing import Any, Final

import xxhash
from sqlalchemy import ColumnElement, Select, bindparam, func, literal_column, select

from archimage.index.dialect import Dialect
from archimage.index.schema import instance, patient, series, series_content, study
from archimage.index.statements import STORED

_SERIES_OF: Final = series.join(study, series.c.study_pk == study.c.pk)

_COUNTS: Final = (
    *(select(func.count()).select_from(table).scalar_subquery() for table in (patient, study, series)),
    select(func.coalesce(func.sum(series_content.c.instances), literal_column("0"))).scalar_subquery(),
)


class Lookups:
    """The statements; parameters are `study`, `series` and `instance` UIDs, and the `path` of a file."""

    def __init__(self, dialect: Dialect) -> None:
        within = instance.join(_SERIES_OF, instance.c.series_pk == series.c.pk)
        this, in_study, in_series = (
            instance.c.sop_instance_uid == bindparam("instance"),
            study.c.study_instance_uid == bindparam("study"),
            series.c.series_instance_uid == bindparam("series"),
        )

        def text(statement: Select[Any], *where: ColumnElement[bool]) -> str:
            return str(statement.where(*where).compile(dialect=dialect.engine))

        self.stored = text(select(*STORED), this)
        self.stored_in_study = text(select(*STORED).select_from(within), this, in_study)
        self.stored_in_series = text(select(*STORED).select_from(within), this, in_study, in_series)
        self.counts = text(select(*_COUNTS))
        self.frames = text(select(instance.c.frames), this)
        self.frames_at = text(select(instance.c.frames), this, instance.c.file_path == bindparam("path"))
        content = series_content.join(_SERIES_OF, series_content.c.series_pk == series.c.pk)
        changes = select(series.c.series_instance_uid, series_content.c.change).select_from(content)
        changes = changes.order_by(series_content.c.series_pk, series_content.c.sop_class_uid)
        self.study_changes = text(changes, in_study)
        self.series_changes = text(changes, in_study, in_series)


def versions(changes: list[Any]) -> dict[str, str]:
    """Map each series to a text that follows all of its change numbers; changes are the rows of `study_changes`."""
    found: dict[str, xxhash.xxh3_128] = {}
    for uid, change in changes:
        found.setdefault(uid, xxhash.xxh3_128()).update(b"%d/" % change)
    return {uid: state.hexdigest() for uid, state in found.items()}
