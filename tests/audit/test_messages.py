"""Audit messages: each of them is valid by the schema of PS3.15 §A.5.1.1, whatever stands in it."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from archimage.model import audit
from archimage.model.access import Principal
from archimage.model.audit import EVENTS, Action, AuditEvent, Result
from archimage.model.callers import Caller
from archimage.observe.audit.syslog import frame
from archimage.observe.audit.xml import encode
from archimage.services.audit_messages import Instances, Messages, Peer, Subject, node_object, peer, person
from tests.audit.schema import problems

_MESSAGES = Messages("ARCHIVE", "77", "archive.example", clock=lambda: 1_700_000_000.25)
_SUBJECT = Subject("1.2.3", "P1", "Demo^CT", "A1")
_HOSTILE = "<script>\r\n\x1b[31m\u202e=cmd|'\"&]]>\x00\ud800\t\u2028\U0001f600"


def _all(text: str = "") -> Iterator[AuditEvent]:
    """One message of every kind, its texts those of a peer."""
    messages, subject = _MESSAGES, Subject(text or "1.2.3", text, text, text)
    who, other = person(Caller("web", "1", Principal(address=text, user=text))), peer(Peer(text, text), requestor=True)
    found = Instances(subject, {"1.2.840.10008.5.1.4.1.1.2": 3, "": 1})
    failed = Instances(subject, failed=1, failed_uids=(text or "1.2.4",), reason=text or "refused")
    yield messages.activity(started=True)
    yield messages.activity(started=False)
    yield messages.network(attached=True)
    yield messages.used(who, "/api/v1/audit", text)
    yield messages.begin(other, messages.here(), subject)
    for instances in (found, failed):
        yield messages.transferred(other, messages.here(), instances, stored=True)
        yield messages.transferred(messages.here(), other, instances, stored=False, also=(who,))
        yield messages.accessed(who, instances, Action.DELETE)
        yield messages.exported(who, instances)
        yield messages.imported(who, instances)
    for about in (None, subject, replace(subject, study_instance_uid="")):
        yield messages.opened(who, text or "/studies/1", "", about)
    yield messages.printed(who, "2.25.1", text)
    yield messages.deleted(who, subject, 3)
    yield messages.queried(
        other, messages.asked(text or "1.2", text.encode("utf-8", "replace"), "1.2.840.10008.1.2"), text
    )
    yield messages.patient_record(who, [subject], text)
    yield messages.order_record(who, subject, Action.UPDATE, text)
    yield messages.procedure(who, subject, text or "1.2.5", Action.CREATE)
    yield messages.authentication(audit.LOGIN, who, text)
    yield messages.alert(
        audit.NODE_AUTHENTICATION, other, text, result=Result.SERIOUS_FAILURE, about=[node_object(text)]
    )


def test_there_is_a_message_of_every_kind_of_event() -> None:
    assert {event.id for event in _all()} == set(EVENTS)


@pytest.mark.parametrize("text", ["", "MODALITY", "Yamada^Tarou=山田^太郎", _HOSTILE])
def test_every_message_is_valid(text: str) -> None:
    for event in _all(text):
        assert problems(encode(event, "ARCHIVE", "Hospital")) == "", event.id


@given(st.text(st.characters(codec=None, exclude_categories=[]), max_size=40))
def test_every_text_makes_a_valid_message_in_one_line(text: str) -> None:
    for event in _all(text):
        message = encode(event, "ARCHIVE")
        assert problems(message) == ""
        assert len(message.splitlines()) == len(message.decode().splitlines()) == 1


def test_a_name_comes_back_as_it_was() -> None:
    name = "Demo^CT <b>&\"' =1\r\n\u2028\t"
    event = _MESSAGES.deleted(person(None), Subject("1.2.3", "P1", name), 1)
    message: Any = etree.fromstring(encode(event, "ARCHIVE"))
    assert [one.text for one in message.iter("ParticipantObjectName")] == [None, name]


def test_the_schema_refuses_what_is_wrong() -> None:
    message = encode(_MESSAGES.activity(started=True), "ARCHIVE")
    assert problems(message.replace(b'EventOutcomeIndicator="0"', b'EventOutcomeIndicator="1"'))
    assert problems(message.replace(b"csd-code", b"code"))


def test_a_query_is_told_as_it_came_up_to_a_bound() -> None:
    event = _MESSAGES.queried(person(None), _MESSAGES.asked("1.2", b"\0" * 20_000, "1.2.840.10008.1.2"))
    (query,) = event.objects
    assert query.query == b"\0" * (12 << 10)
    assert ("IdentifierLength", b"20000") in query.details
    assert len(frame(encode(event, "ARCHIVE"), "2024-05-01T12:00:00.000000Z", "host", "0")) < 32_768


def test_a_query_is_told_with_the_time_at_which_it_was_asked() -> None:
    times = iter([1_700_000_000.999_999, 1_800_000_000.0])
    messages = Messages("ARCHIVE", "77", "archive.example", clock=lambda: next(times))
    asked = messages.asked("1.2", b"", "1.2.840.10008.1.2")
    next(times)
    message: Any = etree.fromstring(encode(messages.queried(person(None), asked), "ARCHIVE"))
    assert message.find("EventIdentification").get("EventDateTime") == "2023-11-14T22:13:20.999999Z"


def test_a_frame_counts_its_octets_and_tells_failures_apart() -> None:
    xml = encode(_MESSAGES.activity(started=True), "ARCHIVE")
    length, _, message = frame(xml, "2024-05-01T12:00:00.000000Z", "a host", "0").partition(b" ")
    assert int(length) == len(message)
    assert message.startswith(
        b"<85>1 2024-05-01T12:00:00.000000Z a_host archimage 0 DICOM+RFC3881 - \xef\xbb\xbf<Audit"
    )
    failed = encode(_MESSAGES.accessed(person(None), Instances(_SUBJECT, failed=1)), "ARCHIVE")
    assert frame(failed, "2024-05-01T12:00:00.000000Z", "host", "0").partition(b" ")[2].startswith(b"<84>1 ")
