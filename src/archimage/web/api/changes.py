"""`/api/v1/changes`: correcting, merging and moving patients, studies and series, and the trail of that.

What is asked for is checked as a whole before anything begins; the work is a task.
"""

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Body, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from archimage.errors import InvalidRequestError
from archimage.model.callers import current
from archimage.model.changes import (
    Asker,
    Change,
    ChangeCode,
    ChangeKind,
    ChangeRequest,
    ChangeTrail,
    PatientRef,
    Preview,
)
from archimage.model.listings import Page
from archimage.services.change_plans import MAX_STUDIES
from archimage.services.changes import Begun
from archimage.web.api.parameters import MAX_LIMIT
from archimage.web.api.resources import Services, failing
from archimage.web.management import ROOT

_UID: Final = r"^[0-9]+(\.[0-9]+)*$"
_LONGEST_AGENT: Final = 200

Uid = Annotated[str, Field(pattern=_UID, max_length=64, examples=["1.2.840.113619.2.1.1"])]
Number = Annotated[int, Path(ge=1, le=(1 << 31) - 1, description="Number of the change.")]
Attributes = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=10_240)] | None],
    Field(
        max_length=40,
        description="Keyword to new value; several values are joined with a backslash, and null takes the value away.",
        examples=[{"PatientName": "Demo^Corrected", "PatientBirthDate": "19700131"}],
    ),
]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PatientName(_Body):
    """A patient, by ID and issuer, or by one of his studies: those without an ID have no other name."""

    patient_id: str = Field(default="", max_length=64)
    issuer_of_patient_id: str = Field(default="", max_length=64)
    study_instance_uid: Uid | None = Field(default=None, description="Instead of the two: a study of the patient.")

    def ref(self) -> PatientRef:
        """Return it as the services take it."""
        return PatientRef(self.patient_id, self.issuer_of_patient_id, self.study_instance_uid or "")


class _Change(_Body):
    reason: str = Field(
        min_length=1, max_length=500, pattern=r"\S", description="Why, in words; stands in the trail for good."
    )
    code: ChangeCode = Field(
        default=ChangeCode.CORRECT,
        description="Reason for the Attribute Modification that objects tell: CORRECT, or COERCE to other systems.",
    )


class CorrectPatient(_Change):
    """Correct attributes of a patient, in all of his studies."""

    kind: Literal[ChangeKind.CORRECT_PATIENT]
    patient: PatientName
    attributes: Attributes

    def request(self) -> ChangeRequest:
        """Return it as the services take it."""
        return ChangeRequest(
            self.kind,
            patient=self.patient.ref(),
            attributes=_texts(self.attributes),
            reason=self.reason,
            code=self.code,
        )


class CorrectStudy(_Change):
    """Correct attributes of a study."""

    kind: Literal[ChangeKind.CORRECT_STUDY]
    study_instance_uid: Uid
    attributes: Attributes

    def request(self) -> ChangeRequest:
        """Return it as the services take it."""
        return ChangeRequest(
            self.kind,
            studies=(self.study_instance_uid,),
            attributes=_texts(self.attributes),
            reason=self.reason,
            code=self.code,
        )


class CorrectSeries(_Change):
    """Correct attributes of a series."""

    kind: Literal[ChangeKind.CORRECT_SERIES]
    study_instance_uid: Uid
    series_instance_uid: Uid
    attributes: Attributes

    def request(self) -> ChangeRequest:
        """Return it as the services take it."""
        return ChangeRequest(
            self.kind,
            studies=(self.study_instance_uid,),
            series_instance_uid=self.series_instance_uid,
            attributes=_texts(self.attributes),
            reason=self.reason,
            code=self.code,
        )


class Merge(_Change):
    """Give all studies of a patient to another, with what is known of that one."""

    kind: Literal[ChangeKind.MERGE]
    patient: PatientName
    into: PatientName

    def request(self) -> ChangeRequest:
        """Return it as the services take it."""
        return ChangeRequest(
            self.kind, patient=self.patient.ref(), into=self.into.ref(), reason=self.reason, code=self.code
        )


