"""HL7 messages as they came, what became of them, and what they tell: reports, and patients who are one person."""

from dataclasses import dataclass
from enum import StrEnum


class MessageState(StrEnum):
    """Where a message stands; WAITING is applied once what comes before it has ended."""

    RECEIVED = "received"
    WAITING = "waiting"
    DONE = "done"
    IGNORED = "ignored"
    FAILED = "failed"
    DISCARDED = "discarded"


class Ack(StrEnum):
    """What a sender is told (HL7 table 0008): applied, an error that may pass, or never to be taken."""

    ACCEPT = "AA"
    ERROR = "AE"
    REJECT = "AR"


class Fault(StrEnum):
    """Why a message is not applied (HL7 table 0357)."""

    NONE = "0"
    SEGMENT_SEQUENCE = "100"
    REQUIRED_FIELD_MISSING = "101"
    DATA_TYPE = "102"
    UNSUPPORTED_TYPE = "200"
    UNKNOWN_KEY = "204"
    DUPLICATE_KEY = "205"
    LOCKED = "206"
    INTERNAL = "207"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a message, and what its sender is told; text is empty where there is nothing to say.

    location is the place of the fault, as ERR-2 has it: `PID^1^3`.
    """

    state: MessageState = MessageState.DONE
    ack: Ack = Ack.ACCEPT
    text: str = ""
    fault: Fault = Fault.NONE
    location: str = ""


@dataclass(frozen=True, slots=True)
class Hl7Message:
    """One message; times are seconds since 1970, UTC.

    sender is application and facility (MSH-3, MSH-4), joined by `|`; kind is MSH-9, `ADT^A08`. raw is what came, its
    frame excluded, in the encoding of its MSH-18. attempts is how often it was tried to apply it.
    """

    raw: bytes
    sender: str
    control_id: str
    kind: str
    address: str
    received_at: float
    outcome: Outcome = Outcome(MessageState.RECEIVED)
    attempts: int = 0
    ended_at: float | None = None
    id: int = 0

    @property
    def state(self) -> MessageState:
        """Where it stands."""
        return self.outcome.state

    def is_same(self, other: "Hl7Message") -> bool:
        """Tell whether another says the same: its header may have another time, as when it was sent again."""
        return self.kind == other.kind and self.raw.partition(b"\r")[2] == other.raw.partition(b"\r")[2]


@dataclass(frozen=True, slots=True)
class KeptMessage:
    """A message that was kept, or one of the same sender and control id that was kept before.

    is_ours tells that whoever has it kept is to apply it; else it was applied, or somebody is about to.
    """

    message: Hl7Message
    is_ours: bool


@dataclass(frozen=True, slots=True)
class Report:
    """A result that was told about a study, in the words of whoever wrote it.

    message_id and position name where it stood; report_id is the number that its author gave it (OBR-3). status is
    that of HL7 table 0123: `P`, `F`, `C`. observed_at is a DICOM date and time; received_at seconds since 1970, UTC.
    """

    message_id: int
    position: int
    report_id: str
    study_instance_uid: str
    accession_number: str
    patient_id: str
    issuer_of_patient_id: str
    title: str
    status: str
    author: str
    observed_at: str
    received_at: float
    text: str
    id: int = 0


@dataclass(frozen=True, slots=True, order=True)
class PatientIdentifier:
    """A Patient ID, and who issued it."""

    patient_id: str
    issuer_of_patient_id: str = ""


@dataclass(frozen=True, slots=True)
class PatientLink:
    """Two patients of whom somebody has told that they are one person."""

    one: PatientIdentifier
    other: PatientIdentifier
    linked_at: float
