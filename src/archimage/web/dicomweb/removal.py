"""Removing studies, series and instances for good: DELETE, as other archives offer it beside PS3.18."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Final

import orjson
from starlette.responses import Response
from starlette.types import ASGIApp

from archimage.model.records import Removed
from archimage.services.removal import RemovalService
from archimage.web.dicomweb.resources import DicomWebRequest, Handler, Resource

_JSON: Final = "application/json"
_STATUSES: Final = (200, 202, 400, 404, 503, 507)

Remove = Callable[..., Removed]


def _removing(remove: Remove, *variables: str) -> Handler:
    async def handle(request: DicomWebRequest) -> ASGIApp:
        uids = [request.variables[name] for name in variables]
        removed = await request.run(remove, request.services.removal, *uids)
        counts = {"studies": removed.studies, "series": removed.series, "instances": removed.instances}
        # It is gone from every answer either way; 202 says that the room it took is still being given back.
        status = HTTPStatus.ACCEPTED if removed.files_due else HTTPStatus.OK
        return Response(orjson.dumps(counts), status, {"Cache-Control": "no-store"}, _JSON)

    return handle


def _resource(what: str, path: str, remove: Remove, *variables: str) -> Resource:
    return Resource(
        f"Delete{what.capitalize()}",
        "DELETE",
        path,
        _removing(remove, *variables),
        f"Remove {'an' if what[0] in 'aeiou' else 'a'} {what} for good",
        produces=(_JSON,),
        statuses=_STATUSES,
    )


RESOURCES: Final = (
    _resource("study", "/studies/{study}", RemovalService.remove_study, "study"),
    _resource("series", "/studies/{study}/series/{series}", RemovalService.remove_series, "study", "series"),
    _resource(
        "instance",
        "/studies/{study}/series/{series}/instances/{instance}",
        RemovalService.remove_instance,
        "study",
        "series",
        "instance",
    ),
)
