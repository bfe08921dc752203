"""Attributes that are worked out from the rows below: counts, Modalities in Study, SOP Classes in Study.

All are sub-selects correlated to the row whose attribute it is; they look at `series_content`, never at the instances.
"""

from typing import Any, Final

from sqlalchemy import ColumnElement, FromClause, Select, func, select

from archimage.index.schema import instance, patient, series, series_content, study

_study: Final = study.alias("inner_study")
_series: Final = series.alias("inner_series")
_content: Final = series_content.alias("inner_content")

_series_content: Final = _series.join(_content, _content.c.series_pk == _series.c.pk)
_study_series: Final = _study.join(_series, _series.c.study_pk == _study.c.pk)
_study_content: Final = _study_series.join(_content, _content.c.series_pk == _series.c.pk)

_of_series: Final = _content.c.series_pk == series.c.pk
_of_study: Final = _series.c.study_pk == study.c.pk
_of_patient: Final = _study.c.patient_pk == patient.c.pk


def _aggregate(
    value: ColumnElement[Any], rows: FromClause, link: ColumnElement[bool], outer: FromClause
) -> ColumnElement[Any]:
    """Aggregate over the rows linked to the outer row."""
    return select(value).select_from(rows).where(link).correlate(outer).scalar_subquery()


def _members(value: ColumnElement[Any], rows: FromClause) -> Select[Any]:
    """Select a value of each row below a study."""
    return select(value).select_from(rows).where(_of_study, value.is_not(None)).correlate(study)


def _joined(values: Select[Any]) -> ColumnElement[Any]:
    """Join distinct values, sorted."""
    distinct = values.distinct().order_by(values.selected_columns[0]).subquery()
    return select(func.aggregate_strings(distinct.c[0], "\\")).scalar_subquery()


_rows: Final = func.count()
_instances: Final = func.sum(_content.c.instances)

MEMBERS: Final = {
    "modalities_in_study": (_members(_series.c.modality, _series), _series.c.modality),
    "sop_classes_in_study": (_members(_content.c.sop_class_uid, _series_content), _content.c.sop_class_uid),
}
"""For each attribute that gathers values: the values of a study, and the column that holds one."""

PARENTS: Final = {
    "modalities_in_study": select(_series.c.study_pk).select_from(_series),
    "sop_classes_in_study": select(_series.c.study_pk).select_from(_series_content),
}
"""For each of them: the key of the study that each value is of."""

COUNTS: Final = {
    "number_of_patient_related_studies": _aggregate(_rows, _study, _of_patient, patient),
    "number_of_patient_related_series": _aggregate(_rows, _study_series, _of_patient, patient),
    "number_of_patient_related_instances": _aggregate(_instances, _study_content, _of_patient, patient),
    "number_of_study_related_series": _aggregate(_rows, _series, _of_study, study),
    "number_of_study_related_instances": _aggregate(_instances, _series_content, _of_study, study),
    "number_of_series_related_instances": _aggregate(_instances, _content, _of_series, series),
}

VALUES: Final = {
    **COUNTS,
    **{column: _joined(values) for column, (values, _) in MEMBERS.items()},
    "available_transfer_syntax_uid": instance.c.transfer_syntax_uid,
}
