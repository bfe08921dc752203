"""The OpenAPI 3.1 description of the web side, made from the table of resources."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

import orjson

from archimage import __version__
from archimage.web.dicomweb.resources import Parameter, Resource
from archimage.web.dicomweb.routes import UID_VARIABLES

Json = dict[str, Any]

_UID: Final[Json] = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)*$", "maxLength": 64}
_VARIABLES: Final[Mapping[str, Json]] = {
    **dict.fromkeys(UID_VARIABLES, _UID),
    "frames": {"type": "string", "pattern": r"^[1-9][0-9]{0,8}(,[1-9][0-9]{0,8}){0,63}$"},
}
_ANY_SEGMENT: Final[Json] = {"type": "string", "pattern": "^[0-9A-Za-z]+$"}
_ERROR: Final[Json] = {
    "type": "object",
    "required": ["error", "next"],
    "properties": {
        "error": {"type": "string", "description": "What is wrong."},
        "next": {"type": "string", "description": "What to do next."},
    },
}


def document(resources: Iterable[Resource]) -> bytes:
    """Return the description as JSON."""
    return orjson.dumps(describe(resources), option=orjson.OPT_INDENT_2)


def describe(resources: Iterable[Resource]) -> Json:
    """Return the description."""
    paths: dict[str, Json] = {}
    for resource in resources:
        if resource.method != "OPTIONS":
            address = f"{resource.root}{resource.path}".replace(":path}", "}")
            paths.setdefault(address, {})[resource.method.lower()] = _operation(resource)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "archimage",
            "version": __version__,
            "description": "DICOMweb (DICOM PS3.18) and the rest of the archive's web side.",
        },
        "paths": paths,
        "components": {"schemas": {"Error": _ERROR}},
    }


def _operation(resource: Resource) -> Json:
    found: Json = {
        "operationId": resource.name,
        "summary": resource.summary,
        "parameters": [*_variables(resource), *map(_query, resource.parameters)],
        "responses": {str(status): _answer(resource, status) for status in resource.statuses},
    }
    if resource.consumes:
        found["requestBody"] = {"content": {kind: {} for kind in resource.consumes}}
    return found


def _variables(resource: Resource) -> list[Json]:
    names = [segment[1:-1].removesuffix(":path") for segment in resource.path.split("/") if segment.startswith("{")]
    return [
        {"name": name, "in": "path", "required": True, "schema": _VARIABLES.get(name, _ANY_SEGMENT)} for name in names
    ]


def _query(parameter: Parameter) -> Json:
    """Describe a query parameter; one in braces stands for any name, as the properties of an object do."""
    if not parameter.name.startswith("{"):
        return {
            "name": parameter.name,
            "in": "query",
            "description": parameter.description,
            "schema": dict(parameter.schema),
        }
    return {
        "name": parameter.name.strip("{}"),
        "in": "query",
        "description": parameter.description,
        "style": "form",
        "explode": True,
        "schema": {"type": "object", "additionalProperties": dict(parameter.schema)},
    }


def _answer(resource: Resource, status: int) -> Json:
    answer: Json = {"description": HTTPStatus(status).phrase}
    if status < HTTPStatus.MULTIPLE_CHOICES:
        if status != HTTPStatus.NO_CONTENT:
            answer["content"] = {kind: {} for kind in resource.produces}
    elif status >= HTTPStatus.BAD_REQUEST:
        answer["content"] = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
        if resource.reports_failures:
            answer["content"] |= {kind: {} for kind in resource.produces}
    return answer
