"""Patient, ImagingStudy and Endpoint: read and searched for."""

from typing import Final

from starlette.responses import Response

from archimage.errors import NotFoundError
from archimage.model.hashed import Named
from archimage.services.fhir import endpoints
from archimage.services.fhir.archive import PATIENT_PARAMETERS, STUDY_PARAMETERS, Found
from archimage.services.fhir.ids import Resource
from archimage.services.fhir.searching import split, token
from archimage.web.dicomweb.resources import SERVICE_ROOT
from archimage.web.fhir import bundles
from archimage.web.fhir.bundles import LISTING
from archimage.web.fhir.calls import Call, Endpoint
from archimage.web.management import FHIR
from archimage.web.marks import NAMED

ENDPOINT_PARAMETERS: Final = ("_id", "connection-type", "status")
INCLUDES: Final = ("ImagingStudy:patient", "ImagingStudy:subject", "ImagingStudy:endpoint")


async def _patient(call: Call) -> Response:
    found = await call.run(call.services.fhir.archive.patient, call.variable("id"))
    call.request.scope[NAMED] = Named((found["identifier"][0]["value"],))
    return call.answer(found)


async def _patients(call: Call) -> Response:
    searching = bundles.read(call, PATIENT_PARAMETERS)
    found = await call.run(call.services.fhir.archive.patients, searching.asked)
    return bundles.bundle(call, "Patient", searching, Found((), found.total) if searching.only_count else found)


async def _study(call: Call) -> Response:
    return call.answer(await call.run(call.services.fhir.archive.study, call.variable("study_uid")))


async def _studies(call: Call) -> Response:
    searching = bundles.read(call, STUDY_PARAMETERS, INCLUDES)
    archive = call.services.fhir.archive
    if searching.only_count:
        total = await call.run(archive.count_studies, searching.asked)
        return bundles.bundle(call, "ImagingStudy", searching, Found((), total))
    found = await call.run(archive.studies, searching.asked)
    included = await call.run(_included, call, searching.include, found)
    return bundles.bundle(call, "ImagingStudy", searching, found, included)


def _included(call: Call, include: frozenset[str], found: Found) -> list[Resource]:
    """Return what studies refer to and the client wants beside them; blocks."""
    beside: list[Resource | None] = []
    if include & {"ImagingStudy:patient", "ImagingStudy:subject"}:
        first = bundles.unique(found.resources, lambda study: study["subject"].get("reference", ""))
        beside += map(call.services.fhir.archive.patient_of, first)
    if "ImagingStudy:endpoint" in include and found.resources:
        beside += (_made(call, name) for name in endpoints.OF_STUDIES)
    return bundles.unique(beside, lambda one: f"{one['resourceType']}/{one['id']}")


async def _endpoint(call: Call) -> Response:
    if (name := call.variable("id")) not in endpoints.NAMES:
        raise NotFoundError("there is no Endpoint of this id", next_step="List them with GET /fhir/Endpoint.")
    return call.answer(_made(call, name))


async def _endpoints(call: Call) -> Response:
    searching = bundles.read(call, ENDPOINT_PARAMETERS)
    asked, names = searching.asked, [*endpoints.NAMES]
    for parameter, value in asked.pairs:
        wanted = {token(one)[1] for one in split(value)}
        names = [name for name in names if ("active" if parameter == "status" else name) in wanted]
    page = [] if searching.only_count else names[asked.offset : asked.offset + asked.limit]
    return bundles.bundle(call, "Endpoint", searching, Found([_made(call, name) for name in page], len(names)))


def _made(call: Call, name: str) -> Resource:
    return endpoints.endpoint(name, call.base.removesuffix(FHIR) + SERVICE_ROOT)


ENDPOINTS: Final = (
    Endpoint("GET", "/Patient", _patients, (*PATIENT_PARAMETERS, *LISTING)),
    Endpoint("GET", "/Patient/{id}", _patient),
    Endpoint("GET", "/ImagingStudy", _studies, (*STUDY_PARAMETERS, *LISTING, "_include")),
    Endpoint("GET", "/ImagingStudy/{study_uid}", _study),
    Endpoint("GET", "/Endpoint", _endpoints, (*ENDPOINT_PARAMETERS, *LISTING)),
    Endpoint("GET", "/Endpoint/{id}", _endpoint),
)
