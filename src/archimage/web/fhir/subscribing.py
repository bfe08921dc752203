"""Subscription: made, changed, ended, read and searched for."""

from http import HTTPStatus
from typing import Final

from starlette.responses import Response

from archimage.services.fhir import validation
from archimage.services.fhir.archive import Found
from archimage.services.fhir.hooks import KIND
from archimage.services.fhir.subscriptions import PARAMETERS
from archimage.web.fhir import bundles
from archimage.web.fhir.bundles import LISTING
from archimage.web.fhir.calls import Call, Endpoint
from archimage.web.fhir.ordering import check_id


async def _get(call: Call) -> Response:
    found, changed_at = await call.run(call.services.fhir.subscriptions.get, call.variable("id"))
    return call.answer(found, changed_at=changed_at)


async def _search(call: Call) -> Response:
    searching = bundles.read(call, PARAMETERS)
    found = await call.run(call.services.fhir.subscriptions.search, searching.asked)
    return bundles.bundle(call, KIND, searching, Found((), found.total) if searching.only_count else found)


async def _add(call: Call) -> Response:
    subscription = await call.run(validation.validated, await call.resource(KIND), KIND)
    return call.made(*await call.run(call.services.fhir.subscriptions.add, subscription))


async def _change(call: Call) -> Response:
    subscription, name = await call.resource(KIND), call.variable("id")
    check_id(subscription, name)
    subscription = await call.run(validation.validated, subscription, KIND)
    changed, changed_at = await call.run(call.services.fhir.subscriptions.change, name, subscription)
    return call.answer(changed, changed_at=changed_at)


async def _remove(call: Call) -> Response:
    await call.run(call.services.fhir.subscriptions.remove, call.variable("id"))
    return Response(status_code=HTTPStatus.NO_CONTENT)


ENDPOINTS: Final = (
    Endpoint("GET", f"/{KIND}", _search, (*PARAMETERS, *LISTING)),
    Endpoint("POST", f"/{KIND}", _add),
    Endpoint("GET", f"/{KIND}/{{id}}", _get),
    Endpoint("PUT", f"/{KIND}/{{id}}", _change),
    Endpoint("DELETE", f"/{KIND}/{{id}}", _remove),
)
