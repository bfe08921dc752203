"""What the archive knows of one patient, as a modality asks for it: TID 9007, General Relevant Patient Information.

The document's one container has what the newest studies tell of the patient: age, sex, height and weight.
Ref: PS3.4 Annex Q; PS3.16 TID 9007, CID 7455, CID 7456.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Final

from archimage.errors import InvalidQueryError, RefusedOperationError
from archimage.model.attributes import BY_COLUMN, BY_TAG, Level
from archimage.model.query import Condition, Exact, OrderBy, Query
from archimage.protocol.status import Status
from archimage.services.datasets import Attribute, Model, attribute, made
from archimage.services.identifiers import Key
from archimage.services.query import QueryService, Row
from archimage.services.told import query_asked

MAX_STUDIES: Final = 200
"""So many of the newest studies are looked at for what they tell of the patient."""
_PATIENT_ID: Final = 0x00100020
_ISSUER: Final = 0x00100021
_MAPPING_RESOURCE: Final = 0x00080105
_TEMPLATE_IDENTIFIER: Final = 0x0040DB00
_TEMPLATES: Final = 0x0040A504
_VALUE_TYPE: Final = 0x0040A040
_CONCEPT_NAME: Final = 0x0040A043
_OBSERVED: Final = 0x0040A032
_CONTENT: Final = 0x0040A730
_CONCEPT: Final = 0x0040A168
_RELATIONSHIP: Final = 0x0040A010
_CONTINUITY: Final = 0x0040A050
_MEASURED: Final = 0x0040A300
_NUMERIC: Final = 0x0040A30A
_UNIT: Final = 0x004008EA
_SUPPORTED: Final = ("DCMR", "9007")

_Code = tuple[str, str, str]
_DOCUMENT: Final[_Code] = ("111517", "DCM", "Relevant Patient Information")
_CHARACTERISTICS: Final[_Code] = ("121118", "DCM", "Patient Characteristics")
_AGE: Final[_Code] = ("121033", "DCM", "Subject Age")
_SEX: Final[_Code] = ("121032", "DCM", "Subject Sex")
_HEIGHT: Final[_Code] = ("8302-2", "LN", "Patient Height")
_WEIGHT: Final[_Code] = ("29463-7", "LN", "Patient Weight")
_CENTIMETRE: Final[_Code] = ("cm", "UCUM", "centimeter")
_KILOGRAM: Final[_Code] = ("kg", "UCUM", "kilogram")
_SEXES: Final[Mapping[str, _Code]] = {
    "F": ("F", "DCM", "Female"),
    "M": ("M", "DCM", "Male"),
    "O": ("121102", "DCM", "Other sex"),
}
_AGE_UNITS: Final[Mapping[str, _Code]] = {
    "Y": ("a", "UCUM", "year"),
    "M": ("mo", "UCUM", "month"),
    "W": ("wk", "UCUM", "week"),
    "D": ("d", "UCUM", "day"),
}
_AGE_WRITTEN: Final = re.compile(r"(\d{3})([YMWD])", re.ASCII)
_SIZES: Final = (
    ("patient_size", _HEIGHT, _CENTIMETRE, 100),  # kept in metres
    ("patient_weight", _WEIGHT, _KILOGRAM, 1),
)
_RETURNED: Final = frozenset(
    found.tag
    for found in BY_TAG.values()
    if found.level is Level.PATIENT and found.sequence_tag is None and not (found.computed or found.multiple)
)
_OF_STUDIES: Final = tuple(
    BY_COLUMN[column] for column in ("study_date", "patient_age", "patient_size", "patient_weight")
)
_NEWEST_FIRST: Final = tuple(
    OrderBy(BY_COLUMN[column], descending=True) for column in ("study_date", "study_time", "study_instance_uid")
)


def told_of(queries: QueryService, keys: Sequence[Key]) -> Model | None:
    """Return what is known of the patient who is asked for, None where nothing is; blocks.

    Attributes of the patient are told as far as they are asked for, the document always.

    Raises:
        InvalidQueryError: the patient, or the template, is not asked for by one value.
        RefusedOperationError: the template is another one, or several patients have the Patient ID.
        IndexUnavailableError: the index does not answer.
    """
    asked = {key.tag: key for key in keys}
    _check_template(asked.get(_TEMPLATES))
    named = tuple(_named(asked))
    wanted = tuple(BY_TAG[None, tag] for tag in sorted(_RETURNED & set(asked)))
    sex = BY_COLUMN["patient_sex"]
    query = Query(Level.PATIENT, named, tuple(dict.fromkeys((*wanted, sex))), limit=2)
    query_asked(query)
    rows = [row for page in queries.pages(query) for row in page]
    if len(rows) > 1:
        raise RefusedOperationError(
            "several patients have this Patient ID: name the issuer",
            status=Status.SEVERAL_PATIENTS,
            offending=(_PATIENT_ID, _ISSUER),
        )
    if not rows:
        return None
    (row,) = rows
    known = made(*(attribute(one.tag, row.get(one.column, "")) for one in wanted))
    return known | _document(tuple(_characteristics(row, _studies(queries, named))))


def _check_template(key: Key | None) -> None:
    if key is None or len(key.items) != 1:
        raise InvalidQueryError("Content Template Sequence has to have one item, which names the template")
    item = {inner.tag: inner.value for inner in key.items[0]}
    template = (item.get(_MAPPING_RESOURCE, ""), item.get(_TEMPLATE_IDENTIFIER, ""))
    if not all(template):
        raise InvalidQueryError("the template has to have a Mapping Resource and a Template Identifier")
    if template != _SUPPORTED:
        raise RefusedOperationError(
            "the template is not TID 9007 of DCMR", status=Status.TEMPLATE_NOT_SUPPORTED, offending=(_TEMPLATES,)
        )


def _named(asked: Mapping[int, Key]) -> Iterator[Condition]:
    """Yield what the patient has to match: by single values, in which `*` and `?` stand for themselves."""
    for tag in (_PATIENT_ID, _ISSUER):
        value = asked[tag].value if tag in asked else ""
        if "\\" in value or (tag == _PATIENT_ID and not value):
            raise InvalidQueryError("a patient is asked for by one Patient ID, and one issuer of it at most")
        if value:
            yield Condition(BY_TAG[None, tag], Exact(value))


def _studies(queries: QueryService, named: Sequence[Condition]) -> Sequence[Row]:
    """Return what studies tell of the patient, from the newest on."""
    query = Query(
        Level.STUDY, tuple(named), _OF_STUDIES, order_by=_NEWEST_FIRST, limit=min(MAX_STUDIES, queries.max_results)
    )
    return [row for page in queries.pages(query) for row in page]


def _characteristics(patient: Row, studies: Sequence[Row]) -> Iterator[Model]:
    """Yield the items; each measure is that of the newest study that has it."""
    for study in studies:
        if age := _AGE_WRITTEN.fullmatch(study.get("patient_age", "").strip()):
            yield _number(_AGE, int(age[1]), _AGE_UNITS[age[2]], study)
            break
    if sex := _SEXES.get(patient.get("patient_sex", "").strip()):
        yield _item("CODE", _SEX, attribute(_CONCEPT, _code(sex)))
    for column, concept, unit, factor in _SIZES:
        for study in studies:
            if (value := _decimal(study.get(column, ""))) is not None:
                yield _number(concept, value * factor, unit, study)
                break


def _decimal(text: str) -> Decimal | None:
    """Read a size; None where it is none that somebody can have."""
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        return None
    return value if value.is_finite() and 0 < value < 10_000 else None


def _number(concept: _Code, value: Decimal | int, unit: _Code, study: Row) -> Model:
    rounded = round(float(value), 3)
    number = int(rounded) if rounded.is_integer() else rounded
    measured = made(attribute(_NUMERIC, number), attribute(_UNIT, _code(unit)))
    day = study.get("study_date", "")
    observed = made(attribute(_OBSERVED, day)) if day else {}
    return _item("NUM", concept, attribute(_MEASURED, measured)) | observed


def _document(items: Sequence[Model]) -> Model:
    separate = attribute(_CONTINUITY, "SEPARATE")
    inner = _item("CONTAINER", _CHARACTERISTICS, separate, attribute(_CONTENT, *items)) if items else None
    template = made(attribute(_MAPPING_RESOURCE, _SUPPORTED[0]), attribute(_TEMPLATE_IDENTIFIER, _SUPPORTED[1]))
    return made(
        attribute(_OBSERVED, f"{datetime.now(UTC):%Y%m%d%H%M%S}+0000"),
        attribute(_VALUE_TYPE, "CONTAINER"),
        attribute(_CONCEPT_NAME, _code(_DOCUMENT)),
        attribute(_TEMPLATES, template),
        attribute(_CONTENT, *((inner,) if inner else ())),
    )


def _item(value_type: str, concept: _Code, *more: tuple[str, Attribute]) -> Model:
    return made(
        attribute(_RELATIONSHIP, "CONTAINS"),
        attribute(_VALUE_TYPE, value_type),
        attribute(_CONCEPT_NAME, _code(concept)),
        *more,
    )


def _code(code: _Code) -> Model:
    value, scheme, meaning = code
    return made(attribute(0x00080100, value), attribute(0x00080102, scheme), attribute(0x00080104, meaning))
