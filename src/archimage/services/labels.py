"""Labels: short words that people give studies, to find them again."""

from collections.abc import Sequence
from typing import Final

from archimage.errors import InvalidRequestError, NotFoundError
from archimage.model.attributes import Level
from archimage.model.callers import granted
from archimage.model.events import LabelsChanged
from archimage.model.ids import check_uid
from archimage.model.listings import LabelCount
from archimage.model.query import Query
from archimage.ports.index import Finding, Labels
from archimage.services.events import EventHub

MAX_LENGTH: Final = 64
MAX_LABELS: Final = 32


class LabelService:
    """Gives and takes labels; all of it blocks."""

    def __init__(self, labels: Labels, events: EventHub, index: Finding) -> None:
        self._labels = labels
        self._index = index
        self._events = events

    def counts(self) -> Sequence[LabelCount]:
        """List the labels in use, by name: of who may see a part of the archive alone, those of that part."""
        counts = self._labels.counts()
        if granted().within:
            counts = {name: self._index.count(Query(Level.STUDY, labels=(name,))) for name in counts}
        return [LabelCount(name, studies) for name, studies in counts.items() if studies]

    def of(self, study_instance_uid: str) -> Sequence[str]:
        """Return the labels of a study, by name."""
        return self._labels.of([check_uid(study_instance_uid)]).get(study_instance_uid, ())

    def add(self, study_instance_uid: str, name: str) -> Sequence[str]:
        """Give a study a label; return all that it has.

        Raises:
            InvalidRequestError: the label is empty, too long or not plain text.
            NotFoundError: the study is not kept, or has too many labels.
        """
        check_uid(study_instance_uid)
        if not self._labels.add(study_instance_uid, checked(name), MAX_LABELS):
            raise NotFoundError(f"no study {study_instance_uid} with fewer than {MAX_LABELS} labels is kept")
        return self._told(study_instance_uid)

    def remove(self, study_instance_uid: str, name: str) -> Sequence[str]:
        """Take a label from a study, absent is fine; return those that are left."""
        check_uid(study_instance_uid)
        self._labels.remove(study_instance_uid, checked(name))
        return self._told(study_instance_uid)

    def _told(self, study_instance_uid: str) -> Sequence[str]:
        left = tuple(self.of(study_instance_uid))
        self._events.publish(LabelsChanged(study_instance_uid, left))
        return left


def checked(name: str) -> str:
    """Return a label without blanks around it; InvalidRequestError where it is none."""
    name = name.strip()
    if not 0 < len(name) <= MAX_LENGTH or not name.isprintable() or "/" in name:
        raise InvalidRequestError(f"a label is 1 to {MAX_LENGTH} characters on one line, without a slash")
    return name
