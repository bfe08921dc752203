"""QIDO-RS: search for studies, series and instances, and count them.

Ref: PS3.18 §10.6, §8.3.4.
"""

import asyncio
import re
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from operator import attrgetter
from typing import Final, Protocol

import orjson
from starlette.responses import Response
from starlette.types import ASGIApp

from archimage.dicom.xml import model_xml
from archimage.model.attributes import Level
from archimage.services.qido import PreparedSearch, Search, prepare, result_writer
from archimage.services.query import QueryService, Row
from archimage.web.dicomweb.negotiation import Offer
from archimage.web.dicomweb.resources import ACCEPT, DicomWebRequest, Handler, Parameter, Resource
from archimage.web.errors import warning
from archimage.web.multipart import MultipartWriter
from archimage.web.responses import Pieces, StreamedResponse

TOTAL_COUNT: Final = "X-Total-Count"
_REMEMBERED_BYTES: Final = 128 << 10
"""Answers up to this length are worth keeping: a worklist on many screens asks for the same all the time."""
_PIECE_BYTES: Final = 512 << 10
"""Results up to this much are sent at once, with their length; more are streamed, so that memory stays bounded."""
_MAX_OFFSET: Final = 1 << 40

_JSON: Final = Offer("application/dicom+json")
_PLAIN_JSON: Final = Offer("application/json")
_XML: Final = Offer("application/dicom+xml", multipart=True)
_WITHIN: Final = {"study": "study_instance_uid", "series": "series_instance_uid"}
_OPTIONS: Final = frozenset(
    {
        "accept",
        "emptyvaluematching",
        "fuzzymatching",
        "includefield",
        "limit",
        "multiplevaluematching",
        "offset",
        "orderby",
    }
)
_ATTRIBUTE: Final = re.compile(r"[A-Z0-9].*|.*\..*", re.DOTALL)
"""What is meant as an attribute: a keyword or a tag. A misspelt one is refused, because without it more would match;
any other name is some client's own parameter."""

_Batches = Generator[bytes, None, None]


class _Form(Protocol):
    """How results follow one another in a body."""

    @property
    def content_type(self) -> str: ...

    def begin(self, results: Sequence[bytes]) -> bytes:
        """Format the first results."""

    def go_on(self, results: Sequence[bytes]) -> bytes:
        """Format more of them, at least one."""

    def end(self) -> bytes:
        """End the body."""


class _JsonArray:
    """One array."""

    def __init__(self, content_type: str) -> None:
        self.content_type = content_type

    def begin(self, results: Sequence[bytes]) -> bytes:
        return b"[" + b",".join(results)

    def go_on(self, results: Sequence[bytes]) -> bytes:
        return b"," + b",".join(results)

    def end(self) -> bytes:
        return b"]"


class _XmlParts:
    """A part for each result, in the Native DICOM Model."""

    def __init__(self) -> None:
        self._writer = MultipartWriter(_XML.media_type)
        self.content_type = self._writer.content_type

    def begin(self, results: Sequence[bytes]) -> bytes:
        return b"".join([self._writer.head({}) + model_xml(orjson.loads(result)) for result in results])

    go_on = begin

    def end(self) -> bytes:
        return self._writer.end()


@dataclass(frozen=True, slots=True)
class _Results:
    """The first results, how many there are without limit and offset, and the rest of them unless these are all.

    notes tell what was not heeded of what was asked for.
    """

    first: Sequence[bytes]
    total: int
    rest: _Batches | None
    notes: Sequence[str]


def _searching(level: Level) -> Handler:
    async def handle(request: DicomWebRequest) -> ASGIApp:
        offer = request.choose((_JSON, _PLAIN_JSON, _XML)).offer
        form: _Form = _XmlParts() if offer == _XML else _JsonArray(offer.media_type)
        search, warnings = _read(request, level)
        if offer.multipart:
            found = await request.run(_search, request, search, form)
        else:
            found = await _remembered(request, search, form)
        notes = [*warnings, *found.notes, *_remaining(search, found)]
        headers = {TOTAL_COUNT: str(found.total), **_headers(request, notes)}
        if not found.first and offer.multipart:
            return Response(status_code=204, headers=headers)  # there is no multipart without a part
        headers["Content-Type"] = form.content_type
        if found.rest is not None:
            return StreamedResponse(_pieces(request, form.begin(found.first), found.rest), headers)
        return Response(form.begin(found.first[: search.limit]) + form.end(), 200, headers)

    return _metered(level, handle)


