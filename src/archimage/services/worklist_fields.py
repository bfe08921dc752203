"""Entries of the worklist in plain fields: what forms, commands and programs give and are given."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Final

import orjson

from archimage.dicom.jsonmodel import ModelLimits, parse_json
from archimage.errors import InvalidRequestError
from archimage.model.worklist import WorklistEntry, WorklistFields, WorklistItem
from archimage.services.datasets import Model, attribute, texts
from archimage.services.worklist_entries import STEPS, step_of

LIMITS: Final = ModelLimits(max_bytes=256 << 10, max_depth=8, max_elements=8_192)
_TOP: Final[Mapping[str, int]] = {
    "patient_name": 0x00100010,
    "patient_id": 0x00100020,
    "patient_birth_date": 0x00100030,
    "patient_sex": 0x00100040,
    "accession_number": 0x00080050,
    "study_instance_uid": 0x0020000D,
    "requested_procedure_id": 0x00401001,
    "requested_procedure_description": 0x00321060,
    "referring_physician": 0x00080090,
}
_STEP: Final[Mapping[str, int]] = {
    "step_id": 0x00400009,
    "step_description": 0x00400007,
    "modality": 0x00080060,
    "station_ae_titles": 0x00400001,
    "station_name": 0x00400010,
    "start_date": 0x00400002,
    "start_time": 0x00400003,
    "performing_physician": 0x00400006,
}
FIELDS: Final = tuple(one.name for one in fields(WorklistFields))
Given = Mapping[str, str | Sequence[str]]


def with_fields(model: Model, given: Given) -> Model:
    """Return a data set with these fields in it; one that is empty takes the value away.

    Raises:
        InvalidRequestError: one is none of `WorklistFields`.
    """
    if unknown := [name for name in given if name not in FIELDS]:
        raise InvalidRequestError(f"{unknown[0][:40]!r} is no field of a worklist entry")
    step = {**step_of(model), **_attributes(_STEP, given)}
    return {**model, **_attributes(_TOP, given), **dict([attribute(STEPS, dict(sorted(step.items())))])}


def _attributes(tags: Mapping[str, int], given: Given) -> Model:
    return dict(attribute(tag, *_values(given[name])) for name, tag in tags.items() if name in given)


def _values(value: str | Sequence[str]) -> Sequence[str]:
    return [part.strip() for part in ([value] if isinstance(value, str) else value) if part.strip()]


def fields_of(model: Model) -> WorklistFields:
    """Return the fields of a data set."""
    step = step_of(model)
    found: dict[str, Any] = {name: "\\".join(texts(model, tag)) for name, tag in _TOP.items()}
    found |= {name: "\\".join(texts(step, tag)) for name, tag in _STEP.items()}
    return WorklistFields(**found | {"station_ae_titles": tuple(texts(step, _STEP["station_ae_titles"]))})


def entry_of(item: WorklistItem, now: float) -> WorklistEntry:
    """Return an item as it is listed."""
    is_told = item.state.is_open and item.expires_at > now
    times = (item.created_at, item.changed_at, item.expires_at)
    return WorklistEntry(item.key, item.state, is_told, item.source, *times, fields_of(item.model))


def checked(dataset: Mapping[str, Any]) -> Model:
    """Return a data set that somebody sends as DICOM JSON Model, in shape.

    Raises:
        InvalidRequestError: it is none.
        ExcessiveRequestError: it is beyond a limit.
    """
    try:
        (model,) = parse_json(orjson.dumps(dataset), LIMITS)
    except TypeError:
        raise InvalidRequestError("the data set holds what JSON has not") from None
    return model
