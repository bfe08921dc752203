"""Whether an object may be kept by somebody who may bring in a part of the archive only.

Not only what the object says of itself counts: whoever may store for one patient must not put anything into the study
of another, or in the place of another's object, by using its UIDs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from archimage.errors import NotAuthorisedError
from archimage.model.access import Extent, Scope, Within
from archimage.model.attributes import BY_COLUMN, UNIQUE_KEYS, Level
from archimage.model.query import Condition, Exact, Query
from archimage.ports import Finding, Labels

Values = Mapping[str, str]
_TOLD: Final = {
    Level.STUDY: (BY_COLUMN["patient_id"],),
    Level.SERIES: (BY_COLUMN["patient_id"], BY_COLUMN["modality"]),
    Level.IMAGE: (BY_COLUMN["patient_id"], BY_COLUMN["modality"]),
}


@dataclass(frozen=True, slots=True)
class _Place:
    """Where something stands in the archive; modality None is that of all series of a study."""

    patient_id: str
    study_instance_uid: str
    modality: str | None


class StoreBounds:
    """Looks at what is to be kept beside what is kept; all of it blocks."""

    def __init__(self, index: Finding, labels: Labels) -> None:
        """Look things up in index, which shows everything."""
        self._index = index
        self._labels = labels

    def check(self, within: Within, values: Values) -> None:
        """Let an object through that lies in each extent, as everything does that is kept under one of its UIDs.

        Raises:
            NotAuthorisedError: it does not.
        """
        labels: dict[str, frozenset[str]] = {}
        for place in dict.fromkeys(self._places(values)):
            study = place.study_instance_uid
            if study not in labels:
                labels[study] = frozenset(self._labels.of([study]).get(study, ())) if _asks_labels(within) else _NONE
            if not all(_lies_in(extent, place, labels[study]) for extent in within):
                raise NotAuthorisedError("the object lies outside of what you may store")

    def _places(self, values: Values) -> Iterator[_Place]:
        """Yield where the object would stand, and where its study, its series and itself do."""
        study = values.get("study_instance_uid", "")
        yield _Place(values.get("patient_id", ""), study, values.get("modality", ""))
        for level, told in _TOLD.items():
            key = UNIQUE_KEYS[level]
            query = Query(level, (Condition(key, Exact(values.get(key.column, ""))),), told)
            for page in self._index.find(query):
                for row in page:
                    modality = None if level is Level.STUDY else row.get("modality", "")
                    yield _Place(row.get("patient_id", ""), row["study_instance_uid"], modality)


_NONE: Final = frozenset[str]()


def _asks_labels(within: Within) -> bool:
    return any(scope.labels for extent in within for scope in extent)


def _lies_in(extent: Extent, place: _Place, labels: frozenset[str]) -> bool:
    return any(_fits(scope, place, labels) for scope in extent)


def _fits(scope: Scope, place: _Place, labels: frozenset[str]) -> bool:
    return (
        (not scope.patients or place.patient_id in scope.patients)
        and (not scope.studies or place.study_instance_uid in scope.studies)
        and (not scope.labels or not scope.labels.isdisjoint(labels))
        and (not scope.modalities or place.modality is None or place.modality in scope.modalities)
    )
