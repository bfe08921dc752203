"""The capabilities description: what this service can do, as a WADL document or the same in JSON.

Ref: PS3.18 §8.9, Annex H; W3C Member Submission "Web Application Description Language".
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from xml.etree.ElementTree import Element, SubElement, tostring

import orjson
from starlette.responses import Response
from starlette.types import ASGIApp

from archimage.web.dicomweb.negotiation import Offer
from archimage.web.dicomweb.resources import SERVICE_ROOT, DicomWebRequest, Resource

_NAMESPACE: Final = "http://wadl.dev.java.net/2009/02"
_WADL: Final = Offer("application/vnd.sun.wadl+xml")
_XML: Final = Offer("application/xml")
_JSON: Final = Offer("application/json")
_OFFERS: Final = (_WADL, _XML, _JSON)
_TYPES: Final = {"integer": "xs:integer", "number": "xs:decimal", "boolean": "xs:boolean"}

Node = dict[str, Any]
"""An element: texts are its attributes, lists and other nodes its children."""


def resources(described: Sequence[Resource], by_uri: Resource) -> tuple[Resource, ...]:
    """Make the resources of the service root, with a slash and without: they describe others.

    Older clients send what they ask for by parameters to the same address (PS3.18 §9): by_uri answers that.
    """

    async def describe_all(request: DicomWebRequest) -> ASGIApp:
        offer = request.choose(_OFFERS).offer
        tree = {"resources": describe(described, request.base_url)}
        body = orjson.dumps({"application": tree}) if offer == _JSON else _xml(tree)
        headers = {"Cache-Control": "no-cache", "Vary": "Accept"}
        return Response(body, 200, media_type=offer.media_type, headers=headers)

    async def read(request: DicomWebRequest) -> ASGIApp:
        return await (by_uri.handler if request.query.all("requestType") else describe_all)(request)

    kinds = tuple(offer.media_type for offer in _OFFERS)
    asked = Resource(
        "RetrieveCapabilities",
        "OPTIONS",
        "",
        describe_all,
        "Describe what the service can do",
        produces=kinds,
        statuses=(200, 400, 406),
    )
    got = replace(
        by_uri,
        name="ReadCapabilities",
        path="",
        root=SERVICE_ROOT,
        handler=read,
        summary="Describe what the service can do; with requestType, retrieve an object by WADO-URI",
        produces=tuple(dict.fromkeys((*kinds, *by_uri.produces))),
    )
    return tuple(
        replace(one, name=f"{one.name}{slash}", path=path)
        for one in (asked, got)
        for path, slash in (("", ""), ("/", "Slash"))
    )


def describe(described: Iterable[Resource], base_url: str) -> Node:
    """Return the tree of resources below the service root."""
    top: Node = {"base": base_url, "resource": []}
    for resource in described:
        if resource.root == SERVICE_ROOT:
            node = top
            for segment in resource.path.strip("/").split("/"):
                node = _child(node, segment)
            node["method"].append(_method(resource))
    return top


def _child(node: Node, segment: str) -> Node:
    """Return the resource at a segment below another, which is made where it is not there yet."""
    path = segment.replace(":path}", "}")
    children: list[Node] = node["resource"]
    for child in children:
        if child["path"] == path:
            return child
    made: Node = {"path": path, "method": [], "resource": []}
    children.append(made)
    return made


def _method(resource: Resource) -> Node:
    accept: Node = {"name": "Accept", "style": "header", "option": [{"value": kind} for kind in resource.produces]}
    if resource.produces:
        accept["default"] = resource.produces[0]
    queries = [
        {"name": found.name, "style": "query", "type": _type(found.schema)}
        for found in resource.parameters
        if not found.name.startswith("{")
    ]
    return {
        "name": resource.method,
        "id": resource.name,
        "request": {
            "param": [*([accept] if resource.produces else []), *queries],
            "representation": [{"mediaType": kind} for kind in resource.consumes],
        },
        "response": [
            {
                "status": str(status),
                "representation": [{"mediaType": kind} for kind in resource.produces] if status == 200 else [],
            }
            for status in resource.statuses
        ],
    }


def _type(schema: Mapping[str, object]) -> str:
    return _TYPES.get(str(schema.get("type")), "xs:string")


def _xml(tree: Node) -> bytes:
    top = Element("application", {"xmlns": _NAMESPACE, "xmlns:xs": "http://www.w3.org/2001/XMLSchema"})
    _fill(top, tree)
    return bytes(tostring(top, encoding="utf-8", xml_declaration=True))


def _fill(element: Element, node: Node) -> None:
    """Write texts as attributes, and lists and nodes as children."""
    for name, value in node.items():
        if isinstance(value, str):
            element.set(name, value)
            continue
        for child in value if isinstance(value, list) else [value]:
            _fill(SubElement(element, name), child)
