"""What an audit message says, as values; how it is written is the adapter's.

Ref: PS3.15 §A.5 (audit trail message format), PS3.16 CID 400 to 405, Annex D.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


@dataclass(frozen=True, slots=True)
class Code:
    """A coded value: what it is, in which system, and what that means."""

    value: str
    system: str
    meaning: str


class Action(StrEnum):
    """What was done to the objects of an event."""

    CREATE = "C"
    READ = "R"
    UPDATE = "U"
    DELETE = "D"
    EXECUTE = "E"


class Result(StrEnum):
    """How an event went."""

    SUCCESS = "0"
    MINOR_FAILURE = "4"
    SERIOUS_FAILURE = "8"
    MAJOR_FAILURE = "12"


def _dcm(value: str, meaning: str) -> Code:
    return Code(value, "DCM", meaning)


def _rfc3881(value: str, meaning: str) -> Code:
    return Code(value, "RFC-3881", meaning)


APPLICATION_ACTIVITY: Final = _dcm("110100", "Application Activity")
AUDIT_LOG_USED: Final = _dcm("110101", "Audit Log Used")
BEGIN_TRANSFERRING: Final = _dcm("110102", "Begin Transferring DICOM Instances")
INSTANCES_ACCESSED: Final = _dcm("110103", "DICOM Instances Accessed")
INSTANCES_TRANSFERRED: Final = _dcm("110104", "DICOM Instances Transferred")
STUDY_DELETED: Final = _dcm("110105", "DICOM Study Deleted")
EXPORT: Final = _dcm("110106", "Export")
IMPORT: Final = _dcm("110107", "Import")
NETWORK_ENTRY: Final = _dcm("110108", "Network Entry")
ORDER_RECORD: Final = _dcm("110109", "Order Record")
PATIENT_RECORD: Final = _dcm("110110", "Patient Record")
PROCEDURE_RECORD: Final = _dcm("110111", "Procedure Record")
QUERY: Final = _dcm("110112", "Query")
SECURITY_ALERT: Final = _dcm("110113", "Security Alert")
USER_AUTHENTICATION: Final = _dcm("110114", "User Authentication")

EVENTS: Final = (
    APPLICATION_ACTIVITY,
    AUDIT_LOG_USED,
    BEGIN_TRANSFERRING,
    INSTANCES_ACCESSED,
    INSTANCES_TRANSFERRED,
    STUDY_DELETED,
    EXPORT,
    IMPORT,
    NETWORK_ENTRY,
    ORDER_RECORD,
    PATIENT_RECORD,
    PROCEDURE_RECORD,
    QUERY,
    SECURITY_ALERT,
    USER_AUTHENTICATION,
)
"""Every kind of event that is told."""

APPLICATION_START: Final = _dcm("110120", "Application Start")
APPLICATION_STOP: Final = _dcm("110121", "Application Stop")
LOGIN: Final = _dcm("110122", "Login")
LOGOUT: Final = _dcm("110123", "Logout")
ATTACH: Final = _dcm("110124", "Attach")
DETACH: Final = _dcm("110125", "Detach")
NODE_AUTHENTICATION: Final = _dcm("110126", "Node Authentication")
NETWORK_CONFIGURATION: Final = _dcm("110128", "Network Configuration")
SECURITY_CONFIGURATION: Final = _dcm("110129", "Security Configuration")
SOFTWARE_CONFIGURATION: Final = _dcm("110131", "Software Configuration")
USE_OF_RESTRICTED_FUNCTION: Final = _dcm("110132", "Use of Restricted Function")
RECORDING_STOPPED: Final = _dcm("110133", "Audit Recording Stopped")
RECORDING_STARTED: Final = _dcm("110134", "Audit Recording Started")
SECURITY_ROLES: Final = _dcm("110136", "Security Roles Changed")
USER_SECURITY_ATTRIBUTES: Final = _dcm("110137", "User security Attributes Changed")

APPLICATION: Final = _dcm("110150", "Application")
DESTINATION: Final = _dcm("110152", "Destination Role ID")
SOURCE: Final = _dcm("110153", "Source Role ID")
DESTINATION_MEDIA: Final = _dcm("110154", "Destination Media")
SOURCE_MEDIA: Final = _dcm("110155", "Source Media")

STUDY_UID: Final = _dcm("110180", "Study Instance UID")
SOP_CLASS_UID: Final = _dcm("110181", "SOP Class UID")
NODE_ID: Final = _dcm("110182", "Node ID")
PATIENT_NUMBER: Final = _rfc3881("2", "Patient Number")
URI: Final = _rfc3881("12", "URI")

PERSON, SYSTEM_OBJECT = "1", "2"
"""Types of objects (PS3.15 §A.5.1, ParticipantObjectTypeCode)."""
ROLE_PATIENT, ROLE_REPORT, ROLE_MASTER_FILE, ROLE_SECURITY_RESOURCE, ROLE_JOB = "1", "3", "5", "13", "20"
ROLE_DATA_DESTINATION: Final = "16"


@dataclass(frozen=True, slots=True)
class Participant:
    """Somebody, or some system, that has a part in an event; requestor tells that he began it."""

    user_id: str
    requestor: bool
    roles: tuple[Code, ...] = ()
    address: str = ""
    name: str = ""
    alternative_id: str = ""
    media: Code | None = None


@dataclass(frozen=True, slots=True)
class AuditObject:
    """What an event is about.

    query stands in place of the name where the event is a query; details are names to bytes; sop_classes maps SOP
    Class UIDs, empty where not known, to a number of instances; mpps_uids are those of performed procedure steps.
    anonymized tells that identifiers were taken out of what was given away; None where there is nothing to tell.
    """

    id: str
    id_type: Code
    type_code: str
    role: str
    name: str = ""
    query: bytes | None = None
    details: tuple[tuple[str, bytes], ...] = ()
    sop_classes: Mapping[str, int] = field(default_factory=dict)
    mpps_uids: tuple[str, ...] = ()
    accession_numbers: tuple[str, ...] = ()
    anonymized: bool | None = None


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One event; when is in seconds since 1970, UTC. description says in words why it failed, or what happened."""

    id: Code
    action: Action
    result: Result
    when: float
    participants: tuple[Participant, ...]
    objects: tuple[AuditObject, ...] = ()
    types: tuple[Code, ...] = ()
    description: str = ""