class Move(_Change):
    """Give some studies of a patient to another: to one who is there, or to a new one of these attributes."""

    kind: Literal[ChangeKind.MOVE]
    studies: list[Uid] = Field(min_length=1, max_length=MAX_STUDIES)
    into: PatientName | None = None
    attributes: Attributes = Field(default={})

    def request(self) -> ChangeRequest:
        """Return it as the services take it; InvalidRequestError where it does not name one patient."""
        if bool(self.into) is bool(self.attributes):
            raise InvalidRequestError("name either into, a patient who is there, or the attributes of a new one")
        return ChangeRequest(
            self.kind,
            studies=tuple(self.studies),
            into=self.into.ref() if self.into else None,
            attributes=_texts(self.attributes),
            reason=self.reason,
            code=self.code,
        )


AnyChange = Annotated[
    CorrectPatient | CorrectStudy | CorrectSeries | Merge | Move,
    Body(discriminator="kind", description="What is to be changed; `kind` tells which of these it is."),
]


class TrailListing(BaseModel):
    """Which part of the trail."""

    model_config = ConfigDict(extra="forbid")

    study: str = Field(
        "", pattern=r"^([0-9]+(\.[0-9]+)*)?$", max_length=64, description="Only what changed this study."
    )
    limit: int = Field(50, ge=0, le=MAX_LIMIT, description="How many at most.")
    offset: int = Field(0, ge=0, le=1 << 31, description="How many are left out before them.")


def preview_change(wanted: AnyChange, services: Services) -> Preview:
    """Tell what a change would do: how many objects, old and new values, warnings; nothing is changed."""
    return services.changes.preview(wanted.request())


def begin_change(wanted: AnyChange, services: Services, request: Request, response: Response) -> Begun:
    """Begin a change; answers with its number and the task that does it, when all that it asks for has been checked."""
    return _begun(services.changes.begin(wanted.request(), _asker(request)), response)


def list_changes(listing: Annotated[TrailListing, Query()], services: Services) -> Page[Change]:
    """List the changes that were ever asked for, the newest first."""
    return services.changes.list(listing.limit, listing.offset, listing.study)


def get_change(number: Number, services: Services) -> ChangeTrail:
    """Tell all of a change: who asked for it and why, old and new values, and what became of each study."""
    return services.changes.get(number)


def cancel_change(number: Number, services: Services) -> Change:
    """Have a change end after the objects in hand; what is changed by then stays so."""
    return services.changes.cancel(number)


def resume_change(number: Number, services: Services, response: Response) -> Begun:
    """Go on with a change that was cancelled or has failed."""
    return _begun(services.changes.resume(number), response)


def _begun(begun: Begun, response: Response) -> Begun:
    response.headers["Location"] = f"{ROOT}/changes/{begun.change.number}"
    return begun


def _asker(request: Request) -> Asker:
    caller = current()
    known = [] if caller is None else [caller.user, caller.address]
    return Asker(", ".join(filter(None, known)), request.headers.get("user-agent", "")[:_LONGEST_AGENT])


def _texts(attributes: dict[str, str | None]) -> dict[str, str]:
    return {keyword: text or "" for keyword, text in attributes.items()}


def router() -> APIRouter:
    """Return the resources."""
    found = APIRouter(tags=["changes"], responses=failing(400, 503))
    one = "/changes/{number}"
    asking = failing(403, 404, 413)
    found.add_api_route("/changes/preview", preview_change, methods=["POST"], responses=asking)
    beginning = failing(403, 404, 409, 413, 507)
    found.add_api_route("/changes", begin_change, methods=["POST"], status_code=202, responses=beginning)
    found.add_api_route("/changes", list_changes, methods=["GET"])
    found.add_api_route(one, get_change, methods=["GET"], responses=failing(404))
    turning = failing(403, 404, 409, 507)
    found.add_api_route(f"{one}/cancel", cancel_change, methods=["POST"], responses=turning)
    found.add_api_route(f"{one}/resume", resume_change, methods=["POST"], status_code=202, responses=turning)
    return found
