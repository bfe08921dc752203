"""`/api/v1/objects`: objects without a patient."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from archimage.model.objects import KeptObject
from archimage.protocol.roots import OBJECT_ROOTS
from archimage.protocol.uids import NON_PATIENT_STORAGE_SOP_CLASSES
from archimage.web.api.parameters import MAX_LIMIT, SopUid
from archimage.web.api.resources import Services, failing

_CLASSES = {root.name: root.stored for root in OBJECT_ROOTS}


class ObjectListing(BaseModel):
    """Which objects."""

    model_config = ConfigDict(extra="forbid")

    root: str = Field("", max_length=64, description="Only those of a root, such as `hanging-protocol`.")
    before: int | None = Field(None, ge=1, le=(1 << 31) - 1, description="Only those of a lower number.")
    limit: int = Field(50, ge=1, le=MAX_LIMIT, description="How many at most.")


@dataclass(frozen=True, slots=True)
class ObjectSummary:
    """An object; name is that of its SOP class, title what it calls itself, received_at seconds since 1970, UTC."""

    id: int
    sop_instance_uid: str
    sop_class_uid: str
    name: str
    title: str
    size_bytes: int
    transfer_syntax_uid: str
    source_ae_title: str
    received_at: float


@dataclass(frozen=True, slots=True)
class ObjectDetails:
    """An object with its attributes as DICOM JSON Model; values of more than 4 KiB are left out."""

    summary: ObjectSummary
    attributes: Mapping[str, Any]


def list_objects(listing: Annotated[ObjectListing, Query()], services: Services) -> Sequence[ObjectSummary]:
    """List objects without a patient, the newest first."""
    classes = _CLASSES.get(listing.root, ("",) if listing.root else ())
    return [_summary(one) for one in services.objects.list(classes, listing.before, listing.limit)]


def get_object(sop_uid: SopUid, services: Services) -> ObjectDetails:
    """Tell all of one."""
    found = services.objects.get(sop_uid)
    return ObjectDetails(_summary(found), found.model)


def remove_object(sop_uid: SopUid, services: Services) -> None:
    """Delete one."""
    services.objects.remove(sop_uid)


def _summary(found: KeptObject) -> ObjectSummary:
    return ObjectSummary(
        found.id,
        found.sop_instance_uid,
        found.sop_class_uid,
        NON_PATIENT_STORAGE_SOP_CLASSES.get(found.sop_class_uid, ""),
        found.title,
        found.size_bytes,
        found.transfer_syntax_uid,
        found.source_ae_title,
        found.received_at,
    )


def router() -> APIRouter:
    """Return the resources."""
    found = APIRouter(tags=["objects"], responses=failing(400, 503))
    found.add_api_route("/objects", list_objects, methods=["GET"])
    found.add_api_route("/objects/{sop_uid}", get_object, methods=["GET"], responses=failing(404))
    found.add_api_route(
        "/objects/{sop_uid}", remove_object, methods=["DELETE"], status_code=204, responses=failing(403, 404)
    )
    return found
