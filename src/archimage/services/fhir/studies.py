"""Studies as ImagingStudy resources, with all their series and instances.

Ref: https://hl7.org/fhir/R4B/imagingstudy.html.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from archimage.errors import InvalidQueryError
from archimage.model.attributes import BY_COLUMN
from archimage.model.ids import is_uid
from archimage.services.fhir import endpoints, searching, values
from archimage.services.fhir.ids import Resource
from archimage.services.fhir.patients import subject
from archimage.services.fhir.searching import Conditions, Read
from archimage.services.query import Row

REQUESTED: Final = tuple(
    BY_COLUMN[column]
    for column in (
        *("patient_id", "issuer_of_patient_id", "patient_name", "study_date", "study_time", "timezone_offset_from_utc"),
        *("accession_number", "study_description", "referring_physician_name", "modalities_in_study"),
        *("number_of_study_related_series", "number_of_study_related_instances"),
    )
)
OF_SERIES: Final = tuple(
    BY_COLUMN[column]
    for column in (
        *("modality", "series_number", "series_description", "series_date", "series_time", "body_part_examined"),
        *("laterality", "number_of_series_related_instances"),
    )
)
OF_INSTANCES: Final = tuple(BY_COLUMN[column] for column in ("sop_class_uid", "instance_number"))
ORDERS: Final[Mapping[str, Sequence[str]]] = {
    "started": ("study_date", "study_time"),
    "identifier": ("accession_number",),
    "patient": ("patient_name", "patient_id"),
    "_id": ("study_instance_uid",),
}
_MAX_INTEGER: Final = 0x7FFFFFFF


def study(row: Row, series: Sequence[Row], instances: Mapping[str, Sequence[Row]]) -> Resource:
    """Return a study; instances are those of each series by its UID."""
    uid = row["study_instance_uid"]
    accession = values.text(row.get("accession_number", ""))
    made: Resource = {
        "resourceType": "ImagingStudy",
        "id": uid,
        "identifier": [
            values.study_identifier(uid),
            *([values.accession_identifier(accession)] if accession else []),
        ],
        "status": "available",
        "subject": subject(row),
        "endpoint": endpoints.references(),
        "numberOfSeries": _count(row, "number_of_study_related_series"),
        "numberOfInstances": _count(row, "number_of_study_related_instances"),
    }
    modalities = row.get("modalities_in_study", "").split("\\")
    if found := [coding for one in modalities if (coding := values.modality(one))]:
        made["modality"] = found
    offset = row.get("timezone_offset_from_utc", "")
    if started := values.moment(row.get("study_date", ""), row.get("study_time", ""), offset):
        made["started"] = started
    if referrer := values.name(row.get("referring_physician_name", "")):
        made["referrer"] = {"display": referrer["text"]}
    if description := values.text(row.get("study_description", "")):
        made["description"] = description
    if listed := [_series(one, instances.get(one["series_instance_uid"], ()), offset) for one in series]:
        made["series"] = listed
    return made


def _series(row: Row, instances: Iterable[Row], offset: str) -> Resource:
    made: Resource = {
        "uid": row["series_instance_uid"],
        "modality": values.modality(row.get("modality", "")) or {"system": values.MODALITIES, "code": "OT"},
        "numberOfInstances": _count(row, "number_of_series_related_instances"),
        "endpoint": endpoints.references(),
        "instance": [_instance(one) for one in instances],
    }
    if (number := _number(row, "series_number")) is not None:
        made["number"] = number
    if description := values.text(row.get("series_description", "")):
        made["description"] = description
    if site := values.text(row.get("body_part_examined", "")):
        made["bodySite"] = {"display": site}
    if side := values.code(row.get("laterality", "")):
        made["laterality"] = {"code": side}
    if started := values.moment(row.get("series_date", ""), row.get("series_time", ""), offset):
        made["started"] = started
    if not made["instance"]:
        del made["instance"]
    return made


def _instance(row: Row) -> Resource:
    made: Resource = {
        "uid": row["sop_instance_uid"],
        "sopClass": {"system": values.URI, "code": values.OID + row.get("sop_class_uid", "")},
    }
    if (number := _number(row, "instance_number")) is not None:
        made["number"] = number
    return made


def _count(row: Row, column: str) -> int:
    return _number(row, column) or 0


def _number(row: Row, column: str) -> int | None:
    """Read a number from 0 on; what a peer sent as one may be none."""
    text = row.get(column, "").strip()
    known = text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= _MAX_INTEGER
    return int(text) if known else None


def _identifier(value: str) -> Conditions | None:
    """Read Study Instance UIDs, as `urn:oid:`, or accession numbers."""
    tokens = [searching.token(one) for one in searching.split(value)]
    of_studies = [one.startswith(values.OID) for _, one in tokens]
    if all(of_studies):
        known = [one for system, one in tokens if system in {None, values.DICOM_UID}]
        return searching.any_of("study_instance_uid", [uid for one in known if is_uid(uid := one[len(values.OID) :])])
    if any(of_studies):
        raise InvalidQueryError("UIDs and accession numbers are searched for one at a time")
    return searching.any_of("accession_number", [one for system, one in tokens if not system and one])


def _modality(value: str) -> Conditions | None:
    tokens = [searching.token(one) for one in searching.split(value)]
    known = [one for system, one in tokens if system in {None, values.MODALITIES} and one]
    return searching.any_of("modalities_in_study", known)


def _status(value: str) -> Conditions | None:
    """Read states; what is kept is available."""
    return () if "available" in {searching.token(one)[1] for one in searching.split(value)} else None


def _endpoint(value: str) -> Conditions | None:
    wanted = {one.removeprefix("Endpoint/") for one in searching.split(value)}
    return () if wanted & set(endpoints.OF_STUDIES) else None


PARAMETERS: Final[Mapping[str, Read]] = {
    "_id": searching.uids("study_instance_uid"),
    "identifier": _identifier,
    "started": searching.moment("study_date", "study_time"),
    "modality": _modality,
    "status": _status,
    "endpoint": _endpoint,
    "series": searching.uids("series_instance_uid"),
    "instance": searching.uids("sop_instance_uid"),
    "dicom-class": searching.uids("sop_class_uid"),
}
"""Those that need nothing looked up; `patient` does."""
