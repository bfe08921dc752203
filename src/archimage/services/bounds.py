"""Whether an object may be kept by somebody who may bring in a part of the archive only.

Not only what the object says of itself counts: whoever may store for one patient must not put anything into the study
of another, or in the place of another's object, by using its UIDs.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from archimage.errors import NotAuthorisedError
from archimage.model.access import Extent, Scope, Within
from archimage.model.attributes import BY_COLUMN, UNIQUE_KEYS, Level
from archimage.model.query import Condition, Exact, Query
from archimage.ports.index import Finding, Labels

HOLD_S: Final = 1.0
"""So long a study and a series are taken to be what they were."""
REMEMBERED: Final = 4_096
"""Series into which somebody may store; those beyond are looked up anew."""
Values = Mapping[str, str]
_OF_SERIES: Final = ("patient_id", "study_instance_uid", "series_instance_uid", "modality")
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
    """Looks at what is to be kept beside what is kept; all of it blocks.

    Objects of one series come one after the other: what is kept of it, and of its study, is looked up once a moment.
    """

    def __init__(self, index: Finding, labels: Labels) -> None:
        """Look things up in index, which shows everything."""
        self._index = index
        self._labels = labels
        self._passed: dict[tuple[Within, tuple[str, ...]], float] = {}

    def check(self, within: Within, values: Values) -> None:
        """Let an object through that lies in each extent, as everything does that is kept under one of its UIDs.

        Raises:
            NotAuthorisedError: it does not.
        """
        key = within, tuple(values.get(column, "") for column in _OF_SERIES)
        now = time.monotonic()
        if now - self._passed.get(key, -HOLD_S) >= HOLD_S:
            self._check(within, [_place(values), *self._kept(Level.STUDY, values), *self._kept(Level.SERIES, values)])
            if len(self._passed) >= REMEMBERED:
                self._passed.clear()
            self._passed[key] = now
        if self._index.lookup(values.get("sop_instance_uid", "")) is not None:
            self._check(within, self._kept(Level.IMAGE, values))

    def _check(self, within: Within, places: Iterable[_Place]) -> None:
        for place in dict.fromkeys(places):
            study = place.study_instance_uid
            labels = frozenset(self._labels.of([study]).get(study, ())) if _asks_labels(within) else _NONE
            if not all(_lies_in(extent, place, labels) for extent in within):
                raise NotAuthorisedError("the object lies outside of what you may store")

    def _kept(self, level: Level, values: Values) -> Iterator[_Place]:
        """Yield where that stands which is kept under an object's UID of a level."""
        key = UNIQUE_KEYS[level]
        query = Query(level, (Condition(key, Exact(values.get(key.column, ""))),), _TOLD[level])
        for page in self._index.find(query):
            yield from (_place(row, whole=level is Level.STUDY) for row in page)


def _place(values: Values, *, whole: bool = False) -> _Place:
    modality = None if whole else values.get("modality", "")
    return _Place(values.get("patient_id", ""), values.get("study_instance_uid", ""), modality)


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
