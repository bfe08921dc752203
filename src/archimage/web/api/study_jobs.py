"""`/api/v1/jobs/compress`, `verify`, `tier` and `export`: what is asked to be done with whole studies kept here."""

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict, Field

from archimage.errors import InvalidQueryError
from archimage.model.tasks import Task
from archimage.services.study_jobs import MAX_STUDIES
from archimage.web.api.jobs import Number
from archimage.web.api.resources import Services, failing
from archimage.web.management import ROOT

_ZIP: Final = "application/zip"

UID = Annotated[str, Field(max_length=64, examples=["1.2.840.113619.2.1.1"])]
Studies = Annotated[list[UID], Field(max_length=MAX_STUDIES, description="Study Instance UIDs.")]
Target = Literal[
    "htj2k-lossless",
    "jpeg-ls-lossless",
    "jpeg-2000-lossless",
    "jpeg-lossless",
    "rle-lossless",
    "jpeg-xl-lossless",
]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class CompressRequest(_Body):
    """What is compressed, and to what."""

    studies: Studies
    to: Target = Field(description="What to compress to; nothing is lost.")


class VerifyRequest(_Body):
    """What is read again: some studies, or all that is stored."""

    studies: Studies = Field(default=[])
    all: bool = Field(default=False, description="Read every stored object again.")


class TierRequest(_Body):
    """What is moved, and to which tier."""

    studies: Studies
    to: str = Field(max_length=16, description="The tier, by its name in the settings, or hot.", examples=["hot"])


class ExportRequest(_Body):
    """What is written into one archive."""

    studies: Studies


class _Zip(Response):
    media_type = _ZIP


def compress_studies(wanted: CompressRequest, services: Services, response: Response) -> Task:
    """Begin to compress studies that are stored, without loss; none may be on legal hold.

    What has the form already stays, and what does not become smaller.
    """
    return _begun(services.study_jobs.compress(wanted.studies, wanted.to), response)


def verify_studies(wanted: VerifyRequest, services: Services, response: Response) -> Task:
    """Begin to read studies again and to compare them with what came; what is damaged is mended where it can be."""
    if wanted.all == bool(wanted.studies):
        raise InvalidQueryError("name studies, or say that all are meant")
    return _begun(services.study_jobs.verify(wanted.studies), response)


def move_studies_to_tier(wanted: TierRequest, services: Services, response: Response) -> Task:
    """Begin to move studies to a tier, whatever the rules of retention say; none may be on legal hold.

    What lies there already is left alone, and the job waits while rules are carried out.
    """
    return _begun(services.study_jobs.tier(wanted.studies, wanted.to), response)


def export_studies(wanted: ExportRequest, services: Services, response: Response) -> Task:
    """Begin to write studies into a ZIP archive, which can be downloaded once the job is done, for a while."""
    return _begun(services.study_jobs.export(wanted.studies), response)


def download_export(number: Number, services: Services) -> FileResponse:
    """Download an export that is done; a part of it where a range is asked for."""
    path = services.exports.find(number, services.visible)
    return FileResponse(path, media_type=_ZIP, filename=path.name, headers={"Cache-Control": "no-store"})


def _begun(task: Task, response: Response) -> Task:
    response.headers["Location"] = f"{ROOT}/tasks/{task.id}"
    return task


def router() -> APIRouter:
    """Return the resources."""
    found = APIRouter(tags=["jobs"], responses=failing(400, 403, 404, 503))
    beginning: dict[str, Any] = {"methods": ["POST"], "status_code": 202}
    found.add_api_route("/jobs/compress", compress_studies, **beginning, responses=failing(406, 409, 507))
    found.add_api_route("/jobs/verify", verify_studies, **beginning, responses=failing(507))
    found.add_api_route("/jobs/tier", move_studies_to_tier, **beginning, responses=failing(406, 409, 507))
    found.add_api_route("/jobs/export", export_studies, **beginning, responses=failing(507))
    described: dict[int | str, dict[str, Any]] = {
        200: {"description": "A ZIP archive", "content": {_ZIP: {}}},
        206: {"description": "A part of it", "content": {_ZIP: {}}},
        416: {"description": "It has no such part"},
    }
    found.add_api_route(
        "/jobs/{number}/export",
        download_export,
        methods=["GET"],
        response_class=_Zip,
        responses={**described, **failing(409)},
    )
    return found
