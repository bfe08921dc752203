"""What a handler of FHIR is given, and how it answers."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import Final, ParamSpec, TypeVar

import orjson
from starlette.requests import Request
from starlette.responses import Response

from archimage.errors import ExcessiveRequestError, InvalidRequestError
from archimage.services.fhir.ids import Resource
from archimage.services.fhir.use_cases import FhirUseCases
from archimage.threads import WorkerThreads
from archimage.web.dicomweb.conditional import is_current
from archimage.web.dicomweb.parameters import Parameters
from archimage.web.fhir.forms import MEDIA_TYPE, check_taken, version_of, written
from archimage.web.hosts import address_of
from archimage.web.management import FHIR

MAX_BODY_BYTES: Final = 1 << 20
"""What a resource that a client sends may have."""
MAX_DEPTH: Final = 40
"""How deep objects and lists of it may lie within each other."""

Arguments = ParamSpec("Arguments")
Returned = TypeVar("Returned")


@dataclass(frozen=True, slots=True)
class FhirServices:
    """The use cases that resources stand on; quick are the threads for what blocks."""

    fhir: FhirUseCases
    quick: WorkerThreads
    public_url: str


@dataclass(frozen=True, slots=True)
class Call:
    """One request."""

    request: Request
    services: FhirServices
    parameters: Parameters

    @property
    def base(self) -> str:
        """Address of FHIR as the client sees it, without a slash at the end."""
        return address_of(self.request.scope, self.services.public_url) + FHIR

    @property
    def is_strict(self) -> bool:
        """Tell whether a parameter that is not known is an error."""
        prefer = self.request.headers.get("prefer", "")
        return any(part.strip().lower() == "handling=strict" for part in prefer.replace(";", ",").split(","))

    @property
    def is_pretty(self) -> bool:
        """Tell whether people are to read the answer."""
        return self.parameters.flag("_pretty")

    async def run(
        self, work: Callable[Arguments, Returned], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Returned:
        """Do what blocks in a worker thread."""
        return await self.services.quick.run(work, *args, **kwargs)

    def variable(self, name: str) -> str:
        """Return a variable of the path."""
        return str(self.request.path_params[name])

    async def resource(self, kind: str) -> Resource:
        """Return the resource that the client sends, of a kind; whether it is valid is not looked at.

        Raises:
            UnsupportedMediaTypeError: the body is no JSON by its type.
            ExcessiveRequestError: it is longer than any needs to be.
            InvalidRequestError: it is no JSON object of the kind.
        """
        check_taken(self.request.headers.get("content-type"))
        pieces, size = [], 0
        async for piece in self.request.stream():
            size += len(piece)
            if size > MAX_BODY_BYTES:
                raise ExcessiveRequestError(f"the body is longer than {MAX_BODY_BYTES} bytes")
            pieces.append(piece)
        return read(b"".join(pieces), kind)

    def answer(self, resource: Resource, status: int = HTTPStatus.OK, changed_at: float | None = None) -> Response:
        """Answer with a resource; 304 where the client has it. changed_at: seconds since 1970, UTC."""
        version = version_of(resource)
        etag = f'W/"{version}"'
        headers = {"ETag": etag, "Cache-Control": "private, no-cache", "Vary": "Accept"}
        if changed_at is not None:
            headers["Last-Modified"] = formatdate(changed_at, usegmt=True)
        reading = self.request.method in {"GET", "HEAD"}
        if reading and is_current(etag, self.request.headers.get("if-none-match")):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        made = {**resource, "meta": {**resource.get("meta", {}), "versionId": version}}
        return Response(written(made, pretty=self.is_pretty), status, headers, MEDIA_TYPE)

    def made(self, resource: Resource, changed_at: float | None = None) -> Response:
        """Answer that a resource was made."""
        response = self.answer(resource, HTTPStatus.CREATED, changed_at)
        response.headers["Location"] = f"{self.base}/{resource['resourceType']}/{resource['id']}"
        return response


Handler = Callable[[Call], Awaitable[Response]]
"""Answers a call, or raises errors of `archimage.errors`."""


def read(body: bytes, kind: str) -> Resource:
    """Read a resource of a kind."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequestError(f"the body is no JSON: {error}") from None
    if not isinstance(found, dict) or found.get("resourceType") != kind:
        raise InvalidRequestError(f"the body must be a resource of type {kind}")
    _check_shape(found)
    return found


def _check_shape(found: object) -> None:
    """Raise InvalidRequestError where parts lie deeper than any resource needs, or a property is null, as none may be.

    What validates resources would take a null for a value.
    """
    layer = [found]
    for _ in range(MAX_DEPTH):
        if any(value is None for one in layer if isinstance(one, dict) for value in one.values()):
            raise InvalidRequestError("a property of the resource is null")
        layer = [
            part
            for one in layer
            for part in (one.values() if isinstance(one, dict) else one if isinstance(one, list) else ())
        ]
        if not layer:
            return
    raise InvalidRequestError(f"objects and lists lie more than {MAX_DEPTH} deep within each other")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method on one path below FHIR; parameters are those of the query, beside `_format` and `_pretty`."""

    method: str
    path: str
    handler: Handler
    parameters: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        """The template of its whole address."""
        return FHIR + self.path
