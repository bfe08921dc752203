"""`/tools/find` and `/tools/lookup`."""

from typing import Any, Final

import orjson
from starlette.types import ASGIApp

from archimage.errors import InvalidRequestError
from archimage.model.attributes import Level
from archimage.services.orthanc import OrthancService, Search
from archimage.web.orthanc.calls import Call, Endpoint, answer
from archimage.web.orthanc.describing import TYPES, path_of
from archimage.web.orthanc.resources import members

_LEVELS: Final = {name: level for level, name in TYPES.items()}
_ABOVE: Final = {f"Parent{TYPES[level]}": level for level in Level if level is not Level.IMAGE}
_KNOWN: Final = {"Level", "Query", "Expand", "Since", "Limit", "CaseSensitive", "Labels", "LabelsConstraint", *_ABOVE}


async def _find(call: Call) -> ASGIApp:
    asked = _object(await call.body())
    expand, since, limit = bool(asked.get("Expand")), _integer(asked, "Since"), _integer(asked, "Limit")

    def find() -> ASGIApp:
        search = _search(call.services.orthanc, asked)
        return members(call, call.services.orthanc.search(search, since, limit or None), expand=expand)

    return await call.run(find)


def _object(body: bytes) -> dict[str, Any]:
    try:
        asked = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequestError(f"the body is no JSON: {error}") from None
    if not isinstance(asked, dict):
        raise InvalidRequestError("the body must be a JSON object")
    if unknown := asked.keys() - _KNOWN:
        names = ", ".join(sorted(_KNOWN))
        raise InvalidRequestError(f"{min(unknown)[:40]!r} is not known here; what may be asked: {names}")
    return asked


def _search(orthanc: OrthancService, asked: dict[str, Any]) -> Search:
    level = _LEVELS.get(str(asked.get("Level")))
    if level is None:
        raise InvalidRequestError(f"Level is one of {', '.join(_LEVELS)}")
    query = asked.get("Query", {})
    if not isinstance(query, dict) or not all(isinstance(value, str) for value in query.values()):
        raise InvalidRequestError("Query is an object of attributes and texts")
    within = tuple(orthanc.find(above, str(asked[name])) for name, above in _ABOVE.items() if name in asked)
    return Search(level, tuple(query.items()), _labels(level, asked), within)


def _labels(level: Level, asked: dict[str, Any]) -> tuple[str, ...]:
    labels = asked.get("Labels", [])
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise InvalidRequestError("Labels is a list of texts")
    if labels and (level is not Level.STUDY or asked.get("LabelsConstraint", "All") != "All"):
        raise InvalidRequestError("studies have labels, and are found by all of several: LabelsConstraint is All")
    return tuple(labels)


def _integer(asked: dict[str, Any], name: str) -> int:
    value = asked.get(name, 0)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 62:
        raise InvalidRequestError(f"{name} is a number from 0 on")
    return value


async def _lookup(call: Call) -> ASGIApp:
    text = (await call.body()).decode("utf-8", "replace").strip()
    found = await call.run(lambda: [*call.services.orthanc.lookup(text)])
    return answer([{"ID": named.hashed_id, "Path": path_of(named), "Type": TYPES[named.level]} for named in found])


ENDPOINTS: Final = (
    Endpoint("POST", "/tools/find", _find),
    Endpoint("POST", "/tools/lookup", _lookup),
)
