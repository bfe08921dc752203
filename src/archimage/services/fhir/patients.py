"""Patients as FHIR resources.

Ref: https://hl7.org/fhir/R4B/patient.html.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from archimage.errors import InvalidQueryError
from archimage.model.attributes import BY_COLUMN
from archimage.model.query import Condition, Empty, Exact, Wildcard
from archimage.services.fhir import searching, values
from archimage.services.fhir.ids import Resource, id_of_patient
from archimage.services.fhir.searching import Conditions, Read
from archimage.services.query import Row

REQUESTED: Final = tuple(
    BY_COLUMN[column]
    for column in ("patient_id", "issuer_of_patient_id", "patient_name", "patient_birth_date", "patient_sex")
)
HAS_ID: Final = Condition(BY_COLUMN["patient_id"], Wildcard("?*"))
ORDERS: Final[Mapping[str, Sequence[str]]] = {
    "name": ("patient_name",),
    "birthdate": ("patient_birth_date",),
    "gender": ("patient_sex",),
    "identifier": ("patient_id",),
}


def patient(row: Row) -> Resource:
    """Return a patient."""
    patient_id, issuer = row.get("patient_id", ""), row.get("issuer_of_patient_id", "")
    made: Resource = {
        "resourceType": "Patient",
        "id": id_of_patient(patient_id, issuer),
        "identifier": [values.patient_identifier(patient_id, issuer)],
    }
    if name := values.name(row.get("patient_name", "")):
        made["name"] = [name]
    if gender := values.GENDERS.get(row.get("patient_sex", "").strip()):
        made["gender"] = gender
    if born := values.day(row.get("patient_birth_date", "")):
        made["birthDate"] = born
    return made


def subject(row: Row) -> Resource:
    """Return a reference to the patient of a row; by name alone where he has no Patient ID."""
    made: Resource = {"type": "Patient"}
    if found := id_of_patient(row.get("patient_id", ""), row.get("issuer_of_patient_id", "")):
        made["reference"] = f"Patient/{found}"
    name = values.name(row.get("patient_name", ""))
    made["display"] = name["text"] if name else "a patient without a name"
    return made


def identifier(value: str) -> Conditions | None:
    """Read Patient IDs, with the system of their issuer or without."""
    tokens = [searching.token(one) for one in searching.split(value)]
    systems = {system for system, _ in tokens}
    if len(systems) > 1:
        raise InvalidQueryError("identifiers of several systems are searched for one at a time")
    found = searching.any_of("patient_id", [one for _, one in tokens if one])
    system = systems.pop()
    if system is None or found is None:
        return found
    if system and not system.startswith(values.OID):
        return None
    return (*found, searching.exactly("issuer_of_patient_id", system.removeprefix(values.OID)))


def _gender(value: str) -> Conditions | None:
    sexes = {gender: sex for sex, gender in values.GENDERS.items()}
    codes = [searching.token(one)[1] for one in searching.split(value)]
    if unknown := [one for one in codes if one not in {*sexes, "unknown"}]:
        raise InvalidQueryError(f"{unknown[0][:40]!r} is no gender: male, female, other, unknown")
    if "unknown" not in codes:
        return searching.any_of("patient_sex", [sexes[one] for one in codes])
    if len(codes) > 1:
        raise InvalidQueryError("the gender unknown is searched for alone")
    return (Condition(BY_COLUMN["patient_sex"], Empty()),)


PARAMETERS: Final[Mapping[str, Read]] = {
    "identifier": identifier,
    "name": searching.name,
    "name:contains": searching.name,
    "family": lambda value: searching.name(value, "{}*"),
    "given": lambda value: searching.name(value, "*^{}*"),
    "birthdate": searching.day("patient_birth_date"),
    "gender": _gender,
}


def only(patient_id: str, issuer: str) -> Conditions:
    """Return what one patient meets alone."""
    return (
        Condition(BY_COLUMN["patient_id"], Exact(patient_id)),
        searching.exactly("issuer_of_patient_id", issuer),
    )
