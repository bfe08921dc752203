"""What senders are answered: ACK messages, in original and enhanced mode.

Ref: HL7 v2.5.1 §2.9.2, §2.9.3, §2.14.1 (ACK), §2.15.5 (ERR), §2.15.8 (MSA).
"""

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from archimage.hl7 import charsets
from archimage.hl7.parsing import Header, Segment
from archimage.model.messages import Ack, Fault, Outcome

_MEANINGS: Final = {
    Fault.SEGMENT_SEQUENCE: "Segment sequence error",
    Fault.REQUIRED_FIELD_MISSING: "Required field missing",
    Fault.DATA_TYPE: "Data type error",
    Fault.UNSUPPORTED_TYPE: "Unsupported message type",
    Fault.UNKNOWN_KEY: "Unknown key identifier",
    Fault.DUPLICATE_KEY: "Duplicate key identifier",
    Fault.LOCKED: "Application record locked",
    Fault.INTERNAL: "Application internal error",
}
_ACCEPT_CODES: Final = {Ack.ACCEPT: "CA", Ack.ERROR: "CE", Ack.REJECT: "CR"}
ACCEPTED: Final = frozenset({"AA", "CA"})
_WANTED: Final = {
    "AL": frozenset(Ack),
    "NE": frozenset[Ack](),
    "SU": frozenset({Ack.ACCEPT}),
    "ER": frozenset({Ack.ERROR, Ack.REJECT}),
}
"""What is acknowledged where MSH-15 or MSH-16 says so (table 0155)."""
NOBODY: Final = Header()


@dataclass(frozen=True, slots=True)
class Identity:
    """What this archive is called (MSH-3, MSH-4), and how messages are encoded that do not say it."""

    application: str
    facility: str
    character_set: str


def is_wanted(condition: str, ack: Ack) -> bool:
    """Tell whether a sender wants to hear an acknowledgement, by its MSH-15 or MSH-16."""
    return ack in _WANTED.get(condition.strip().upper(), frozenset())


def answer(header: Header | None, outcome: Outcome, own: Identity, *, accept: bool = False) -> bytes:
    """Return the acknowledgement of a message whose header may not have been readable; accept makes it CA, CE or CR."""
    asked = header or NOBODY
    codec = charsets.codec_of(asked.character_set, own.character_set) or "ascii"
    separator, component = asked.separator, asked.component
    application, _, facility = asked.sender.partition("|")
    trigger = asked.kind.partition("^")[2]
    kind = component.join(["ACK", trigger, "ACK"] if trigger else ["ACK"])
    now = time.strftime("%Y%m%d%H%M%S%z")
    encoding = f"{component}~\\&" if component != "~" else "~^\\&"
    made = ["MSH", encoding, own.application, own.facility, application, facility, now, "", kind]
    made += [new_control_id(), asked.processing_id, asked.version, "", ""]
    made += ["NE", "NE", "", asked.character_set] if asked.is_enhanced else ["", "", "", asked.character_set]
    code = _ACCEPT_CODES[outcome.ack] if accept else outcome.ack.value
    text = _escaped(outcome.text[:200], separator, component)
    lines = [made, ["MSA", code, asked.control_id, text]]
    if outcome.ack is not Ack.ACCEPT:
        fault = outcome.fault if outcome.fault in _MEANINGS else Fault.INTERNAL
        coded = component.join((fault.value, _MEANINGS[fault], "HL70357"))
        location = outcome.location.replace("^", component)
        lines.append(["ERR", "", location, coded, "E", "", "", "", text])
    return charsets.encode("".join(separator.join(line).rstrip(separator) + "\r" for line in lines), codec)


def new_control_id() -> str:
    """Return a control id that no other message has."""
    return uuid.uuid4().hex[:20]


def read_answer(segments: Sequence[Segment]) -> tuple[str, str, str]:
    """Return code, control id and text of the acknowledgement that a message is; empty where it is none."""
    found = next((one for one in segments if one.name == "MSA"), None)
    if found is None:
        return "", "", ""
    said = next((one.text(8) or one.text(3, 2) for one in segments if one.name == "ERR"), "")
    return found.text(1).upper(), found.text(2), found.text(3) or said


def _escaped(text: str, separator: str, component: str) -> str:
    named = {"\\": "\\E\\", separator: "\\F\\", component: "\\S\\", "~": "\\R\\", "&": "\\T\\", "\r": " ", "\n": " "}
    return "".join(named.get(letter, letter) for letter in text)
