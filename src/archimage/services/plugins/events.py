"""What plugins are told, as plain values: the fields of what `archimage.plugin` makes of them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from archimage.errors import InvalidQueryError
from archimage.model import callers
from archimage.model.access import NOBODY
from archimage.model.attributes import ATTRIBUTES, Attribute
from archimage.model.events import StudyRemoved
from archimage.model.jobs import Job
from archimage.model.listings import StudySummary
from archimage.model.query import (
    Condition,
    DateTimeRange,
    Empty,
    Exact,
    Match,
    Query,
    Range,
    UIDList,
    Universal,
    Wildcard,
)
from archimage.model.records import InstanceRecord, StoredInstance
from archimage.model.routing import Rule
from archimage.ports.plugins import Event
from archimage.services.matching import parse_match
from archimage.services.query import is_matched


def _name(attribute: Attribute) -> str:
    """Return what a key goes by: its keyword, after the tag of the sequence that it stands in."""
    if attribute.sequence_tag is None:
        return attribute.keyword
    return f"{attribute.sequence_tag:08X}.{attribute.keyword}"


_BY_NAME: Final = {_name(attribute): attribute for attribute in ATTRIBUTES}


def instance(record: InstanceRecord) -> Event:
    """Tell of an instance that was stored."""
    values = record.values
    return {
        "sop_instance_uid": record.sop_instance_uid,
        "sop_class_uid": values["sop_class_uid"],
        "series_instance_uid": values["series_instance_uid"],
        "study_instance_uid": values["study_instance_uid"],
        "transfer_syntax_uid": record.transfer_syntax_uid,
        "size_bytes": record.size_bytes,
        "patient_id": values.get("patient_id", ""),
        "modality": values.get("modality", ""),
        "source_ae_title": record.source_ae_title,
        "received_at": record.received_at,
    }


def study(found: StudySummary) -> Event:
    """Tell of a study that is complete."""
    return {
        "study_instance_uid": found.study_instance_uid,
        "patient_id": found.patient_id,
        "patient_name": found.patient_name,
        "patient_birth_date": found.patient_birth_date,
        "study_date": found.study_date,
        "accession_number": found.accession_number,
        "study_description": found.study_description,
        "modalities": [*found.modalities],
        "labels": [*found.labels],
        "series_count": found.series,
        "instance_count": found.instances,
    }


def routed(rule: Rule, found: StudySummary, instances: Sequence[StoredInstance]) -> Event:
    """Tell of what a rule acts on."""
    return {
        "rule": rule.name,
        "on": "study" if rule.on_study else "instance",
        "study": study(found),
        "sop_instance_uids": [one.sop_instance_uid for one in instances],
    }


def removed(event: StudyRemoved) -> Event:
    """Tell of a study that was deleted."""
    return {
        "study_instance_uid": event.study_instance_uid,
        "instance_count": event.instances,
        "patient_id": event.patient_id,
        "accession_number": event.accession_number,
    }


def failed(job: Job) -> Event:
    """Tell of a job that has failed for good."""
    payload = job.payload if isinstance(job.payload, Mapping) else {}
    return {
        "number": job.id,
        "kind": job.kind,
        "title": job.title,
        "destination": job.destination,
        "study_instance_uid": str(payload.get("study", "")),
        "attempts": job.attempts,
        "error": job.error,
        "next": job.next,
    }


def query(door: str, asked: Query) -> Event:
    """Tell of a query, and of who has it made."""
    caller = callers.current()
    principal = NOBODY if caller is None else caller.principal
    return {
        "door": door,
        "level": asked.level.value,
        "keys": dict(pair for condition in asked.conditions for pair in _keys(condition)),
        "calling_ae_title": principal.ae_title,
        "address": principal.address,
        "user": principal.user,
        "text": asked.text,
    }


def narrowing(keys: Mapping[str, str]) -> tuple[Condition, ...]:
    """Read the keys by which a plugin narrows a query; ValueError where one is none."""
    conditions = (_condition(name, value) for name, value in keys.items())
    return tuple(condition for condition in conditions if not isinstance(condition.match, Universal))


def _condition(name: str, value: str) -> Condition:
    attribute = _BY_NAME.get(name)
    if attribute is None or not is_matched(_path(attribute)):
        raise ValueError(f"{name[:80]!r} is no keyword of an attribute that the archive matches")
    try:
        return Condition(attribute, parse_match(value, attribute.vr, empty_values=True))
    except InvalidQueryError:  # its text has the value, which may be a patient's
        raise ValueError(f"{name} is narrowed by what is no value of VR {attribute.vr}") from None


def _path(attribute: Attribute) -> tuple[int, ...]:
    return (attribute.tag,) if attribute.sequence_tag is None else (attribute.sequence_tag, attribute.tag)


def _keys(condition: Condition | DateTimeRange) -> Iterator[tuple[str, str]]:
    if isinstance(condition, Condition):
        yield _name(condition.attribute), _text(condition.match)
        return
    low, high = condition.match.low or "", condition.match.high or ""
    yield _name(condition.date), f"{low[:8]}-{high[:8]}"
    yield _name(condition.time), f"{low[8:]}-{high[8:]}"


def _text(match: Match) -> str:
    """Write what a key asks for as whoever asks would."""
    match match:
        case Exact(value) | Wildcard(value):
            return value
        case Range(low, high):
            return f"{low or ''}-{high or ''}"
        case UIDList(values):
            return "\\".join(values)
        case Empty():
            return '""'
    return ""
