"""What is kept, by Orthanc's identifiers: finding, listing, searching and removing it."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from archimage.dicom.dictionary import dictionary_vr, tag_of_keyword
from archimage.errors import InvalidQueryError, InvalidRequestError, NotFoundError
from archimage.model.attributes import BY_COLUMN, Level
from archimage.model.hashed import COLUMNS, Named, is_hashed_id, key_of
from archimage.model.ids import is_uid
from archimage.model.query import Condition, Exact, Query, Universal
from archimage.model.records import Removed
from archimage.ports.index import HashedIds
from archimage.services.identifiers import Identifier, Key
from archimage.services.matching import parse_match
from archimage.services.query import QueryOptions, QueryService, Root, Row, is_matched
from archimage.services.removal import RemovalService
from archimage.services.visible import VisibleIndex

DOOR: Final = "Orthanc"
MAX_FIELDS: Final = 256
_TAG: Final = re.compile("([0-9A-Fa-f]{4})[,-]?([0-9A-Fa-f]{4})", re.ASCII)
_OPTIONS: Final = QueryOptions(combined_date_time=True)


@dataclass(frozen=True, slots=True)
class Search:
    """What is searched for: attributes by name with what they must match, labels, and what it must belong to."""

    level: Level
    matches: tuple[tuple[str, str], ...] = ()
    labels: tuple[str, ...] = ()
    within: tuple[Named, ...] = ()


class OrthancService:
    """Knows what is kept by Orthanc's identifiers; all of it blocks."""

    def __init__(self, ids: HashedIds, queries: QueryService, removal: RemovalService, visible: VisibleIndex) -> None:
        self._ids = ids
        self._queries = queries
        self._removal = removal
        self._visible = visible

    def find(self, level: Level, hashed_id: str) -> Named:
        """Return what an identifier names.

        Raises:
            NotFoundError: it is nothing of the level.
            NotAuthorisedError: the asker may not see it, or not change all of it where that is what he asks for.
        """
        found = None
        if is_hashed_id(hashed_id):
            found = self._noted(level, hashed_id)
            if found is None and self._ids.note_new(level):
                found = self._noted(level, hashed_id)
        if found is None:
            raise NotFoundError("nothing of this level and identifier is kept")
        self._visible.check(dict(zip(Level, found.names, strict=False)))
        return found

    def _noted(self, level: Level, hashed_id: str) -> Named | None:
        """Return what an identifier names, of what is noted; the beginning alone is noted, so there may be others."""
        found = self._ids.find(level, key_of(hashed_id))
        return next((named for named in found if named.hashed_id == hashed_id), None)

    def extent(self, named: Named) -> tuple[str, float]:
        """Return the UID of the first instance that is kept of something, and when its last one came.

        Raises:
            NotFoundError: nothing of it is kept any more.
        """
        found = self._ids.extent(named)
        if found is None:
            raise NotFoundError("the resource has been removed")
        return found

    def search(self, search: Search, since: int = 0, limit: int | None = None) -> Iterator[Named]:
        """Yield what a search finds in the order of arrival, from a place in it on.

        Raises:
            InvalidQueryError: an attribute is unknown or not in the index, or a value does not fit it.
            InvalidRequestError: there are more than one answer may have, and no limit.
        """
        query = self._queries.reviewed(DOOR, self._query(search))
        most = self._queries.max_results
        if limit is None and self._queries.count(query) - since > most:
            raise InvalidRequestError(f"more than {most} resources; ask for them in parts, with a limit")
        return self._named(replace(query, limit=most if limit is None else min(limit, most), offset=since))

    def below(self, named: Named, level: Level) -> Iterator[Named]:
        """Yield what belongs to something, at a level."""
        return self._named(self._query(Search(level, within=(named,))))

    def instance(self, sop_instance_uid: str) -> Named:
        """Return an instance by its UID; NotFoundError where it is not kept."""
        for named in self._named(_having("sop_instance_uid", sop_instance_uid)):
            return named
        raise NotFoundError("the instance has been removed")

    def lookup(self, text: str) -> Iterator[Named]:
        """Yield what has a Patient ID, a UID, or an accession number."""
        columns = (*(COLUMNS if is_uid(text) else COLUMNS[:1]), "accession_number")
        for column in columns if text else ():
            yield from self._named(self._queries.reviewed(DOOR, _having(column, text)))

    def remove(self, named: Named) -> Named | None:
        """Remove something for good; return the nearest of what it belonged to that is left, or None.

        Raises:
            NotAuthorisedError: the asker may not see all of it.
            HeldError: a study of it is on legal hold; then nothing is removed.
        """
        self._visible.check(dict(zip(Level, named.names, strict=False)))
        if named.level is Level.PATIENT:
            studies = [*self.below(named, Level.STUDY)]
            self._removal.check_held(*(study.names[-1] for study in studies))
            for study in studies:
                self._removal.remove_study(study.names[-1])
            return None
        removes: Mapping[Level, Callable[..., Removed]] = {
            Level.STUDY: self._removal.remove_study,
            Level.SERIES: self._removal.remove_series,
            Level.IMAGE: self._removal.remove_instance,
        }
        removes[named.level](*named.names[1:])
        above = (named.above(level) for level in reversed([*Level][: named.level.depth]))
        return next((one for one in above if self._ids.extent(one) is not None), None)

    def _query(self, search: Search) -> Query:
        if len(search.matches) > MAX_FIELDS:
            raise InvalidQueryError(f"more than {MAX_FIELDS} attributes in one search")
        keys = tuple(_key(name, value) for name, value in search.matches)
        query = self._queries.prepare(Root.PATIENT, Identifier(search.level, keys), _OPTIONS).query
        within = tuple(condition for named in search.within for condition in _conditions(named))
        return replace(
            query,
            conditions=(*query.conditions, *within),
            requested=(),
            limit=None,
            labels=search.labels,
            merged=search.level is Level.PATIENT,
        )

    def _named(self, query: Query) -> Iterator[Named]:
        columns = COLUMNS[: query.level.depth + 1]
        for page in self._queries.pages(query):
            for row in page:
                yield _of_row(row, columns)


