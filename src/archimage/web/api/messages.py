"""`/api/v1/messages`: HL7 messages that came, those that failed to be tried again; and what they told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from archimage.model.messages import Hl7Message, MessageState, PatientIdentifier, PatientLink, Report
from archimage.services import scoped
from archimage.services.datasets import Model, attribute, made
from archimage.services.inbox import MAX_SHOWN
from archimage.web.api.resources import Services, failing

Number = Annotated[int, Path(ge=1, le=(1 << 62), description="Number of the message, or report.")]


@dataclass(frozen=True, slots=True)
class MessageSummary:
    """A message without what it says; times are seconds since 1970, UTC; ended_at is null while it waits."""

    id: int
    kind: str
    sender: str
    control_id: str
    address: str
    received_at: float
    state: MessageState
    ack: str
    told: str
    """What its sender was told: why it failed, or what was done."""
    fault: str
    location: str
    attempts: int
    ended_at: float | None


@dataclass(frozen=True, slots=True)
class MessagePage:
    """Some messages, the newest first, and how many there are by state."""

    items: Sequence[MessageSummary]
    counts: Mapping[MessageState, int]


@dataclass(frozen=True, slots=True)
class MessageDetail:
    """A message, with its text: segments in lines, what is not of its encoding replaced."""

    message: MessageSummary
    text: str


class MessageListing(BaseModel):
    """Which messages are listed."""

    model_config = ConfigDict(extra="forbid")

    state: MessageState | None = Field(None, description="Where they stand.")
    before: int | None = Field(None, ge=1, le=1 << 62, description="Only those before this number.")
    limit: int = Field(50, ge=0, le=MAX_SHOWN, description="How many at most.")


class ReportListing(BaseModel):
    """Which reports are listed."""

    model_config = ConfigDict(extra="forbid")

    study: str = Field("", max_length=64, description="Study Instance UID.")
    accession: str = Field("", max_length=64, description="Accession number, beside or instead of the study.")
    patient_id: str = Field("", max_length=64, description="Patient ID.")
    limit: int = Field(50, ge=0, le=MAX_SHOWN, description="How many at most.")


class LinkListing(BaseModel):
    """Whose links are listed; of nobody in particular the newest."""

    model_config = ConfigDict(extra="forbid")

    patient_id: str = Field("", max_length=64, description="Patient ID.")
    issuer_of_patient_id: str = Field("", max_length=64, description="Who issued it.")


def list_messages(listing: Annotated[MessageListing, Query()], services: Services) -> MessagePage:
    """List messages, the newest first."""
    inbox = services.messaging.inbox
    found = inbox.find(state=listing.state, before=listing.before, limit=listing.limit)
    return MessagePage([_summary(one) for one in found], inbox.counts())


def get_message(number: Number, services: Services) -> MessageDetail:
    """Tell one message, with what it says."""
    found = services.messaging.inbox.get(number)
    text = found.raw.decode("utf-8", "replace")
    return MessageDetail(_summary(found), text.replace("\r\n", "\n").replace("\r", "\n"))


def retry_message(number: Number, services: Services) -> MessageSummary:
    """Apply a message that failed once more; tells what became of it."""
    return _summary(services.messaging.inbox.retry(number))


def discard_message(number: Number, services: Services) -> MessageSummary:
    """Have a message that failed rest: it is not tried again."""
    return _summary(services.messaging.inbox.discard(number))


def list_reports(listing: Annotated[ReportListing, Query()], services: Services) -> Sequence[Report]:
    """List reports, the newest first."""
    found = services.messaging.reports.find(
        study_instance_uid=listing.study,
        accession_number=listing.accession,
        patient_id=listing.patient_id,
        limit=listing.limit,
    )
    return [one for one in found if scoped.is_shown(_about(one))]


def get_report(number: Number, services: Services) -> Report:
    """Tell one report."""
    found = services.messaging.reports.get(number)
    scoped.check(_about(found))
    return found


def list_links(listing: Annotated[LinkListing, Query()], services: Services) -> Sequence[PatientLink]:
    """List which patients are one person, as the hospital's system tells."""
    who = PatientIdentifier(listing.patient_id, listing.issuer_of_patient_id) if listing.patient_id else None
    return services.messaging.patients.links(who)


def _about(report: Report) -> Model:
    return made(attribute(0x00100020, report.patient_id), attribute(0x0020000D, report.study_instance_uid))


def _summary(message: Hl7Message) -> MessageSummary:
    outcome = message.outcome
    return MessageSummary(
        id=message.id,
        kind=message.kind,
        sender=message.sender,
        control_id=message.control_id,
        address=message.address,
        received_at=message.received_at,
        state=outcome.state,
        ack=outcome.ack.value,
        told=outcome.text,
        fault=outcome.fault.value,
        location=outcome.location,
        attempts=message.attempts,
        ended_at=message.ended_at,
    )


def router() -> APIRouter:
    """Return the resources."""
    found = APIRouter(tags=["messages"], responses=failing(400, 403, 503))
    one = "/messages/{number}"
    found.add_api_route("/messages", list_messages, methods=["GET"])
    found.add_api_route(one, get_message, methods=["GET"], responses=failing(404))
    found.add_api_route(f"{one}/retry", retry_message, methods=["POST"], responses=failing(404, 409))
    found.add_api_route(f"{one}/discard", discard_message, methods=["POST"], responses=failing(404, 409))
    found.add_api_route("/reports", list_reports, methods=["GET"])
    found.add_api_route("/reports/{number}", get_report, methods=["GET"], responses=failing(404))
    found.add_api_route("/patient-links", list_links, methods=["GET"])
    return found
