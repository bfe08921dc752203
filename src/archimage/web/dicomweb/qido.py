"""QIDO-RS: search for studies, series and instances, and count them.

Ref: PS3.18 §10.6, §8.3.4.
"""

from collections.abc import Mapping

from starlette.responses import Response
from starlette.types import ASGIApp

from archimage.model.attributes import Level
from archimage.services.qido import ResultWriter, Search, prepare
from archimage.web.dicomweb.negotiation import Offer
from archimage.web.dicomweb.parameters import Parameters
from archimage.web.dicomweb.resources import DicomWebRequest, Handler, Resource

JSON = Offer("application/dicom+json")
_LEVELS = {"studies": Level.STUDY, "series": Level.SERIES, "instances": Level.IMAGE}
_WITHIN = {"study": "study_instance_uid", "series": "series_instance_uid"}
_OPTIONS = frozenset({"accept", "fuzzymatching", "includefield", "limit", "offset", "orderby"})


def _handler(level: Level) -> Handler:
    async def handle(request: DicomWebRequest) -> ASGIApp:
        offer = request.choose((JSON,)).offer
        body = await request.run(_search, request, level)
        return Response(body, 200, media_type=offer.media_type)

    return handle


def _search(request: DicomWebRequest, level: Level) -> bytes:
    prepared = prepare(request.services.query, _read(request.query, level, request.variables))
    write = ResultWriter(prepared.query, request.base_url).write
    pages = request.services.query.pages(prepared.query)
    return b"[" + b",".join([write(row) for page in pages for row in page]) + b"]"


def _read(query: Parameters, level: Level, variables: Mapping[str, str]) -> Search:
    return Search(
        level,
        within={_WITHIN[name]: uid for name, uid in variables.items()},
        matches=tuple((name, value) for name, value in query.pairs if name not in _OPTIONS),
        include=tuple(query.split("includefield")),
        order_by=tuple(query.split("orderby")),
        fuzzy=query.flag("fuzzymatching"),
        limit=query.integer("limit", default=100_000, low=0, high=100_000),
        offset=query.integer("offset", default=0, low=0, high=1 << 40),
    )


RESOURCES = (Resource("SearchForStudies", "GET", "/studies", _handler(Level.STUDY), "Search for studies"),)
