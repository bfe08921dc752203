"""What somebody may see, as conditions on rows of a level: see `model.access.Within`.

A series lies within what somebody may see, or it does not; a study or a patient does if one of its series does.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, false, or_, select, true

from archimage.index.matching import clean
from archimage.index.schema import instance, label, patient, series, study
from archimage.model.access import Scope, Within
from archimage.model.attributes import Level


def visible(within: Within, level: Level) -> list[ColumnElement[bool]]:
    """Return the conditions on rows of a level, which stand by themselves, whatever tables the statement joins."""
    if not within:
        return []
    if level is Level.IMAGE:
        return [instance.c.series_pk.in_(_alone(select(series.c.pk).where(*_of_series(within))))]
    if level is Level.SERIES:
        return _of_series(within)
    if level is Level.STUDY:
        return _of_study(within)
    return [patient.c.pk.in_(_alone(select(study.c.patient_pk).where(*_of_study(within))))]


def _of_series(within: Within) -> list[ColumnElement[bool]]:
    """Return the conditions on a series: in each extent one of the scopes has it."""
    return [_any(_scope_of_series(scope) for scope in extent) for extent in within]


def _of_study(within: Within) -> list[ColumnElement[bool]]:
    """Return the conditions on a study; its series are looked at only where they differ."""
    if any(scope.modalities for extent in within for scope in extent):
        return [study.c.pk.in_(_alone(select(series.c.study_pk).where(*_of_series(within))))]
    return [_any(and_(true(), *_terms(scope)) for scope in extent) for extent in within]


def _scope_of_series(scope: Scope) -> ColumnElement[bool]:
    terms = list(_terms(scope))
    of_study = [series.c.study_pk.in_(_alone(select(study.c.pk).where(*terms)))] if terms else []
    of_modality = [series.c.modality.in_(_values(scope.modalities))] if scope.modalities else []
    return and_(true(), *of_study, *of_modality)


def _terms(scope: Scope) -> Iterator[ColumnElement[bool]]:
    """Yield what a scope wants of a study, whatever its series are."""
    if scope.patients:
        ids = select(patient.c.pk).where(patient.c.patient_id.in_(_values(scope.patients)))
        yield study.c.patient_pk.in_(_alone(ids))
    if scope.studies:
        yield study.c.study_instance_uid.in_(_values(scope.studies))
    if scope.labels:
        labelled = select(label.c.study_instance_uid).where(label.c.name.in_(_values(scope.labels)))
        yield study.c.study_instance_uid.in_(_alone(labelled))


def _any(terms: Iterable[ColumnElement[bool]]) -> ColumnElement[bool]:
    return or_(false(), *terms)


def _alone(found: Select[Any]) -> Select[Any]:
    """Keep a sub-select from taking tables of the statement around it for its own."""
    return found.correlate(None)


def _values(values: Iterable[str]) -> list[str]:
    return sorted(map(clean, values))
