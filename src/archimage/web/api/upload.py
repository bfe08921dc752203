"""`POST /api/v1/upload`: files, folders and ZIP archives, as a form of a page or as the body of a program."""

from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response

from archimage.services.uploads import UploadSummary
from archimage.web.api.resources import Services, failing
from archimage.web.management import UPLOAD
from archimage.web.uploading import FORM, WHOLE, receive_upload

_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            FORM: {
                "schema": {
                    "type": "object",
                    "properties": {"file": {"type": "array", "items": {"type": "string", "format": "binary"}}},
                }
            },
            **{kind: {"schema": {"type": "string", "format": "binary"}} for kind in WHOLE},
        },
    }
}


async def upload_files(
    request: Request,
    services: Services,
    response: Response,
    name: Annotated[str, Query(max_length=256, description="Name of a file that is the whole body.")] = "body",
) -> UploadSummary:
    """Store DICOM files and what ZIP archives hold; tells of each file what became of it."""
    summary = await receive_upload(request, services.uploads.begin(), name)
    if summary.accepted:
        response.status_code = HTTPStatus.ACCEPTED
    return summary


def router() -> APIRouter:
    """Return the resource."""
    found = APIRouter(tags=["upload"])
    found.add_api_route(
        UPLOAD,
        upload_files,
        methods=["POST"],
        responses={202: {"model": UploadSummary}, **failing(400, 403, 408, 413, 415, 503, 507)},
        openapi_extra=_BODY,
    )
    return found