def _having(column: str, value: str) -> Query:
    """Return the query for what has a value."""
    attribute = BY_COLUMN[column]
    condition = Condition(attribute, Exact(value))
    return Query(attribute.level, (condition,), merged=attribute.level is Level.PATIENT)


def _of_row(row: Row, columns: Sequence[str]) -> Named:
    return Named(tuple(row.get(column, "") for column in columns))


def _conditions(named: Named) -> Iterator[Condition]:
    """Yield what is met by that alone which belongs to something."""
    values: Mapping[str, str] = dict(zip(COLUMNS, named.names, strict=False))
    # A study is the same whoever its patient is; a UID of a series counts within its study.
    for column in (COLUMNS[0],) if named.level is Level.PATIENT else COLUMNS[1 : named.level.depth + 1]:
        yield Condition(BY_COLUMN[column], Exact(values[column]))


def tag_of(name: str) -> int:
    """Read an attribute's name: a keyword, or a tag as in `0010,0020`.

    Raises:
        InvalidQueryError: it is neither.
    """
    found = _TAG.fullmatch(name)
    tag = int(found[1] + found[2], 16) if found else tag_of_keyword(name)
    if tag is None:
        raise InvalidQueryError(f"{name[:80]!r} is no attribute: give a keyword, or a tag as in 0010,0020")
    return tag


def _key(name: str, value: str) -> Key:
    """Make a key of a query; one that cannot be matched must not be passed over: what is found may be deleted."""
    tag = tag_of(name)
    vr = dictionary_vr(tag)
    if not is_matched((tag,)) and not isinstance(parse_match(value, vr), Universal):
        raise InvalidQueryError(f"{name[:80]} cannot be searched for: it is not in the index")
    return Key(tag, vr, value)
