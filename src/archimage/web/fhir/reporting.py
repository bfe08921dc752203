"""DiagnosticReport: kept, read and searched for."""

from typing import Final

from starlette.responses import Response

from archimage.services.fhir import validation
from archimage.services.fhir.archive import Found
from archimage.services.fhir.reports import PARAMETERS
from archimage.services.fhir.results import KIND
from archimage.web.fhir import bundles
from archimage.web.fhir.bundles import LISTING
from archimage.web.fhir.calls import Call, Endpoint


async def _get(call: Call) -> Response:
    found, changed_at = await call.run(call.services.fhir.reports.get, call.variable("id"))
    return call.answer(found, changed_at=changed_at)


async def _search(call: Call) -> Response:
    searching = bundles.read(call, PARAMETERS)
    found = await call.run(call.services.fhir.reports.search, searching.asked)
    return bundles.bundle(call, KIND, searching, Found((), found.total) if searching.only_count else found)


async def _add(call: Call) -> Response:
    report = await call.run(validation.validated, await call.resource(KIND), KIND)
    return call.made(*await call.run(call.services.fhir.reports.add, report))


ENDPOINTS: Final = (
    Endpoint("GET", f"/{KIND}", _search, (*PARAMETERS, *LISTING)),
    Endpoint("POST", f"/{KIND}", _add),
    Endpoint("GET", f"/{KIND}/{{id}}", _get),
)
