"""Lists of what is kept, single resources, what stands above and below them, their labels, archives and removal."""

from collections.abc import Iterable

from starlette.types import ASGIApp

from archimage.model.attributes import Level
from archimage.model.hashed import Named
from archimage.services.orthanc import Search
from archimage.web.dicomweb import wado
from archimage.web.orthanc.calls import Call, Endpoint, Handler, answer, listed
from archimage.web.orthanc.delegating import dicomweb_request
from archimage.web.orthanc.describing import LEVELS, PATHS, TYPES, describe, described, path_of

LISTING = ("expand", "since", "limit")


def members(call: Call, found: Iterable[Named], *, expand: bool) -> ASGIApp:
    """Answer with what was found, described or by identifier; blocks."""
    if expand:
        return listed(call, described(call.services, found))
    return listed(call, (named.hashed_id for named in found))


def _list(level: Level) -> Handler:
    async def handle(call: Call) -> ASGIApp:
        since, limit = call.integer("since") or 0, call.integer("limit")
        expand = call.is_set("expand")
        return await call.run(
            lambda: members(call, call.services.orthanc.search(Search(level), since, limit), expand=expand)
        )

    return handle


def _get(level: Level) -> Handler:
    async def handle(call: Call) -> ASGIApp:
        named = await call.named(level)
        return answer(await call.run(describe, call.services, named))

    return handle


def _remove(level: Level) -> Handler:
    async def handle(call: Call) -> ASGIApp:
        named = await call.named(level)
        left = await call.run(call.services.orthanc.remove, named)
        ancestor = None if left is None else {"ID": left.hashed_id, "Path": path_of(left), "Type": TYPES[left.level]}
        return answer({"RemainingAncestor": ancestor})

    return handle


def _below(level: Level, below: Level) -> Handler:
    async def handle(call: Call) -> ASGIApp:
        named = await call.named(level)
        expand = call.is_set("expand", default=True)
        return await call.run(
            lambda: members(call, call.services.orthanc.search(Search(below, within=(named,))), expand=expand)
        )

    return handle


def _above(level: Level, above: Level) -> Handler:
    async def handle(call: Call) -> ASGIApp:
        named = await call.named(level)
        return answer(await call.run(describe, call.services, named.above(above)))

    return handle


def _archive(level: Level) -> Handler:
    async def handle(call: Call) -> ASGIApp:
        named = await call.named(level)
        request = dicomweb_request(call, "RetrieveStudy", named)

        def archived() -> ASGIApp:
            frames = call.services.web.frames
            studies = [named] if level is not Level.PATIENT else call.services.orthanc.below(named, Level.STUDY)
            instances = (one for study in studies for one in frames.instances(*study.names[1:]))
            wanted = (wado.Wanted(one, one.transfer_syntax_uid, may_stay=True) for one in instances)
            return wado.archived(request, wanted, named.hashed_id)

        return await call.run(archived)

    return handle


async def _labels(call: Call) -> ASGIApp:
    named = await call.named(Level.STUDY)
    return answer(await call.run(call.services.management.labels.of, named.names[-1]))


async def _add_label(call: Call) -> ASGIApp:
    named = await call.named(Level.STUDY)
    await call.run(call.services.management.labels.add, named.names[-1], call.variable("label"))
    return answer({})


async def _remove_label(call: Call) -> ASGIApp:
    named = await call.named(Level.STUDY)
    await call.run(call.services.management.labels.remove, named.names[-1], call.variable("label"))
    return answer({})


def _endpoints(level: Level) -> Iterable[Endpoint]:
    name = f"/{PATHS[level]}"
    one = f"{name}/{{id}}"
    yield Endpoint("GET", name, _list(level), LISTING)
    yield Endpoint("GET", one, _get(level))
    yield Endpoint("DELETE", one, _remove(level))
    for below in LEVELS[level.depth + 1 :]:
        yield Endpoint("GET", f"{one}/{PATHS[below]}", _below(level, below), ("expand",))
    for above in LEVELS[: level.depth]:
        yield Endpoint("GET", f"{one}/{TYPES[above].lower()}", _above(level, above))
    if level is not Level.IMAGE:
        yield Endpoint("GET", f"{one}/archive", _archive(level))


ENDPOINTS = (
    *(endpoint for level in LEVELS for endpoint in _endpoints(level)),
    Endpoint("GET", "/studies/{id}/labels", _labels),
    Endpoint("PUT", "/studies/{id}/labels/{label}", _add_label),
    Endpoint("DELETE", "/studies/{id}/labels/{label}", _remove_label),
)
