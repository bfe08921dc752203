"""Looking into the audit trail."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AuditSearch:
    """What is looked for; all that is given must hold. Times are as messages tell them, or a beginning of that.

    event is a code or a part of its meaning, outcome `0` to `12`; user, patient and study are whole identifiers; text
    stands anywhere in the message.
    """

    since: str = ""
    until: str = ""
    event: str = ""
    outcome: str = ""
    user: str = ""
    patient_id: str = ""
    study_instance_uid: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """A message that was found: where it stands, and what it says."""

    journal: str
    number: int
    time: str
    event: str
    meaning: str
    types: tuple[str, ...]
    action: str
    outcome: str
    description: str
    users: tuple[str, ...]
    addresses: tuple[str, ...]
    patient_ids: tuple[str, ...]
    studies: tuple[str, ...]
    xml: str
