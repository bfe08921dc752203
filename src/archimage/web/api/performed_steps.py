"""`/api/v1/performed-steps`: what modalities say that they do and have done, and which of it is here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from archimage.model.callers import current
from archimage.model.mpps import PerformedSeries, StepFilter, StepKeys, StepState, StepSummary
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN
from archimage.services.datasets import Model, encode
from archimage.services.mpps import MAX_SHOWN
from archimage.services.mpps_building import stopped
from archimage.services.worklist_fields import checked
from archimage.web.api.resources import Services, failing
from archimage.web.management import ROOT

Uid = Annotated[str, Path(pattern=r"^[0-9]+(\.[0-9]+)*$", max_length=64, description="SOP Instance UID of the step.")]


class StepListing(BaseModel):
    """Which steps are listed."""

    model_config = ConfigDict(extra="forbid")

    state: StepState | None = Field(None, description="Where they stand.")
    patient_id: str = Field("", max_length=64, description="Patient ID, whole.")
    accession_number: str = Field("", max_length=64, description="Accession number, whole.")
    study: str = Field("", max_length=64, description="Study Instance UID.")
    modality: str = Field("", max_length=16, description="Modality.")
    station: str = Field("", max_length=16, description="AE title of the station.")
    date: str = Field("", max_length=8, description="Day of the start, YYYYMMDD.")
    limit: int = Field(100, ge=1, le=MAX_SHOWN, description="How many at most.")
    before: int | None = Field(None, ge=1, le=1 << 62, description="Only those that are older than the one of this id.")

    def wanted(self) -> StepFilter:
        """Return it as the services take it."""
        keys = StepKeys(self.patient_id, self.accession_number, self.study, self.modality, self.station, self.date)
        return StepFilter(self.state, keys, self.before, self.limit)


class StepBody(BaseModel):
    """What is told of a step."""

    model_config = ConfigDict(extra="forbid")

    dataset: dict[str, Any] = Field(description="Attributes in the DICOM JSON Model, as N-CREATE and N-SET tell them.")


class NewStepBody(StepBody):
    """What is told of a step that begins."""

    sop_instance_uid: str = Field("", max_length=64, description="Its UID; made where it is missing.")


@dataclass(frozen=True, slots=True)
class StepDetail:
    """One step: its series and what of them is here, and its data set in the DICOM JSON Model."""

    step: StepSummary
    series: Sequence[PerformedSeries]
    dataset: Model


def list_steps(listing: Annotated[StepListing, Query()], services: Services) -> Sequence[StepSummary]:
    """List performed procedure steps, the newest first."""
    return services.department.mpps.find(listing.wanted())


def count_steps(services: Services) -> Mapping[str, int]:
    """Count performed procedure steps by state."""
    return services.department.mpps.counts()


def get_step(step_uid: Uid, services: Services) -> StepDetail:
    """Tell one step, and which of the instances that it has made are here."""
    return _detail(step_uid, services)


def begin_step(body: NewStepBody, services: Services, response: Response) -> StepDetail:
    """Begin a step, as N-CREATE does, by the same rules."""
    caller = current()
    source = "" if caller is None else caller.principal.ae_title
    step = services.department.mpps.create(body.sop_instance_uid, _checked(body.dataset), source)
    response.headers["Location"] = f"{ROOT}/performed-steps/{step.sop_instance_uid}"
    return _detail(step.sop_instance_uid, services)


def change_step(step_uid: Uid, body: StepBody, services: Services) -> StepDetail:
    """Change a step that is in progress, or end it, as N-SET does, by the same rules."""
    services.department.mpps.change(step_uid, _checked(body.dataset))
    return _detail(step_uid, services)


def discontinue_step(step_uid: Uid, services: Services) -> StepDetail:
    """End a step now that its modality does not end."""
    services.department.mpps.change(step_uid, stopped(StepState.DISCONTINUED, datetime.now().astimezone()))
    return _detail(step_uid, services)


def _checked(dataset: dict[str, Any]) -> Model:
    """Return what can be told to others too: a data set whose values fit."""
    model = checked(dataset)
    encode(model, EXPLICIT_VR_LITTLE_ENDIAN)
    return model


def _detail(uid: str, services: Services) -> StepDetail:
    steps = services.department.mpps
    return StepDetail(steps.summary(uid), steps.series(uid), steps.get(uid).dataset)


def router() -> APIRouter:
    """Return the resources."""
    found = APIRouter(tags=["performed steps"], responses=failing(400, 403, 503))
    all_, one = "/performed-steps", "/performed-steps/{step_uid}"
    changing = failing(404, 409, 413, 507)
    found.add_api_route(all_, list_steps, methods=["GET"])
    found.add_api_route(all_, begin_step, methods=["POST"], status_code=201, responses=changing)
    found.add_api_route("/performed-steps/counts", count_steps, methods=["GET"])
    found.add_api_route(one, get_step, methods=["GET"], responses=failing(404))
    found.add_api_route(one, change_step, methods=["PATCH"], responses=changing)
    found.add_api_route(f"{one}/discontinue", discontinue_step, methods=["POST"], responses=changing)
    return found
