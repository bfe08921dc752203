"""`/api/v1/audit`: what the audit trail tells. Looking into it is told there too."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from archimage.model.audit_search import AuditEntry, AuditSearch
from archimage.model.callers import current
from archimage.model.listings import Page
from archimage.web.api.resources import Services, failing
from archimage.web.management import ROOT

PATH = "/audit"


class AuditQuery(BaseModel):
    """What is looked for."""

    model_config = ConfigDict(extra="forbid")

    since: str = Field("", max_length=32, description="First moment, UTC: 2024-05-01T12:00:00, or a beginning of that.")
    until: str = Field("", max_length=32, description="Last moment, in the same way.")
    event: str = Field("", max_length=64, description="Code of an event (110104), or a part of what it is called.")
    outcome: str = Field("", pattern="^(0|4|8|12)?$", description="0 success, 4, 8 and 12 failures.")
    user: str = Field("", max_length=64, description="Somebody who had a part: AE title, address or name.")
    patient_id: str = Field("", max_length=64, description="Patient ID.")
    study_instance_uid: str = Field("", max_length=64, description="Study Instance UID.")
    text: str = Field("", max_length=256, description="What stands anywhere in the message.")
    limit: int = Field(50, ge=0, le=1_000, description="How many at most.")
    offset: int = Field(0, ge=0, le=9_000, description="How many are left out before them.")

    def wanted(self) -> AuditSearch:
        """Return it as the services take it."""
        return AuditSearch(**self.model_dump(exclude={"limit", "offset"}))


def search_audit(asked: Annotated[AuditQuery, Query()], services: Services, request: Request) -> Page[AuditEntry]:
    """Search the audit messages of all processes of the archive, the newest first."""
    caller = current()
    found, total = services.audit.search(asked.wanted(), asked.limit, asked.offset)
    if caller is not None:
        services.audit.used(caller, ROOT + PATH, request.url.query)
    return Page(found, total, asked.limit, asked.offset)


def router() -> APIRouter:
    """Return the resource."""
    found = APIRouter(tags=["audit"], responses=failing(400))
    found.add_api_route(PATH, search_audit, methods=["GET"])
    return found
