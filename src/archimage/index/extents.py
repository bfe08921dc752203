"""What somebody may see, as conditions on rows of a level: see `model.access.Extent`."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, false, or_, select, true

from archimage.index.matching import clean
from archimage.index.schema import TABLES, instance, label, patient, series, study
from archimage.model.access import Extent, Scope, Within
from archimage.model.attributes import Level


def visible(within: Within, level: Level) -> list[ColumnElement[bool]]:
    """Return the conditions on rows of a level for lying in each extent; a patient or study does if a part of it does.

    They stand by themselves, whatever tables the statement joins.
    """
    return [_lies_in(extent, level) for extent in within]


def _lies_in(extent: Extent, level: Level) -> ColumnElement[bool]:
    if any(scope.is_all for scope in extent):
        return true()
    rows = _ROWS[level]
    keys = [rows(scope).correlate(None) for scope in extent]
    return or_(*(TABLES[level].c.pk.in_(of_scope) for of_scope in keys)) if keys else false()


def _patients(scope: Scope) -> Select[Any]:
    return select(study.c.patient_pk).where(*_of_study(scope), *_of_some_series(scope))


def _studies(scope: Scope) -> Select[Any]:
    return select(study.c.pk).where(*_of_study(scope), *_of_some_series(scope))


def _series(scope: Scope) -> Select[Any]:
    of_study = and_(true(), *_of_study(scope))
    found = select(series.c.pk).where(series.c.study_pk.in_(select(study.c.pk).where(of_study).correlate(None)))
    return found.where(series.c.modality.in_(_values(scope.modalities))) if scope.modalities else found


def _instances(scope: Scope) -> Select[Any]:
    return select(instance.c.pk).where(instance.c.series_pk.in_(_series(scope).correlate(None)))


_ROWS: dict[Level, Callable[[Scope], Select[Any]]] = {
    Level.PATIENT: _patients,
    Level.STUDY: _studies,
    Level.SERIES: _series,
    Level.IMAGE: _instances,
}


def _of_study(scope: Scope) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions on a study, but for that on modalities."""
    if scope.patients:
        ids = select(patient.c.pk).where(patient.c.patient_id.in_(_values(scope.patients)))
        yield study.c.patient_pk.in_(ids.correlate(None))
    if scope.studies:
        yield study.c.study_instance_uid.in_(_values(scope.studies))
    if scope.labels:
        labelled = select(label.c.study_instance_uid).where(label.c.name.in_(_values(scope.labels)))
        yield study.c.study_instance_uid.in_(labelled.correlate(None))


def _of_some_series(scope: Scope) -> Iterator[ColumnElement[bool]]:
    if scope.modalities:
        of_modality = select(series.c.study_pk).where(series.c.modality.in_(_values(scope.modalities)))
        yield study.c.pk.in_(of_modality.correlate(None))


def _values(values: Iterable[str]) -> list[str]:
    return sorted(map(clean, values))
