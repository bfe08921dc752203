"""`/api/v1/worklist`: what is scheduled, entered and changed by people and programs.

An entry is given in plain fields, as a data set in the DICOM JSON Model, or as a data set with fields beside it, which
then take the place of what it has.
"""

import time
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from archimage.model.worklist import StepState, WorklistEntry, WorklistItem, WorklistPage
from archimage.services import worklist_fields
from archimage.services.datasets import Model
from archimage.services.worklist import MAX_SHOWN, WorklistFilter
from archimage.services.worklist_files import check_changeable
from archimage.web.api.resources import Services, failing
from archimage.web.management import ROOT

SOURCE: Final = "api"
_DATE: Final = "YYYYMMDD."

Key = Annotated[str, Path(max_length=64, description="Key of the entry.")]
AETitle = Annotated[str, Field(max_length=16, examples=["CT1"])]


class EntryBody(BaseModel):
    """An entry; what is left out stays as it is, and what is empty is taken away."""

    model_config = ConfigDict(extra="forbid")

    patient_name: str = Field("", max_length=324, description="FAMILY^GIVEN; needed.", examples=["Demo^Anna"])
    patient_id: str = Field("", max_length=64, description="Needed.", examples=["DEMO-1"])
    patient_birth_date: str = Field("", max_length=8, description=_DATE)
    patient_sex: str = Field("", max_length=16, description="M, F or O.")
    accession_number: str = Field("", max_length=16, description="Number of the order.", examples=["ACC1"])
    study_instance_uid: str = Field("", max_length=64, description="Made where it is missing.")
    requested_procedure_id: str = Field("", max_length=16, description="Made where it is missing.")
    requested_procedure_description: str = Field("", max_length=64, description="What was asked for.")
    referring_physician: str = Field("", max_length=324, description="FAMILY^GIVEN.")
    step_id: str = Field("", max_length=16, description="Made where it is missing.")
    step_description: str = Field("", max_length=64, description="What is to be done; needed, or what was asked for.")
    modality: str = Field("", max_length=16, description="Needed.", examples=["CT"])
    station_ae_titles: list[AETitle] = Field(
        [], max_length=64, description="Who is to do it; needed, unless `worklist.stations` says so."
    )
    station_name: str = Field("", max_length=16, description="Where it is done.")
    start_date: str = Field("", max_length=8, description=f"{_DATE} Needed.", examples=["20261201"])
    start_time: str = Field("", max_length=13, description="HHMM or HHMMSS; needed.", examples=["0900"])
    performing_physician: str = Field("", max_length=324, description="FAMILY^GIVEN.")
    dataset: dict[str, Any] = Field({}, description="A data set in the DICOM JSON Model, beside the fields.")

    def model(self, before: Model) -> Model:
        """Return the data set, which before has what is left out of."""
        given = self.model_dump(exclude_unset=True, exclude={"dataset"})
        return worklist_fields.with_fields(worklist_fields.checked(self.dataset) if self.dataset else before, given)


class StateBody(BaseModel):
    """Where an entry stands."""

    model_config = ConfigDict(extra="forbid")

    state: StepState


class WorklistListing(BaseModel):
    """Which entries are listed."""

    model_config = ConfigDict(extra="forbid")

    state: StepState | None = Field(None, description="Where they stand.")
    date: str = Field("", max_length=17, description="YYYYMMDD, or a range with a hyphen.")
    station: str = Field("", max_length=16, description="AE title; `*` and `?` are wildcards.")
    modality: str = Field("", max_length=16, description="Modality.")
    q: str = Field("", max_length=64, description="A part of a name, an identifier or a description.")
    limit: int = Field(100, ge=0, le=MAX_SHOWN, description="How many at most.")
    offset: int = Field(0, ge=0, le=1 << 31, description="How many are left out before them.")


@dataclass(frozen=True, slots=True)
class WorklistDetail:
    """One entry, and its data set in the DICOM JSON Model."""

    entry: WorklistEntry
    dataset: Model


def list_worklist(listing: Annotated[WorklistListing, Query()], services: Services) -> WorklistPage:
    """List entries of whatever state and age, the last to start first."""
    wanted = WorklistFilter(listing.state, listing.date, listing.station, listing.modality, listing.q)
    found, total = services.department.worklist.list(wanted, offset=listing.offset, limit=listing.limit)
    now = time.time()
    return WorklistPage(tuple(worklist_fields.entry_of(item, now) for item in found), total)


def get_entry(key: Key, services: Services) -> WorklistDetail:
    """Tell one entry."""
    return _detail(services.department.worklist.get(key))


def add_entry(body: EntryBody, services: Services, response: Response) -> WorklistDetail:
    """Add an entry; one of the same accession number, requested procedure and step takes the place of the other."""
    added = services.department.worklist.put(body.model({}), source=SOURCE)
    response.headers["Location"] = f"{ROOT}/worklist/{added.key}"
    return _detail(added)


def change_entry(key: Key, body: EntryBody, services: Services) -> WorklistDetail:
    """Change an entry: the fields that are given, or with `dataset` all of it."""
    worklist = services.department.worklist
    before = worklist.get(key)
    check_changeable(before)
    return _detail(worklist.put(body.model(before.model), source=before.source, key=key))


def set_entry_state(key: Key, body: StateBody, services: Services) -> WorklistDetail:
    """Say where an entry stands; what is completed or discontinued is not told to modalities any more."""
    return _detail(services.department.worklist.set_state(key, body.state))


def remove_entry(key: Key, services: Services) -> None:
    """Remove an entry."""
    check_changeable(services.department.worklist.get(key))
    services.department.worklist.remove(key)


def _detail(item: WorklistItem) -> WorklistDetail:
    return WorklistDetail(worklist_fields.entry_of(item, time.time()), item.model)


def router() -> APIRouter:
    """Return the resources."""
    found = APIRouter(tags=["worklist"], responses=failing(400, 403, 503))
    one = "/worklist/{key}"
    found.add_api_route("/worklist", list_worklist, methods=["GET"])
    found.add_api_route("/worklist", add_entry, methods=["POST"], status_code=201, responses=failing(413, 507))
    found.add_api_route(one, get_entry, methods=["GET"], responses=failing(404))
    found.add_api_route(one, change_entry, methods=["PATCH"], responses=failing(404, 409, 413, 507))
    found.add_api_route(f"{one}/state", set_entry_state, methods=["PUT"], responses=failing(404))
    found.add_api_route(one, remove_entry, methods=["DELETE"], status_code=204, responses=failing(404, 409))
    return found
