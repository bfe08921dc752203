"""ServiceRequest: made, changed, read and searched for."""

from typing import Final

from starlette.responses import Response

from archimage.errors import InvalidRequestError
from archimage.services.fhir import ordering, validation
from archimage.services.fhir.archive import Found
from archimage.services.fhir.ids import Resource
from archimage.services.fhir.ordering import PARAMETERS
from archimage.services.fhir.searching import Asked
from archimage.web.dicomweb.parameters import Parameters
from archimage.web.fhir import bundles
from archimage.web.fhir.bundles import LISTING
from archimage.web.fhir.calls import Call, Endpoint
from archimage.web.fhir.outcomes import failure

_EXISTING: Final = "if-none-exist"


async def _get(call: Call) -> Response:
    found, changed_at = await call.run(call.services.fhir.orders.get, call.variable("id"))
    return call.answer(found, changed_at=changed_at)


async def _search(call: Call) -> Response:
    searching = bundles.read(call, PARAMETERS)
    found = await call.run(call.services.fhir.orders.search, searching.asked)
    return bundles.bundle(call, ordering.KIND, searching, Found((), found.total) if searching.only_count else found)


async def _add(call: Call) -> Response:
    order = await call.run(validation.validated, await call.resource(ordering.KIND), ordering.KIND)
    asked = call.request.headers.get(_EXISTING)
    if asked is not None:
        there = await call.run(call.services.fhir.orders.search, _asked(asked))
        if there.total > 1:
            return failure(412, "more than one order meets If-None-Exist.", "Ask for fewer.")
        if there.total:
            return call.answer(there.resources[0])
    return call.made(*await call.run(call.services.fhir.orders.add, order))


def _asked(condition: str) -> Asked:
    """Read the search that If-None-Exist holds; what is not known there must not be passed over."""
    pairs = Parameters.parse(condition.lstrip("?").encode("latin-1", "replace")).pairs
    if not pairs or any(name not in PARAMETERS for name, _ in pairs):
        raise InvalidRequestError(f"If-None-Exist searches by {', '.join(PARAMETERS)}")
    return Asked(pairs, limit=2)


async def _change(call: Call) -> Response:
    order, name = await call.resource(ordering.KIND), call.variable("id")
    check_id(order, name)
    order = await call.run(validation.validated, order, ordering.KIND)
    changed, changed_at = await call.run(call.services.fhir.orders.change, name, order)
    return call.answer(changed, changed_at=changed_at)


def check_id(resource: Resource, name: str) -> None:
    """Raise InvalidRequestError where a resource has not the id of its address."""
    if resource.get("id") != name:
        raise InvalidRequestError("the resource must have the id that stands in the address")


ENDPOINTS: Final = (
    Endpoint("GET", "/ServiceRequest", _search, (*PARAMETERS, *LISTING)),
    Endpoint("POST", "/ServiceRequest", _add),
    Endpoint("GET", "/ServiceRequest/{id}", _get),
    Endpoint("PUT", "/ServiceRequest/{id}", _change),
)
