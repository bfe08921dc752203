"""The index as far as whoever asks may see it: what he was granted limits every answer (`model.callers.granted`)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from archimage.errors import NotAuthorisedError
from archimage.model.access import Operation
from archimage.model.attributes import UNIQUE_KEYS, Level
from archimage.model.callers import granted
from archimage.model.query import Condition, Exact, Query
from archimage.model.records import FrameTable, StoredInstance
from archimage.ports.index import Finding

_CHANGING: Final = frozenset({Operation.DELETE, Operation.HOLD, Operation.MODIFY})


def seen(query: Query) -> Query:
    """Return a query kept to what its asker may see."""
    within = granted().within
    return replace(query, within=within) if within else query


class VisibleIndex:
    """Implements `ports.Finding`."""

    def __init__(self, index: Finding) -> None:
        self._index = index

    def lookup(
        self, sop_instance_uid: str, *, study_instance_uid: str | None = None, series_instance_uid: str | None = None
    ) -> StoredInstance | None:
        """Return one instance, or None; NotAuthorisedError where the asker may not see it."""
        found = self._index.lookup(
            sop_instance_uid, study_instance_uid=study_instance_uid, series_instance_uid=series_instance_uid
        )
        if found is not None:
            self.check({Level.IMAGE: sop_instance_uid})
        return found

    def frames(self, sop_instance_uid: str, *, path: str | None = None) -> FrameTable | None:
        """Return where the frames lie of an instance that was looked up."""
        return self._index.frames(sop_instance_uid, path=path)

    def series_versions(self, study_instance_uid: str) -> Mapping[str, str]:
        """Return the versions of the series of a study; which of them may be seen, `find` tells."""
        return self._index.series_versions(study_instance_uid)

    def series_version(self, study_instance_uid: str, series_instance_uid: str) -> str | None:
        """Return that of one series; NotAuthorisedError where the asker may not see it."""
        version = self._index.series_version(study_instance_uid, series_instance_uid)
        if version is not None:
            self.check({Level.STUDY: study_instance_uid, Level.SERIES: series_instance_uid})
        return version

    def find(self, query: Query) -> Iterator[Sequence[Mapping[str, str]]]:
        """Yield the matches that may be seen."""
        return self._index.find(seen(query))

    def instances(self, query: Query) -> Iterator[Sequence[StoredInstance]]:
        """Yield the instances that may be seen."""
        return self._index.instances(seen(query))

    def count(self, query: Query) -> int:
        """Count the matches that may be seen."""
        return self._index.count(seen(query))

    def sees(self, study_instance_uid: str) -> bool:
        """Tell whether a study is kept of which the asker may see something; blocks."""
        return bool(self.count(Query(Level.STUDY, (Condition(UNIQUE_KEYS[Level.STUDY], Exact(study_instance_uid)),))))

    def check_study(self, study_instance_uid: str) -> None:
        """Raise NotAuthorisedError where a study is kept, and the asker may not change all of it; blocks."""
        self.check({Level.STUDY: study_instance_uid})

    def check(self, uids: Mapping[Level, str]) -> None:
        """Raise NotAuthorisedError where what the UIDs name is kept, and the asker may not see it; blocks.

        Of what he was granted to delete or to change he must be allowed all.
        """
        named = {level: uid for level, uid in uids.items() if uid}
        if not granted().within or not named:
            return
        lowest = max(named, key=lambda level: level.depth)
        conditions = tuple(Condition(UNIQUE_KEYS[level], Exact(uid)) for level, uid in named.items())
        whole = granted().operation in _CHANGING
        query = Query(Level.IMAGE if whole else lowest, conditions)
        kept = self._index.count(query)
        shown = self._index.count(seen(query)) if kept else 0
        if kept and (not shown or (whole and shown < kept)):
            raise NotAuthorisedError(f"{named[lowest]} lies outside of what you may see")

    def check_all(self, query: Query) -> None:
        """Raise NotAuthorisedError where some of the matches may not be seen; blocks."""
        if granted().within and self._index.count(seen(query)) < self._index.count(query):
            raise NotAuthorisedError("what is asked for lies outside of what you may see")
