"""From messages to patients: who is meant, and what is known of him.

Ref: HL7 v2.5.1 §3.4.2 (PID), §3.4.11 (MRG), §2.A.14 (CX), §2.A.89 (XPN); IHE RAD TF-2 §4.1, §4.12.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from archimage.errors import Hl7Error
from archimage.hl7.parsing import DELETED, Segment
from archimage.model.messages import Fault, PatientIdentifier

SEX: Final = {"M": "M", "F": "F", "O": "O", "A": "O", "N": "O", "U": "", "": ""}
"""Administrative sex (table 0001) to Patient's Sex."""
_GROUPS: Final = {"A": 0, "": 0, "L": 0, "I": 1, "P": 2}
_LONGEST: Final = 64


def identifiers(segment: Segment, field: int) -> Sequence[PatientIdentifier]:
    """Return the identifiers of a patient (CX), in their order: PID-3, MRG-1.

    Raises:
        Hl7Error: there is none, or one that is too long for DICOM.
    """
    found = []
    for number in segment.repetitions(field):
        patient_id, issuer = segment.text(field, 1, 1, number), segment.text(field, 4, 1, number)
        if max(len(patient_id), len(issuer)) > _LONGEST or "\\" in patient_id + issuer:
            told = f"an identifier is longer than {_LONGEST} characters, or has a backslash"
            raise Hl7Error(told, Fault.DATA_TYPE, _place(segment, field))
        if patient_id and patient_id != DELETED:
            found.append(PatientIdentifier(patient_id, issuer))
    if not found:
        raise Hl7Error("it names no patient", Fault.REQUIRED_FIELD_MISSING, _place(segment, field))
    return found


def values(pid: Segment) -> Mapping[str, str]:
    """Return what a segment PID says of a patient, by keywords of DICOM; a value that is to be forgotten is empty.

    Raises:
        Hl7Error: a value does not fit.
    """
    found: dict[str, str] = {}
    if name := person_name(pid, 5):
        found["PatientName"] = "" if name == DELETED else name
    if born := pid.text(7):
        found["PatientBirthDate"] = "" if born == DELETED else _date(pid, born)
    if sex := pid.text(8).upper():
        if sex != DELETED and sex not in SEX:
            raise Hl7Error(f"sex {sex[:8]!r} is not known", Fault.DATA_TYPE, _place(pid, 8))
        found["PatientSex"] = SEX.get(sex, "")
    return found


def person_name(segment: Segment, field: int, repetition: int = 0) -> str:
    """Return a name (XPN) as DICOM has it: its repetitions by what they are written in, alphabetic first.

    repetition takes one alone.
    """
    groups = ["", "", ""]
    for number in [repetition] if repetition else segment.repetitions(field):
        if segment.text(field, 1, 1, number) == DELETED:
            return DELETED
        place = _GROUPS.get(segment.text(field, 8, 1, number).upper(), 0)
        groups[place] = groups[place] or _components(segment, field, number)
    return "=".join(groups).rstrip("=")


def provider_name(segment: Segment, field: int) -> str:
    """Return the name of a provider (XCN), whose first component is a number."""
    parts = [segment.text(field, place) for place in (2, 3, 4, 6, 5)]
    return "^".join(_plain(part) for part in parts).rstrip("^")


def _components(segment: Segment, field: int, number: int) -> str:
    """Return family, given, middle, prefix and suffix: the last two stand the other way round in HL7."""
    parts = [segment.text(field, place, 1, number) for place in (1, 2, 3, 5, 4)]
    return "^".join(_plain(part) for part in parts).rstrip("^")


def _plain(part: str) -> str:
    """Leave away what separates parts of a name in DICOM."""
    return " ".join(part.translate(str.maketrans("^=\\\n", "    ")).split())


def _date(pid: Segment, text: str) -> str:
    digits = text[:8]
    if len(digits) < 8 or not (digits.isascii() and digits.isdigit()):
        raise Hl7Error("the birth date has no year, month and day", Fault.DATA_TYPE, _place(pid, 7))
    return digits


def _place(segment: Segment, field: int) -> str:
    return f"{segment.name}^1^{field}"
