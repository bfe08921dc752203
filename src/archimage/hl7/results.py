"""From results to reports: an OBR with the text of its OBX is one.

Ref: HL7 v2.5.1 §7.3.1 (ORU^R01), §7.4 (OBR, OBX); IHE RAD TF-2 §4.28.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from archimage.errors import Hl7Error
from archimage.hl7 import patients
from archimage.hl7.parsing import DELETED, Message, Segment
from archimage.model.messages import Fault, Report
from archimage.services.reports import STATUSES

KINDS: Final = frozenset({"ORU^R01"})
MAX_TEXT: Final = 200_000
"""Longest text of a report, characters."""
_TEXTS: Final = frozenset({"TX", "FT", "ST", "CE", "CWE", "NM", "DT", "TM", "TS", ""})
_STUDY: Final = frozenset({"113014", "110180"})
"""Codes of DICOM for a study and its UID, as OBX-3 has them."""
_UID: Final = re.compile(r"[0-9][0-9.]{0,63}")


def reports_of(message: Message, message_id: int, received_at: float) -> Sequence[Report]:
    """Return the reports that a message brings.

    Raises:
        Hl7Error: it brings none, or one that names neither a study nor an order.
    """
    who = patients.identifiers(message.first("PID"), 3)[0]
    found = []
    for position, (orc, obr, observations) in enumerate(_groups(message), 1):
        study = _study_of(message, observations)
        accession = obr.text(18) or obr.text(3) or orc.text(3) or obr.text(2) or orc.text(2)
        if not (study or accession):
            raise Hl7Error("it names neither a study nor an order", Fault.REQUIRED_FIELD_MISSING, f"OBR^{position}^18")
        report = Report(
            message_id=message_id,
            position=position,
            report_id=obr.text(3) or orc.text(3),
            study_instance_uid=study,
            accession_number=accession,
            patient_id=who.patient_id,
            issuer_of_patient_id=who.issuer_of_patient_id,
            title=obr.text(4, 2) or obr.text(4),
            status=_status(obr, position),
            author=patients.provider_name(obr, 32) or obr.text(32, 1, 2),
            observed_at=_digits(obr.text(22) or obr.text(7)),
            received_at=received_at,
            text=_text_of(observations),
        )
        found.append(report)
    if not found:
        raise Hl7Error("it has no result: no segment OBR", Fault.SEGMENT_SEQUENCE, "OBR")
    return found


def _groups(message: Message) -> Iterator[tuple[Segment, Segment, list[Segment]]]:
    """Yield the results: order, request and observations; notes are observations without a name."""
    orc = message.optional("ORC")
    found: list[tuple[Segment, Segment, list[Segment]]] = []
    for segment in message.segments:
        if segment.name == "ORC":
            orc = segment
        elif segment.name == "OBR":
            found.append((orc, segment, []))
        elif segment.name in {"OBX", "NTE"} and found:
            found[-1][2].append(segment)
    yield from found


def _study_of(message: Message, observations: Sequence[Segment]) -> str:
    told = next((one.text(5) for one in observations if one.name == "OBX" and one.text(3) in _STUDY), "")
    told = told or message.optional("ZDS").text(1) or message.optional("IPC").text(3)
    return told if _UID.fullmatch(told) else ""


def _text_of(observations: Sequence[Segment]) -> str:
    """Return the lines of all observations that are text, each with its name where that changes."""
    lines: list[str] = []
    heading = ""
    for one in observations:
        if one.name == "NTE":
            lines.append(one.whole(3))
            continue
        if one.text(3) in _STUDY or one.text(2).upper() not in _TEXTS or one.text(5) == DELETED:
            continue
        named = one.text(3, 2) or one.text(3)
        if named and named != heading:
            heading = named
            lines.append(f"{named}:")
        value = one.text(5, 2) or one.text(5) if one.text(2).upper() in {"CE", "CWE"} else one.whole(5)
        lines.append(" ".join(part for part in (value, one.text(6)) if part))
    return "\n".join(lines).strip()[:MAX_TEXT]


def _status(obr: Segment, position: int) -> str:
    status = obr.text(25).upper() or "F"
    if status not in STATUSES:
        raise Hl7Error(f"result status {status[:8]!r} is not known", Fault.DATA_TYPE, f"OBR^{position}^25")
    return status


def _digits(text: str) -> str:
    found = re.match(r"[0-9]{4,14}", text)
    return found[0] if found else ""
