"""What DICOMweb serves already, under Orthanc's paths: its own handlers answer."""

from collections.abc import Mapping
from typing import Final

from starlette.types import ASGIApp

from archimage.model.hashed import COLUMNS, Named
from archimage.web.dicomweb.resources import SERVICE_ROOT, DicomWebRequest, Resource
from archimage.web.dicomweb.table import RESOURCES
from archimage.web.orthanc.calls import Call
from archimage.web.receiving import TimedReceive

_RESOURCES: Final[Mapping[str, Resource]] = {resource.name: resource for resource in RESOURCES}
_VARIABLES: Final = dict(zip(COLUMNS, ("patient", "study", "series", "instance"), strict=True))


def dicomweb_request(call: Call, resource: str, named: Named, accept: str = "", **more: str) -> DicomWebRequest:
    """Make the request for a resource of DICOMweb of something below a patient."""
    scope = call.request.scope
    headers = [(name, value) for name, value in scope["headers"] if name != b"accept"]
    headers.append((b"accept", accept.encode("ascii")))
    variables = dict(zip(_VARIABLES.values(), named.names, strict=False))
    del variables["patient"]
    return DicomWebRequest(
        _RESOURCES[resource],
        {**variables, **more},
        {**scope, "headers": headers, "query_string": b""},
        TimedReceive(call.request.receive, 1.0),
        call.services.web,
        call.services.threads,
        SERVICE_ROOT,
    )


async def delegated(call: Call, resource: str, named: Named, accept: str, **more: str) -> ASGIApp:
    """Answer as a resource of DICOMweb does."""
    request = dicomweb_request(call, resource, named, accept, **more)
    return await request.resource.handler(request)
