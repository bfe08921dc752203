"""What is kept, as people and programs look through it: sorted lists, a page at a time, and what somebody types."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from archimage.errors import InvalidQueryError, NotFoundError
from archimage.model.attributes import BY_COLUMN, Attribute, Level
from archimage.model.ids import check_uid
from archimage.model.listings import InstanceSummary, Page, PatientSummary, SeriesSummary, StudySummary
from archimage.model.query import Condition, Exact, OrderBy, Query
from archimage.ports.index import Labels
from archimage.services.identifiers import Identifier, Key
from archimage.services.query import QueryService, Root, Row

DOOR: Final = "API"
"""What lists of the pages and of the management API are asked about as."""
MAX_TEXT: Final = 256
UNCOUNTED: Final = -1
"""Total of a list of more than a few studies that has not been counted."""
T = TypeVar("T")

PATIENT_ORDERS: Final = ("patient_name", "patient_id", "patient_birth_date", "patient_sex")
STUDY_ORDERS: Final = (
    "study_date",
    "patient_name",
    "patient_id",
    "patient_birth_date",
    "accession_number",
    "study_description",
    "study_id",
    "referring_physician_name",
)
SERIES_ORDERS: Final = ("series_number", "modality", "series_description", "series_date")
INSTANCE_ORDERS: Final = ("instance_number", "content_date", "sop_class_uid")
_WITH: Final[Mapping[str, tuple[str, ...]]] = {
    "study_date": ("study_time",),
    "series_date": ("series_time",),
    "content_date": ("content_time",),
}
"""What a list is sorted by second."""


def _attributes(*columns: str) -> tuple[Attribute, ...]:
    return tuple(BY_COLUMN[column] for column in columns)


_OF_PATIENT: Final = _attributes(
    "patient_id",
    "issuer_of_patient_id",
    "patient_name",
    "patient_birth_date",
    "patient_sex",
    "number_of_patient_related_studies",
    "number_of_patient_related_series",
    "number_of_patient_related_instances",
)
_OF_STUDY: Final = _attributes(
    "patient_id",
    "patient_name",
    "patient_birth_date",
    "patient_sex",
    "study_date",
    "study_time",
    "accession_number",
    "study_id",
    "study_description",
    "referring_physician_name",
    "modalities_in_study",
    "number_of_study_related_series",
    "number_of_study_related_instances",
)
_OF_SERIES: Final = _attributes(
    "series_number",
    "modality",
    "series_description",
    "series_date",
    "series_time",
    "body_part_examined",
    "protocol_name",
    "station_name",
    "manufacturer",
    "number_of_series_related_instances",
)
_OF_INSTANCE: Final = _attributes(
    "sop_class_uid",
    "available_transfer_syntax_uid",
    "instance_number",
    "rows",
    "columns",
    "number_of_frames",
    "image_type",
    "content_date",
    "content_time",
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which part of a list: what somebody types, columns and what they must match, labels that studies must have.

    sort is a column, with a minus before it from the last to the first; empty is the order of arrival.
    """

    text: str = ""
    matches: tuple[tuple[str, str], ...] = ()
    labels: tuple[str, ...] = ()
    sort: str = ""
    limit: int = 50
    offset: int = 0


