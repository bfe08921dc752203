"""Orders: a ServiceRequest is an entry of the worklist, and is read back from it.

What a worklist has no place for is not kept. Ref: https://hl7.org/fhir/R4B/servicerequest.html, PS3.4 Annex K.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from archimage.errors import InvalidRequestError
from archimage.model.worklist import StepState, WorklistItem
from archimage.services.datasets import Model
from archimage.services.fhir import values
from archimage.services.fhir.ids import Resource, id_of_patient
from archimage.services.worklist_fields import fields_of, with_fields

STATUSES: Final[Mapping[StepState, str]] = {
    StepState.SCHEDULED: "active",
    StepState.ARRIVED: "active",
    StepState.STARTED: "active",
    StepState.COMPLETED: "completed",
    StepState.DISCONTINUED: "revoked",
}
STATES: Final[Mapping[str, StepState]] = {
    "active": StepState.SCHEDULED,
    "completed": StepState.COMPLETED,
    "revoked": StepState.DISCONTINUED,
    "entered-in-error": StepState.DISCONTINUED,
}
INTENTS: Final = frozenset({"order", "original-order", "reflex-order", "filler-order", "instance-order"})
_SEXES: Final = {gender: sex for sex, gender in values.GENDERS.items()}
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)", re.ASCII)
_LENGTHS: Final = {"accession_number": 16, "patient_id": 64, "modality": 16, "station_name": 16}
_TEXT: Final = 64
_UNDERSCORE: Final = ".-"
"""Stands in ids for what keys of the worklist may have and ids may not."""


def id_of(key: str) -> str:
    """Return the id of the entry of a key."""
    return key.replace("_", _UNDERSCORE)


def keys_of(order: str) -> list[str]:
    """Return the keys that may have an id."""
    return list(dict.fromkeys([order, order.replace(_UNDERSCORE, "_")]))


def state_of(order: Resource) -> StepState:
    """Return where an order stands; InvalidRequestError where the worklist knows no such state."""
    state = STATES.get(str(order.get("status")))
    if state is None:
        raise InvalidRequestError(f"the status {str(order.get('status'))[:20]!r} is not kept here: {', '.join(STATES)}")
    return state


def entry(order: Resource, patient: Mapping[str, str], before: Model | None = None) -> Model:
    """Return the entry of an order; patient has the fields of whom it is for, and before is what it takes the place of.

    Raises:
        InvalidRequestError: it says not when, or what is too long for the worklist.
    """
    if order.get("intent") not in INTENTS:
        raise InvalidRequestError(f"an order is what is kept here: intent is one of {', '.join(sorted(INTENTS))}")
    described = _described(order.get("code", {}))
    given: dict[str, Any] = {
        **patient,
        **_moment(order),
        "accession_number": accession_of(order),
        "requested_procedure_description": described[:_TEXT],
        "step_description": described[:_TEXT],
        "modality": _modality(order),
        "referring_physician": _person(order.get("requester", {}).get("display", "")),
        "station_ae_titles": [
            one["identifier"]["value"] for one in order.get("performer", ()) if one.get("identifier", {}).get("value")
        ],
        "station_name": next((one["display"] for one in order.get("locationReference", ()) if one.get("display")), ""),
    }
    if uid := next((one["value"] for one in _identifiers(order) if one.get("system") == values.DICOM_UID), ""):
        given["study_instance_uid"] = uid.removeprefix(values.OID)
    for name, length in _LENGTHS.items():
        if len(given.get(name, "")) > length:
            raise InvalidRequestError(f"{name} has more than the {length} characters that the worklist keeps")
    kept = {name: value for name, value in given.items() if value or before is None}
    return with_fields(before or {}, kept)


def accession_of(order: Resource) -> str:
    """Return the accession number of an order: its identifier of that type, or its first without any."""
    plain = [one for one in _identifiers(order) if one.get("system") != values.DICOM_UID and one.get("value")]
    typed = [one for one in plain if "ACSN" in {c.get("code") for c in one.get("type", {}).get("coding", ())}]
    return next((str(one["value"]) for one in (*typed, *plain)), "")


def patient_fields(patient: Resource) -> Mapping[str, str]:
    """Return the fields of a patient who is told as a resource; InvalidRequestError without an identifier."""
    value = next((one["value"] for one in patient.get("identifier", ()) if one.get("value")), "")
    if not value:
        raise InvalidRequestError("the patient has no identifier, which modalities must be told")
    names = patient.get("name") or [{}]
    return {
        "patient_id": value,
        "patient_name": _name(names[0]),
        "patient_birth_date": str(patient.get("birthDate", "")).replace("-", "")[:8],
        "patient_sex": _SEXES.get(str(patient.get("gender")), ""),
    }


def resource(item: WorklistItem) -> Resource:
    """Return the order of an entry."""
    fields = fields_of(item.model)
    described = values.text(fields.step_description or fields.requested_procedure_description)
    made: Resource = {
        "resourceType": "ServiceRequest",
        "id": id_of(item.key),
        "meta": {"lastUpdated": _instant(item.changed_at)},
        "identifier": [values.study_identifier(fields.study_instance_uid)],
        "status": STATUSES[item.state],
        "intent": "order",
        "code": {"text": described or "not described"},
        "subject": _subject(item.model),
        "authoredOn": _instant(item.created_at),
    }
    if accession := values.text(fields.accession_number):
        made["identifier"].append(values.accession_identifier(accession))
    if coding := values.modality(fields.modality):
        made["orderDetail"] = [{"coding": [coding]}]
    if starts := _starts(fields.start_date, fields.start_time):
        made["occurrenceDateTime"] = starts
    if requester := values.name(fields.referring_physician):
        made["requester"] = {"display": requester["text"]}
    if stations := [one for title in fields.station_ae_titles if (one := values.text(title))]:
        made["performer"] = [{"type": "Device", "identifier": {"value": one}} for one in stations]
    if room := values.text(fields.station_name):
        made["locationReference"] = [{"display": room}]
    return made


def _subject(model: Model) -> Resource:
    fields = fields_of(model)
    name = values.name(fields.patient_name)
    made: Resource = {
        "type": "Patient",
        "identifier": values.patient_identifier(fields.patient_id, ""),
        "display": name["text"] if name else "a patient without a name",
    }
    if fields.patient_id:
        made["reference"] = f"Patient/{id_of_patient(fields.patient_id, '')}"
    return made


def _identifiers(order: Resource) -> list[Resource]:
    return [one for one in order.get("identifier", ()) if isinstance(one, dict)]


def _described(code: Resource) -> str:
    codings = code.get("coding") or [{}]
    return str(code.get("text") or codings[0].get("display") or codings[0].get("code") or "")


def _modality(order: Resource) -> str:
    details = [*order.get("orderDetail", ()), order.get("code", {}), *order.get("category", ())]
    codings = [coding for one in details for coding in one.get("coding", ())]
    return next((str(one["code"]) for one in codings if one.get("system") == values.MODALITIES and one.get("code")), "")


def _moment(order: Resource) -> Mapping[str, str]:
    """Return start date and time in the time zone of this place, as modalities are told them."""
    told = str(order.get("occurrenceDateTime") or order.get("occurrencePeriod", {}).get("start") or "")
    if _MOMENT.fullmatch(told):
        try:
            at = datetime.fromisoformat(told).astimezone()
        except (ValueError, OverflowError):
            raise InvalidRequestError(f"{told[:40]!r} is no moment") from None
        return {"start_date": f"{at:%Y%m%d}", "start_time": f"{at:%H%M%S}"}
    if re.fullmatch(r"\d{4}-\d\d-\d\d", told, re.ASCII):
        return {"start_date": told.replace("-", ""), "start_time": "000000"}
    raise InvalidRequestError("an order says when it is to be done: occurrenceDateTime, a day at least")


def _starts(day: str, hour: str) -> str:
    """Return the start of a step with the time zone of this place."""
    digits = hour.partition(".")[0].ljust(6, "0")[:6]
    try:
        return datetime.strptime(day + digits, "%Y%m%d%H%M%S").astimezone().isoformat()
    except (ValueError, OverflowError):
        return values.day(day)


def _instant(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _name(name: Resource) -> str:
    given = [str(one) for one in name.get("given", ())]
    parts = [str(name.get("family", "")), *(given[:1] or [""]), " ".join(given[1:])]
    written = "^".join(one.replace("^", " ") for one in parts).rstrip("^")
    return written or _person(str(name.get("text", "")))


def _person(words: str) -> str:
    """Return a name in plain words as DICOM has it: the last word is the family's."""
    plain = words.replace("^", " ").replace("\\", " ").split()
    return "^".join([plain[-1], " ".join(plain[:-1])]).rstrip("^") if plain else ""
