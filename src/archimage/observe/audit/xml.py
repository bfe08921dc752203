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
from binascii import b2a_base64
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import ip_address
from typing import Final

from archimage.model.audit import AuditEvent, AuditObject, Code, Participant

_INVALID: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_UNPLAIN: Final = re.compile("[^ !#-%'-;=?-~]")
"""What is not told as it stands: nearly no text holds any."""
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
    participants = "".join(map(_participant, event.participants))
    objects = "".join(map(_object, event.objects))
    return f"<AuditMessage>{_event(event)}{participants}{_source(source_id, site)}{objects}</AuditMessage>".encode()


def text_time(seconds: float) -> str:
    """Write a time since 1970 as xsd:dateTime, UTC, with microseconds."""
    whole, microseconds = divmod(round(1_000_000 * seconds), 1_000_000)
    return f"{_second(whole)}.{microseconds:06d}Z"


@lru_cache(_REMEMBERED)
def _second(whole: int) -> str:
    return datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _event(event: AuditEvent) -> str:
    types = "".join([_coded("EventTypeCode", code) for code in event.types])
    described = event.description and _element("EventOutcomeDescription", event.description)
    return (
        f'<EventIdentification EventActionCode="{event.action}" EventDateTime="{text_time(event.when)}"'
        f' EventOutcomeIndicator="{event.result}">{_coded("EventID", event.id)}{types}{described}</EventIdentification>'
    )


@lru_cache(_REMEMBERED)
def _source(source_id: str, site: str) -> str:
    named = {"AuditEnterpriseSiteID": site, "AuditSourceID": source_id}
    kind = f'<AuditSourceTypeCode csd-code="{_SOURCE_TYPE}"/>'
    return f"<AuditSourceIdentification{_attributes(named)}>{kind}</AuditSourceIdentification>"


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


def _object(one: AuditObject) -> str:
    if one.query is None:
        named = _element("ParticipantObjectName", one.name)
    else:
        named = f"<ParticipantObjectQuery>{_base64(one.query)}</ParticipantObjectQuery>"
    details = "".join(
        [f'<ParticipantObjectDetail type="{_escaped(name)}" value="{_base64(value)}"/>' for name, value in one.details]
    )
    return (
        f'<ParticipantObjectIdentification ParticipantObjectID="{_escaped(one.id)}"'
        f' ParticipantObjectTypeCode="{one.type_code}" ParticipantObjectTypeCodeRole="{one.role}">'
        f"{_coded('ParticipantObjectIDTypeCode', one.id_type)}{named}{details}{_description(one)}"
        "</ParticipantObjectIdentification>"
    )


def _description(one: AuditObject) -> str:
    """Tell performed steps, accession numbers and SOP classes; nothing where there are none."""
    if not (one.mpps_uids or one.accession_numbers or one.sop_classes) and one.anonymized is None:
        return ""
    steps = "".join([f'<MPPS UID="{_escaped(uid)}"/>' for uid in one.mpps_uids])
    numbers = "".join([f'<Accession Number="{_escaped(number)}"/>' for number in one.accession_numbers])
    classes = "".join(
        [
            f'<SOPClass{_attributes({"UID": uid})} NumberOfInstances="{count}"/>'
            for uid, count in sorted(one.sop_classes.items())
        ]
    )
    anonymized = "" if one.anonymized is None else f"<Anonymized>{str(one.anonymized).lower()}</Anonymized>"
    return f"<ParticipantObjectDescription>{steps}{numbers}{classes}{anonymized}</ParticipantObjectDescription>"


@lru_cache(_REMEMBERED)
def _coded(element: str, code: Code) -> str:
    named = {"csd-code": code.value, "codeSystemName": code.system, "originalText": code.meaning}
    return f"<{element}{_attributes(named)}/>"


def _attributes(named: Mapping[str, str]) -> str:
    """Write attributes; those without a value are left out."""
    return "".join(f' {name}="{_escaped(value)}"' for name, value in named.items() if value)


def _element(name: str, text: str) -> str:
    return f"<{name}>{_escaped(text)}</{name}>"


def _base64(value: bytes) -> str:
    return b2a_base64(value, newline=False).decode("ascii")


def _escaped(text: str) -> str:
    if _UNPLAIN.search(text) is None:
        return text
    return _INVALID.sub("\ufffd", text).translate(_SPECIAL)


def _address_type(address: str) -> str:
    if not address:
        return ""
    try:
        ip_address(address)
    except ValueError:
        return _NAME
    return _ADDRESS