def _counting(level: Level) -> Handler:
    async def handle(request: DicomWebRequest) -> ASGIApp:
        request.choose((_PLAIN_JSON, _JSON))
        search, warnings = _read(request, level)
        prepared, total = await request.run(_count, request, search)
        headers = _headers(request, [*warnings, *_ignored(prepared)])
        return Response(orjson.dumps({"count": total}), 200, headers, _PLAIN_JSON.media_type)

    return _metered(level, handle)


def _metered(level: Level, answer: Handler) -> Handler:
    """Count what an answer is given to, and how long its beginning takes."""

    async def handle(request: DicomWebRequest) -> ASGIApp:
        began = time.monotonic()
        try:
            return await answer(request)
        finally:
            request.services.query.meter.query_answered(level, time.monotonic() - began)

    return handle


def _read(request: DicomWebRequest, level: Level) -> tuple[Search, list[str]]:
    """Read the parameters, and say which of them are not heeded."""
    query, variables = request.query, request.variables
    highest = request.services.query.max_results
    others = [(name, value) for name, value in query.pairs if name not in _OPTIONS]
    search = Search(
        level,
        within=tuple((_WITHIN[name], uid) for name, uid in variables.items()),
        matches=tuple((name, value) for name, value in others if _ATTRIBUTE.fullmatch(name)),
        include=tuple(query.split("includefield")),
        order_by=tuple(query.split("orderby")),
        fuzzy=query.flag("fuzzymatching"),
        empty_values=query.flag("emptyvaluematching"),
        all_values=query.flag("multiplevaluematching"),
        limit=query.integer("limit", default=highest, low=0, high=highest),
        offset=query.integer("offset", default=0, low=0, high=_MAX_OFFSET),
    )
    unknown = [name for name, _ in others if not _ATTRIBUTE.fullmatch(name)]
    return search, [f"The {name} parameter is not known and was ignored." for name in unknown[:8]]


def _ignored(prepared: PreparedSearch) -> list[str]:
    return [
        *(f"The attribute {name} is not indexed here and was not matched." for name in prepared.ignored[:8]),
        *(f"The attribute {name} is not indexed at this level and was not returned." for name in prepared.left_out[:8]),
    ]


def _remaining(search: Search, found: _Results) -> Iterator[str]:
    left = found.total - search.offset - search.limit
    if left > 0:
        yield f"There are {left} additional results that can be requested"


_but_its_limit: Final = attrgetter(*(field.name for field in fields(Search) if field.name != "limit"))
"""Returns what of a search decides its answer, however much of that is wanted."""


async def _remembered(request: DicomWebRequest, search: Search, form: _Form) -> _Results:
    """Find what was asked for, unless as much of it was found before and nothing has changed since."""
    queries = request.services.query

    def serves(found: _Results) -> bool:
        wanted = min(search.limit, found.total - search.offset)
        return found.rest is None and len(found.first) >= wanted and sum(map(len, found.first)) <= _REMEMBERED_BYTES

    if queries.review is not None:  # what is found may depend on who asks, and on when
        return await request.run(_search, request, search, form)
    key = (_but_its_limit(search), request.base_url)
    found = queries.recall(key, serves)
    if found is None:
        found = await request.run(queries.remember, key, partial(_search, request, search, form), serves)
    return found


def _search(request: DicomWebRequest, search: Search, form: _Form) -> _Results:
    """Find the first results, and count all; blocks."""
    queries = request.services.query
    prepared = prepare(search)
    prepared = replace(prepared, query=queries.reviewed("QIDO-RS", prepared.query))
    few = queries.few(prepared.query)
    if few is not None:
        first, rest = _begin(queries, _among(prepared, few), request.base_url, form)
        return _Results(first, len(few), rest, _ignored(prepared))
    first, rest = _begin(queries, prepared, request.base_url, form)
    reached = search.offset + len(first)
    # Where the results reach the end, their number is known already.
    ended = rest is None and len(first) < search.limit and (first or not search.offset)
    return _Results(first, reached if ended else queries.count(prepared.query), rest, _ignored(prepared))


def _count(request: DicomWebRequest, search: Search) -> tuple[PreparedSearch, int]:
    """Count what is searched for; blocks."""
    queries = request.services.query
    prepared = prepare(search)
    return prepared, queries.count(queries.reviewed("QIDO-RS", prepared.query))


def _among(prepared: PreparedSearch, few: Sequence[int]) -> PreparedSearch:
    """Return the search whose matches are known already; without an order they come as they arrived."""
    query = prepared.query
    if query.order_by:
        return replace(prepared, query=replace(query, among=tuple(few)))
    page = sorted(few)[query.offset : query.offset + prepared.limit]
    return replace(prepared, query=replace(query, among=tuple(page), offset=0))


