"""What a search answers: a Bundle, a page at a time, with links to itself and to the next one.

Ref: https://hl7.org/fhir/R4B/http.html §3.1.0.9 (search), §3.1.0.11 (paging), search.html §3.1.1.5 (results).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from starlette.responses import Response

from archimage.errors import InvalidRequestError
from archimage.services.fhir.archive import Found
from archimage.services.fhir.ids import Resource
from archimage.services.fhir.searching import Asked
from archimage.web.fhir.calls import Call
from archimage.web.fhir.forms import MEDIA_TYPE, version_of, written
from archimage.web.fhir.outcomes import outcome

PAGE: Final = 50
MAX_PAGE: Final = 200
_MAX_OFFSET: Final = 1 << 40
OFFSET: Final = "_offset"
LISTING: Final = ("_count", OFFSET, "_sort", "_summary", "_total")
"""Parameters of every search."""
_OF_RESULT: Final = frozenset({*LISTING, "_include", "_format", "_pretty"})
_SUMMARIES: Final = frozenset({"count", "false"})
_TOTALS: Final = frozenset({"none", "estimate", "accurate"})


@dataclass(frozen=True, slots=True)
class Searching:
    """A search as a client asks for it: what for, what beside it, whether only the number, and what was passed over."""

    asked: Asked
    include: frozenset[str]
    only_count: bool
    ignored: tuple[str, ...]


def read(call: Call, known: Iterable[str], includes: Iterable[str] = ()) -> Searching:
    """Read the parameters of a search.

    Raises:
        InvalidRequestError: a parameter is not known and the client wants to hear that, or its value does not fit.
    """
    parameters, names = call.parameters, frozenset(known)
    ignored = [name for name, _ in parameters.pairs if name not in names and name not in _OF_RESULT]
    wanted = frozenset(parameters.split("_include"))
    ignored += [f"_include={one}" for one in sorted(wanted - frozenset(includes))]
    if ignored and call.is_strict:
        raise InvalidRequestError(
            f"the parameter {ignored[0][:60]!r} is not known here",
            next_step=f"Known are {', '.join(sorted(names | _OF_RESULT))}.",
        )
    parameters.choice("_total", _TOTALS)
    asked = Asked(
        pairs=tuple((name, value) for name, value in parameters.pairs if name in names),
        sort=",".join(parameters.all("_sort")),
        limit=parameters.integer("_count", default=PAGE, low=0, high=MAX_PAGE),
        offset=parameters.integer(OFFSET, default=0, low=0, high=_MAX_OFFSET),
    )
    only_count = parameters.choice("_summary", _SUMMARIES) == "count" or not asked.limit
    return Searching(asked, wanted & frozenset(includes), only_count, tuple(dict.fromkeys(ignored)))


def bundle(call: Call, kind: str, searching: Searching, found: Found, included: Sequence[Resource] = ()) -> Response:
    """Answer with what was found, and what was asked for beside it."""
    links = [{"relation": "self", "url": _address(call, kind, searching, searching.asked.offset)}]
    reached = searching.asked.offset + len(found.resources)
    if found.resources and reached < found.total:
        links.append({"relation": "next", "url": _address(call, kind, searching, reached)})
    made: Resource = {"resourceType": "Bundle", "type": "searchset", "total": found.total, "link": links}
    entries = [_entry(call, one, "match") for one in found.resources]
    entries += [_entry(call, one, "include") for one in included]
    if searching.ignored:
        told = outcome("warning", "not-supported", f"Passed over: {', '.join(searching.ignored)[:500]}")
        entries.append({"resource": told, "search": {"mode": "outcome"}})
    if entries:
        made["entry"] = entries
    headers = {"Cache-Control": "private, no-cache", "Vary": "Accept"}
    return Response(written(made, pretty=call.is_pretty), 200, headers, MEDIA_TYPE)


def _entry(call: Call, resource: Resource, mode: str) -> Resource:
    address = f"{call.base}/{resource['resourceType']}/{resource['id']}"
    versioned = {**resource, "meta": {**resource.get("meta", {}), "versionId": version_of(resource)}}
    return {"fullUrl": address, "resource": versioned, "search": {"mode": mode}}


def _address(call: Call, kind: str, searching: Searching, offset: int) -> str:
    """Return the address of a page of the search, as it was understood."""
    pairs = [*searching.asked.pairs]
    pairs += [(name, value) for name, value in call.parameters.pairs if name in {"_sort", "_summary", "_total"}]
    pairs += [("_include", one) for one in sorted(searching.include)]
    pairs += [(name, value) for name, value in call.parameters.pairs if name == "_count"]
    if offset:
        pairs.append((OFFSET, str(offset)))
    asked = urlencode(pairs, errors="replace")
    return f"{call.base}/{kind}{'?' if asked else ''}{asked}"


def unique(resources: Iterable[Resource | None], key: Callable[[Resource], str]) -> list[Resource]:
    """Return each once."""
    return [*{key(one): one for one in resources if one is not None}.values()]
