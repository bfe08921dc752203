"""Audit messages as XML, each in one line.

    AuditMessage
        EventIdentification            what happened, when, and how it went
        ActiveParticipant+             who had a part in it
        AuditSourceIdentification      who tells
        ParticipantObjectIdentification*   what it was about

What came from a peer is told as it came, with what XML cannot hold as U+FFFD; a line break is written as a character
reference, so that a message is always one line.

Ref: PS3.15 §A.5.1.1 (the schema), §A.5.2.
"""

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import ip_address
from typing import Final

from archimage.model.audit import AuditEvent, AuditObject, Code, Participant

_INVALID: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SPECIAL: Final = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}
    | {mark: f"&#{ord(mark)};" for mark in "\u0085\u2028\u2029"}
)
_SOURCE_TYPE: Final = "4"  # an application server
_ADDRESS, _NAME = "2", "1"
_REMEMBERED: Final = 256
"""Participants and codes whose text is kept: the same few stand in nearly all messages, and make up half of each."""


def encode(event: AuditEvent, source_id: str, site: str = "") -> bytes:
    """Encode a message that source_id, of an enterprise's site, tells."""
    return "".join(_message(event, source_id, site)).encode("utf-8")


def text_time(seconds: float) -> str:
    """Write a time since 1970 as xsd:dateTime, UTC, with microseconds."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _message(event: AuditEvent, source_id: str, site: str) -> Iterator[str]:
    yield "<AuditMessage>"
    yield from _event(event)
    yield from map(_participant, event.participants)
    source = {"AuditEnterpriseSiteID": site, "AuditSourceID": source_id}
    yield f"<AuditSourceIdentification{_attributes(source)}>"
    yield f'<AuditSourceTypeCode csd-code="{_SOURCE_TYPE}"/></AuditSourceIdentification>'
    for one in event.objects:
        yield from _object(one)
    yield "</AuditMessage>"


def _event(event: AuditEvent) -> Iterator[str]:
    named = {
        "EventActionCode": event.action.value,
        "EventDateTime": text_time(event.when),
        "EventOutcomeIndicator": event.result.value,
    }
    yield f"<EventIdentification{_attributes(named)}>"
    yield _coded("EventID", event.id)
    yield from (_coded("EventTypeCode", code) for code in event.types)
    if event.description:
        yield f"<EventOutcomeDescription>{_escaped(event.description)}</EventOutcomeDescription>"
    yield "</EventIdentification>"


@lru_cache(_REMEMBERED)
def _participant(participant: Participant) -> str:
    named = {
        "AlternativeUserID": participant.alternative_id,
        "UserName": participant.name,
        "NetworkAccessPointID": participant.address,
        "NetworkAccessPointTypeCode": _address_type(participant.address),
    }
    asked = "true" if participant.requestor else "false"
    user = f' UserID="{_escaped(participant.user_id)}" UserIsRequestor="{asked}"'
    roles = "".join(_coded("RoleIDCode", role) for role in participant.roles)
    media = participant.media and f"<MediaIdentifier>{_coded('MediaType', participant.media)}</MediaIdentifier>"
    return f"<ActiveParticipant{user}{_attributes(named)}>{roles}{media or ''}</ActiveParticipant>"


def _object(one: AuditObject) -> Iterator[str]:
    named = {
        "ParticipantObjectTypeCode": one.type_code,
        "ParticipantObjectTypeCodeRole": one.role,
    }
    yield f'<ParticipantObjectIdentification ParticipantObjectID="{_escaped(one.id)}"{_attributes(named)}>'
    yield _coded("ParticipantObjectIDTypeCode", one.id_type)
    if one.query is None:
        yield f"<ParticipantObjectName>{_escaped(one.name)}</ParticipantObjectName>"
    else:
        yield f"<ParticipantObjectQuery>{b64encode(one.query).decode('ascii')}</ParticipantObjectQuery>"
    for name, value in one.details:
        detail = f'type="{_escaped(name)}" value="{b64encode(value).decode("ascii")}"'
        yield f"<ParticipantObjectDetail {detail}/>"
    if one.accession_numbers or one.sop_classes or one.anonymized is not None:
        yield "<ParticipantObjectDescription>"
        yield from (f'<Accession Number="{_escaped(number)}"/>' for number in one.accession_numbers)
        for uid, count in sorted(one.sop_classes.items()):
            yield f'<SOPClass{_attributes({"UID": uid})} NumberOfInstances="{count}"/>'
        if one.anonymized is not None:
            yield f"<Anonymized>{str(one.anonymized).lower()}</Anonymized>"
        yield "</ParticipantObjectDescription>"
    yield "</ParticipantObjectIdentification>"


@lru_cache(_REMEMBERED)
def _coded(element: str, code: Code) -> str:
    named = {"csd-code": code.value, "codeSystemName": code.system, "originalText": code.meaning}
    return f"<{element}{_attributes(named)}/>"


def _attributes(named: Mapping[str, str]) -> str:
    """Write attributes; those without a value are left out."""
    return "".join(f' {name}="{_escaped(value)}"' for name, value in named.items() if value)


def _escaped(text: str) -> str:
    return _INVALID.sub("\ufffd", text).translate(_SPECIAL)


def _address_type(address: str) -> str:
    if not address:
        return ""
    try:
        ip_address(address)
    except ValueError:
        return _NAME
    return _ADDRESS