def _begin(
    queries: QueryService, prepared: PreparedSearch, base_url: str, form: _Form
) -> tuple[list[bytes], _Batches | None]:
    """Write the first results; return them, and the rest of the body unless they are all."""
    write = result_writer(prepared.query.level, prepared.query.requested, base_url).write
    first: list[bytes] = []
    size = 0
    pages = queries.pages(prepared.query)
    for page in pages:
        batch = [write(row) for row in page]
        size += sum(map(len, batch))
        first += batch
        if size > _PIECE_BYTES:
            return first, _rest(pages, write, form)
    return first, None


def _rest(pages: Iterator[Sequence[Row]], write: Callable[[Row], bytes], form: _Form) -> _Batches:
    for page in pages:
        if page:
            yield form.go_on([write(row) for row in page])
    yield form.end()


def _headers(request: DicomWebRequest, notes: list[str]) -> dict[str, str]:
    headers = {"Cache-Control": "private, no-cache", "Vary": "Accept"}
    if notes:
        headers["Warning"] = ", ".join(warning(request.base_url, note) for note in notes)
    return headers


async def _pieces(request: DicomWebRequest, first: bytes, rest: _Batches) -> Pieces:
    """Send batch after batch; the next is looked up while the one before is on its way."""
    coming = asyncio.ensure_future(request.run(next, rest, b""))
    try:
        yield first
        while batch := await asyncio.shield(coming):
            coming = asyncio.ensure_future(request.run(next, rest, b""))
            yield batch
    finally:
        # Whatever ended this, the thread has to be out of the generator before it is closed.
        await asyncio.gather(coming, return_exceptions=True)
        await request.run(rest.close)


def _flag(name: str, description: str) -> Parameter:
    return Parameter(name, description, {"type": "string", "enum": ["true", "false"]})


_MATCHING: Final = (
    Parameter(
        "{attribute}",
        "Match an attribute, named by its keyword or its tag of eight hexadecimal digits, in a sequence joined with a "
        "dot: `PatientName=Doe*`, `00080020=20240101-`, `RequestAttributesSequence.ScheduledProcedureStepID=7`.",
    ),
    _flag("fuzzymatching", "Match person names by their words, as they begin or sound."),
    _flag("multiplevaluematching", "Match only what has every one of several values."),
    _flag("emptyvaluematching", 'Let `""` match what has no value.'),
)
_LISTING: Final = (
    Parameter(
        "includefield",
        "Attributes to return beside those of the standard: keywords, tags, sequences or `all`; several with commas, "
        "or repeated.",
    ),
    Parameter(
        "limit", "At most so many results; above the server's own limit that one.", {"type": "integer", "minimum": 0}
    ),
    Parameter("offset", "Leave out so many results first.", {"type": "integer", "minimum": 0}),
    Parameter("orderby", "Attributes to sort by, several with commas; `-StudyDate` descends."),
)
_ADDRESSES: Final = (
    ("Studies", "/studies", Level.STUDY, "studies"),
    ("StudySeries", "/studies/{study}/series", Level.SERIES, "the series of a study"),
    ("Series", "/series", Level.SERIES, "series"),
    ("SeriesInstances", "/studies/{study}/series/{series}/instances", Level.IMAGE, "the instances of a series"),
    ("StudyInstances", "/studies/{study}/instances", Level.IMAGE, "the instances of a study"),
    ("Instances", "/instances", Level.IMAGE, "instances"),
)
_SEARCH: Final = Resource(
    "SearchFor",
    "GET",
    "",
    _searching(Level.STUDY),
    "Search for",
    (*_MATCHING, *_LISTING, ACCEPT),
    (_JSON.media_type, _PLAIN_JSON.media_type, f'multipart/related; type="{_XML.media_type}"'),
    statuses=(200, 204, 400, 406, 413),
)


def _resources(addresses: tuple[tuple[str, str, Level, str], ...]) -> tuple[Resource, ...]:
    found: list[Resource] = []
    for name, path, level, things in addresses:
        found += (
            replace(_SEARCH, name=f"SearchFor{name}", path=path, handler=_searching(level), summary=f"Find {things}"),
            replace(
                _SEARCH,
                name=f"Count{name}",
                path=f"{path}/count",
                handler=_counting(level),
                summary=f"Count {things}",
                parameters=(*_MATCHING, ACCEPT),
                produces=(_PLAIN_JSON.media_type,),
                statuses=(200, 400, 406, 413),
            ),
        )
    return tuple(found)


RESOURCES: Final = _resources(_ADDRESSES)
