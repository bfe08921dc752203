"""Whose studies are, for the audit trail: what an index that does not answer cannot tell is left out of messages."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Final, Protocol

from archimage.errors import StorageError
from archimage.model.attributes import BY_COLUMN, UNIQUE_KEYS, Level
from archimage.model.query import Condition, Exact, Query, UIDList
from archimage.services.audit_messages import Subject

_AT_ONCE: Final = 500
_REQUESTED: Final = tuple(BY_COLUMN[name] for name in ("patient_id", "patient_name", "accession_number"))


class Finds(Protocol):
    """What finds things; see `ports.Index`."""

    def find(self, query: Query) -> Iterator[Sequence[Mapping[str, str]]]: ...

    def count(self, query: Query) -> int: ...


def subject_of(index: Finds, study_instance_uid: str) -> Subject:
    """Return what is known of a study, which may be nothing; blocks."""
    condition = Condition(UNIQUE_KEYS[Level.STUDY], Exact(study_instance_uid))
    rows: list[Mapping[str, str]] = []
    with suppress(StorageError):
        rows += [row for page in index.find(Query(Level.STUDY, (condition,), _REQUESTED, limit=1)) for row in page]
    known = (rows[0].get(one.column, "") for one in _REQUESTED) if rows else ()
    return Subject(study_instance_uid, *known)


def count_of(index: Finds, study_instance_uid: str, series_instance_uid: str) -> int:
    """Count the instances of a study, or of one series of it; blocks."""
    uids = {Level.STUDY: study_instance_uid, Level.SERIES: series_instance_uid}
    conditions = tuple(Condition(UNIQUE_KEYS[level], Exact(uid)) for level, uid in uids.items() if uid)
    with suppress(StorageError):
        return index.count(Query(Level.IMAGE, conditions))
    return 0


def studies_of(index: Finds, uids: Mapping[Level, tuple[str, ...]]) -> dict[str, list[str]]:
    """Map each study to those of its instances that unique keys name, of which there must be one; blocks."""
    if not any(uids.values()):
        return {}
    found: dict[str, list[str]] = {}
    with suppress(StorageError):
        for part in _parts(uids):
            keys = tuple(Condition(UNIQUE_KEYS[level], UIDList(values)) for level, values in part.items() if values)
            for row in (row for page in index.find(Query(Level.IMAGE, keys)) for row in page):
                found.setdefault(row["study_instance_uid"], []).append(row["sop_instance_uid"])
    return found


def _parts(uids: Mapping[Level, tuple[str, ...]]) -> Iterator[Mapping[Level, tuple[str, ...]]]:
    """Split what names many instances into queries of a size that the index takes."""
    instances = uids.get(Level.IMAGE, ())
    for start in range(0, max(1, len(instances)), _AT_ONCE):
        yield {**uids, Level.IMAGE: instances[start : start + _AT_ONCE]}
