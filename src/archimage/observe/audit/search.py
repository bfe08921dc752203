"""Finding messages in the journals: those of all processes together, by the time at which they were written."""

from collections import deque
from collections.abc import Iterator
from heapq import merge
from pathlib import Path
from xml.etree import ElementTree as ET

from archimage.model.audit_search import AuditEntry, AuditSearch
from archimage.observe.audit.records import Record
from archimage.observe.audit.tail import Place, read_on

_STUDY, _PATIENT = "110180", "2"


def search(root: Path, wanted: AuditSearch) -> Iterator[AuditEntry]:
    """Yield what is found, the oldest first; blocks."""
    directories = sorted(path for path in root.iterdir() if path.is_dir()) if root.exists() else []
    for _, journal, record in merge(*(_messages(directory) for directory in directories), key=lambda one: one[:2]):
        if wanted.until and record.time > wanted.until and not record.time.startswith(wanted.until):
            return
        if record.time < wanted.since or (wanted.text and wanted.text.encode() not in record.payload):
            continue
        entry = _entry(journal, record)
        if entry is not None and _fits(entry, wanted):
            yield entry


def newest(root: Path, wanted: AuditSearch, limit: int, offset: int) -> tuple[list[AuditEntry], int]:
    """Return a part of what is found, the newest first, and how much there is; blocks."""
    last: deque[AuditEntry] = deque(maxlen=limit + offset)
    total = 0
    for entry in search(root, wanted):
        last.append(entry)
        total += 1
    found = list(reversed(last))
    return found[offset : offset + limit], total


def _messages(directory: Path) -> Iterator[tuple[str, str, Record]]:
    for record, _ in read_on(directory, Place()):
        if record is not None and record.kind == "event":
            yield record.time, directory.name, record


def _entry(journal: str, record: Record) -> AuditEntry | None:
    try:
        message = ET.fromstring(record.payload)  # noqa: S314 - nobody but this archive writes what is read here
    except ET.ParseError:
        return None
    event = message.find("EventIdentification")
    if event is None:
        return None
    code = event.find("EventID")
    participants = message.findall("ActiveParticipant")
    return AuditEntry(
        journal=journal,
        number=record.number,
        time=event.get("EventDateTime", ""),
        event="" if code is None else code.get("csd-code", ""),
        meaning="" if code is None else code.get("originalText", ""),
        types=tuple(one.get("originalText", "") for one in event.findall("EventTypeCode")),
        action=event.get("EventActionCode", ""),
        outcome=event.get("EventOutcomeIndicator", ""),
        description=event.findtext("EventOutcomeDescription", ""),
        users=tuple(one.get("UserID", "") for one in participants),
        addresses=tuple(address for one in participants if (address := one.get("NetworkAccessPointID"))),
        patient_ids=_objects(message, _PATIENT),
        studies=_objects(message, _STUDY),
        xml=record.payload.decode("utf-8"),
    )


def _objects(message: ET.Element, id_type: str) -> tuple[str, ...]:
    """Return the identifiers of a message's objects of one kind."""
    found: list[str] = []
    for one in message.findall("ParticipantObjectIdentification"):
        code = one.find("ParticipantObjectIDTypeCode")
        if code is not None and code.get("csd-code") == id_type and one.get("ParticipantObjectID"):
            found.append(one.get("ParticipantObjectID", ""))
    return tuple(found)


def _fits(entry: AuditEntry, wanted: AuditSearch) -> bool:
    return all(
        (
            not wanted.event or wanted.event == entry.event or wanted.event.lower() in entry.meaning.lower(),
            not wanted.outcome or wanted.outcome == entry.outcome,
            not wanted.user or wanted.user in entry.users,
            not wanted.patient_id or wanted.patient_id in entry.patient_ids,
            not wanted.study_instance_uid or wanted.study_instance_uid in entry.studies,
        )
    )
