"""Values of DICOM as FHIR has them: dates, names, codes. What does not fit is left out, never guessed."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Final

from archimage.dicom.olddates import plain_date, plain_time
from archimage.model.ids import is_uid
from archimage.services.fhir.ids import Resource

DICOM_UID: Final = "urn:dicom:uid"
MODALITIES: Final = "http://dicom.nema.org/resources/ontology/DCM"
URI: Final = "urn:ietf:rfc:3986"
OID: Final = "urn:oid:"
IDENTIFIER_TYPES: Final = "http://terminology.hl7.org/CodeSystem/v2-0203"
GENDERS: Final[Mapping[str, str]] = {"M": "male", "F": "female", "O": "other"}
_DATE: Final = re.compile(r"(\d{4})(\d\d)(\d\d)", re.ASCII)
_TIME: Final = re.compile(r"(\d\d)(\d\d)(\d\d)?(\.\d{1,6})?", re.ASCII)
_OFFSET: Final = re.compile(r"([+-])(\d\d)(\d\d)", re.ASCII)
_CODE: Final = re.compile(r"[^\s]+(\s[^\s]+)*", re.ASCII)
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


def day(text: str) -> str:
    """Return a date (DA) as FHIR writes it, empty where it is none."""
    found = _DATE.fullmatch(plain_date(text))
    if found is None:
        return ""
    try:
        return date(int(found[1]), int(found[2]), int(found[3])).isoformat()
    except ValueError:
        return ""


def moment(day_text: str, time_text: str, offset: str) -> str:
    """Return date and time; the date alone where the time zone is not known, as FHIR has no time without one."""
    on, at, zone = day(day_text), _TIME.fullmatch(plain_time(time_text)), _OFFSET.fullmatch(offset)
    if not on or at is None or zone is None:
        return on
    if int(at[1]) > 23 or int(at[2]) > 59 or int(at[3] or 0) > 59 or int(zone[2]) > 14 or int(zone[3]) > 59:
        return on
    return f"{on}T{at[1]}:{at[2]}:{at[3] or '00'}{at[4] or ''}{zone[1]}{zone[2]}:{zone[3]}"


def text(value: str) -> str:
    """Return a text without what FHIR forbids in one: control characters, and spaces around it."""
    return _CONTROLS.sub("", value).strip()


def code(value: str) -> str:
    """Return a code, empty where the value cannot be one."""
    value = value.strip()
    return value if _CODE.fullmatch(value) else ""


def name(value: str) -> Resource | None:
    """Return a person name (PN): the first group that is there, with all its parts; None where it is empty."""
    group = next((part for part in value.split("=") if part.strip(" ^")), "")
    family, given, middle, prefix, suffix = ([text(one) for one in group.split("^")] + [""] * 5)[:5]
    lists = {"given": [one for one in (given, middle) if one], "prefix": [prefix], "suffix": [suffix]}
    made: Resource = {"text": " ".join(one for one in (prefix, given, middle, family, suffix) if one)}
    if family:
        made["family"] = family
    made |= {key: kept for key, values in lists.items() if (kept := [one for one in values if one])}
    return made if made["text"] else None


def patient_identifier(patient_id: str, issuer: str) -> Resource:
    """Return a Patient ID with its issuer: a UID is a system, any other issuer a name."""
    made: Resource = {
        "use": "usual",
        "type": {"coding": [{"system": IDENTIFIER_TYPES, "code": "MR"}]},
        "value": text(patient_id),
    }
    if is_uid(issuer):
        made["system"] = OID + issuer
    elif text(issuer):
        made["assigner"] = {"display": text(issuer)}
    return made


def accession_identifier(accession_number: str) -> Resource:
    """Return an accession number."""
    return {
        "type": {"coding": [{"system": IDENTIFIER_TYPES, "code": "ACSN"}]},
        "value": text(accession_number),
    }


def study_identifier(study_uid: str) -> Resource:
    """Return a Study Instance UID."""
    return {"system": DICOM_UID, "value": OID + study_uid}


def modality(value: str) -> Resource | None:
    """Return a modality's code; None where the value cannot be one."""
    found = code(value)
    return {"system": MODALITIES, "code": found} if found else None