class CatalogueService:
    """Lists what is kept; all of it blocks. dicomweb is the address of the DICOMweb service, for pictures."""

    def __init__(self, queries: QueryService, labels: Labels, *, dicomweb: str) -> None:
        self._queries = queries
        self._labels = labels
        self._root = f"{dicomweb}/studies"

    def patients(self, wanted: Wanted) -> Page[PatientSummary]:
        """List patients."""
        query = self._search(Level.PATIENT, wanted, PATIENT_ORDERS, _OF_PATIENT)
        return self._page(query, lambda rows: [_patient(row) for row in rows])

    def studies(self, wanted: Wanted) -> Page[StudySummary]:
        """List studies.

        Raises:
            InvalidQueryError: a filter's value does not fit, or there are too many words.
            IndexUnavailableError: the index does not answer.
        """
        return self._page(self._search(Level.STUDY, wanted, STUDY_ORDERS, _OF_STUDY), self._study_summaries)

    def glance(self, wanted: Wanted) -> Page[StudySummary]:
        """List studies as somebody types; total may be UNCOUNTED, as counting many takes longer than finding some."""
        query = self._search(Level.STUDY, wanted, STUDY_ORDERS, _OF_STUDY)
        return self._page(query, self._study_summaries, counted=not wanted.text.strip())

    def study(self, study_instance_uid: str) -> StudySummary:
        """Return one study; NotFoundError where it is not kept."""
        (found,) = self._one(Level.STUDY, study_instance_uid, _OF_STUDY, self._study_summaries)
        return found

    def series(self, study_instance_uid: str, wanted: Wanted) -> Page[SeriesSummary]:
        """List the series of a study; NotFoundError where it is not kept."""
        query = self._query(Level.SERIES, wanted, SERIES_ORDERS, _OF_SERIES)
        return self._below(query, {"study_instance_uid": study_instance_uid}, self._series_summaries)

    def instances(self, study_instance_uid: str, series_instance_uid: str, wanted: Wanted) -> Page[InstanceSummary]:
        """List the instances of a series; NotFoundError where it is not kept."""
        query = self._query(Level.IMAGE, wanted, INSTANCE_ORDERS, _OF_INSTANCE)
        uids = {"study_instance_uid": study_instance_uid, "series_instance_uid": series_instance_uid}
        return self._below(query, uids, self._instance_summaries)

    def instance(self, sop_instance_uid: str) -> InstanceSummary:
        """Return one instance, whichever series it is of; NotFoundError where it is not kept."""
        (found,) = self._one(Level.IMAGE, sop_instance_uid, _OF_INSTANCE, self._instance_summaries)
        return found

    def _search(self, level: Level, wanted: Wanted, orders: Sequence[str], requested: tuple[Attribute, ...]) -> Query:
        """Make the query of a list that somebody searches, as he may."""
        return self._queries.reviewed(DOOR, self._query(level, wanted, orders, requested))

    def _query(self, level: Level, wanted: Wanted, orders: Sequence[str], requested: tuple[Attribute, ...]) -> Query:
        """Make the query of a list."""
        if len(wanted.text) > MAX_TEXT:
            raise InvalidQueryError(f"more than {MAX_TEXT} characters to look for")
        keys = tuple(Key(BY_COLUMN[column].tag, BY_COLUMN[column].vr, value) for column, value in wanted.matches)
        return replace(
            self._queries.prepare(Root.PATIENT, Identifier(level, keys)).query,
            requested=requested,
            order_by=_order(wanted.sort, orders),
            limit=wanted.limit,
            offset=wanted.offset,
            text=wanted.text.strip(),
            labels=wanted.labels,
        )

    def _page(
        self, query: Query, summaries: Callable[[Sequence[Row]], Sequence[T]], *, counted: bool = True
    ) -> Page[T]:
        few, total = self._total(query, counted=counted)
        is_there = query.limit and (total == UNCOUNTED or query.offset < total)
        rows = self._from_the_nearer_end(replace(query, among=few), total) if is_there else []
        return Page(summaries(rows), total, query.limit or 0, query.offset)

    def _total(self, query: Query, *, counted: bool = True) -> tuple[tuple[int, ...] | None, int]:
        """Count the matches; return them too where they had to be looked for and are few."""
        few = self._queries.few(query)
        if few is not None:
            return tuple(few), len(few)
        return None, self._queries.count(query) if counted else UNCOUNTED

    def _from_the_nearer_end(self, query: Query, total: int) -> Sequence[Row]:
        """Find a page; one in the second half is counted from the last row, so that fewer are walked over."""
        if total == UNCOUNTED or not query.order_by or 2 * query.offset <= total:
            return self._rows(query)
        limit = min(query.limit or 0, total - query.offset)
        turned = tuple(replace(order, descending=not order.descending) for order in query.order_by)
        rows = self._rows(replace(query, order_by=turned, limit=limit, offset=total - query.offset - limit))
        return rows[::-1]

    def _below(
        self, query: Query, uids: Mapping[str, str], summaries: Callable[[Sequence[Row]], Sequence[T]]
    ) -> Page[T]:
        """List what stands below something that is kept."""
        above = tuple(Condition(BY_COLUMN[column], Exact(check_uid(uid))) for column, uid in uids.items())
        found = self._page(replace(query, conditions=(*query.conditions, *above)), summaries)
        if not found.total and not self._queries.count(Query(above[-1].attribute.level, above)):
            raise NotFoundError(f"nothing is kept under {'/'.join(uids.values())}")
        return found

    def _one(
        self,
        level: Level,
        uid: str,
        requested: tuple[Attribute, ...],
        summaries: Callable[[Sequence[Row]], Sequence[T]],
    ) -> Sequence[T]:
        column = "study_instance_uid" if level is Level.STUDY else "sop_instance_uid"
        rows = self._rows(Query(level, (Condition(BY_COLUMN[column], Exact(check_uid(uid))),), requested, limit=1))
        if not rows:
            raise NotFoundError(f"nothing is kept under {uid}")
        return summaries(rows)

    def _rows(self, query: Query) -> Sequence[Row]:
        return [row for page in self._queries.pages(query) for row in page]

    def _study_summaries(self, rows: Sequence[Row]) -> Sequence[StudySummary]:
        labels = self._labels.of([row["study_instance_uid"] for row in rows]) if rows else {}
        return [self._study(row, labels.get(row["study_instance_uid"], ())) for row in rows]

    def _study(self, row: Row, labels: Sequence[str]) -> StudySummary:
        uid = row["study_instance_uid"]
        return StudySummary(
            study_instance_uid=uid,
            patient_id=row.get("patient_id", ""),
            patient_name=row.get("patient_name", ""),
            patient_birth_date=row.get("patient_birth_date", ""),
            patient_sex=row.get("patient_sex", ""),
            study_date=row.get("study_date", ""),
            study_time=row.get("study_time", ""),
            accession_number=row.get("accession_number", ""),
            study_id=row.get("study_id", ""),
            study_description=row.get("study_description", ""),
            referring_physician_name=row.get("referring_physician_name", ""),
            modalities=[one for one in row.get("modalities_in_study", "").split("\\") if one],
            series=_count(row, "number_of_study_related_series"),
            instances=_count(row, "number_of_study_related_instances"),
            labels=labels,
            thumbnail=f"{self._root}/{uid}/thumbnail",
        )

    def _series_summaries(self, rows: Sequence[Row]) -> Sequence[SeriesSummary]:
        return [self._series(row) for row in rows]

    def _series(self, row: Row) -> SeriesSummary:
        study, uid = row["study_instance_uid"], row["series_instance_uid"]
        return SeriesSummary(
            study_instance_uid=study,
            series_instance_uid=uid,
            series_number=row.get("series_number", ""),
            modality=row.get("modality", ""),
            series_description=row.get("series_description", ""),
            series_date=row.get("series_date", ""),
            series_time=row.get("series_time", ""),
            body_part_examined=row.get("body_part_examined", ""),
            protocol_name=row.get("protocol_name", ""),
            station_name=row.get("station_name", ""),
            manufacturer=row.get("manufacturer", ""),
            instances=_count(row, "number_of_series_related_instances"),
            thumbnail=f"{self._root}/{study}/series/{uid}/thumbnail",
        )

    def _instance_summaries(self, rows: Sequence[Row]) -> Sequence[InstanceSummary]:
        return [self._instance(row) for row in rows]

    def _instance(self, row: Row) -> InstanceSummary:
        study, series, uid = row["study_instance_uid"], row["series_instance_uid"], row["sop_instance_uid"]
        address = f"{self._root}/{study}/series/{series}/instances/{uid}"
        return InstanceSummary(
            study_instance_uid=study,
            series_instance_uid=series,
            sop_instance_uid=uid,
            sop_class_uid=row.get("sop_class_uid", ""),
            transfer_syntax_uid=row.get("available_transfer_syntax_uid", ""),
            instance_number=row.get("instance_number", ""),
            rows=_count(row, "rows"),
            columns=_count(row, "columns"),
            frames=_count(row, "number_of_frames") or int("rows" in row),
            image_type=row.get("image_type", ""),
            content_date=row.get("content_date", ""),
            content_time=row.get("content_time", ""),
            address=address,
            thumbnail=f"{address}/thumbnail",
        )


def _patient(row: Row) -> PatientSummary:
    return PatientSummary(
        patient_id=row.get("patient_id", ""),
        issuer_of_patient_id=row.get("issuer_of_patient_id", ""),
        patient_name=row.get("patient_name", ""),
        patient_birth_date=row.get("patient_birth_date", ""),
        patient_sex=row.get("patient_sex", ""),
        studies=_count(row, "number_of_patient_related_studies"),
        series=_count(row, "number_of_patient_related_series"),
        instances=_count(row, "number_of_patient_related_instances"),
    )


def _count(row: Row, column: str) -> int:
    """Read a number; what a peer sent as one may be none."""
    text = row.get(column, "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _order(sort: str, orders: Sequence[str]) -> tuple[OrderBy, ...]:
    if not sort:
        return ()
    column, descending = sort.removeprefix("-"), sort.startswith("-")
    if column not in orders:
        raise InvalidQueryError(f"{sort[:40]!r} cannot be sorted by: {', '.join(orders)}, with a minus for descending")
    return tuple(OrderBy(BY_COLUMN[name], descending) for name in (column, *_WITH.get(column, ())))
