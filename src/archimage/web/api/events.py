"""`/api/v1/events`: what happens, as it happens, as server-sent events.

id: {epoch}.{number}        Last-Event-ID of a client that comes again
event: study-grew           the kind
data: {"time": ..., ...}    a JSON object

A comment comes every 15 s, so that proxies and clients see that the stream lives. `lost` tells that events were missed:
a client that shows lists reads them anew.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial
from typing import Annotated, Final

import orjson
from fastapi import APIRouter, Header
from starlette.responses import StreamingResponse

from archimage.errors import UnavailableError
from archimage.model.callers import granted
from archimage.model.events import Event, TaskChanged
from archimage.services.events import EventHub, Told
from archimage.web.api.resources import Services, failing
from archimage.web.management import ApiServices

HEARTBEAT_S: Final = 15.0
MAX_FOLLOWERS: Final = 200
_BEGIN: Final = b"retry: 2000\n: events follow\n\n"
_HEARTBEAT: Final = b":\n\n"
_ID: Final = re.compile(r"([0-9a-f]{1,16})\.([0-9]{1,18})", re.ASCII)
_WORD: Final = re.compile(r"(?<!^)(?=[A-Z])")
_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


async def follow_events(
    services: Services,
    last_event_id: Annotated[str, Header(description="Id of the last event that was seen.", max_length=64)] = "",
) -> StreamingResponse:
    """Follow what happens, until the client goes away."""
    hub = services.events
    if hub.followers >= MAX_FOLLOWERS:
        raise UnavailableError(f"{MAX_FOLLOWERS} clients follow the events already")
    shown = partial(_is_shown, services) if granted().within else None
    return StreamingResponse(stream(hub, last_event_id, shown), headers=_HEADERS, media_type="text/event-stream")


def _is_shown(services: ApiServices, event: Event) -> bool:
    """Tell whether somebody who may see a part of the archive alone may hear of an event; blocks."""
    if isinstance(event, TaskChanged):
        return services.tasks.is_shown(event.task)
    study = getattr(event, "study_instance_uid", "")
    return bool(study) and services.visible.sees(study)


async def stream(
    hub: EventHub, last_event_id: str, shown: Callable[[Event], bool] | None = None
) -> AsyncGenerator[bytes, None]:
    """Yield the stream of one follower; shown, which blocks, tells what he may hear of, where that is not all."""
    woken = asyncio.Event()
    loop = asyncio.get_running_loop()

    def wake() -> None:
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(woken.set)

    number, missed = _start(hub, last_event_id)
    with hub.following(wake):
        yield _BEGIN + (_lost(hub, number) if missed else b"")
        while True:
            woken.clear()
            news = hub.since(number)
            number = news.last
            if shown is not None:
                told = await asyncio.to_thread(lambda told: tuple(one for one in told if shown(one.event)), news.told)
                news = replace(news, told=told)
            if news.lost or news.told:
                yield b"".join(_written(hub, news.told, lost=news.lost))
            try:
                async with asyncio.timeout(HEARTBEAT_S if news.due_s is None else news.due_s):
                    await woken.wait()
            except TimeoutError:
                if news.due_s is None:
                    yield _HEARTBEAT


def _start(hub: EventHub, last_event_id: str) -> tuple[int, bool]:
    """Return the number of the event to begin after, and whether some were missed before it."""
    found = _ID.fullmatch(last_event_id)
    if found is None:
        return hub.last, False
    if found[1] != hub.epoch or int(found[2]) > hub.last:  # of an earlier run, or of another worker process
        return hub.last, True
    return int(found[2]), False


def _written(hub: EventHub, told: tuple[Told, ...], *, lost: int) -> Iterator[bytes]:
    if lost:
        yield _lost(hub, told[0].number - 1 if told else hub.last)
    for one in told:
        name = _WORD.sub("-", type(one.event).__name__).lower()
        yield _event(hub, one.number, name, {"time": one.time, **asdict(one.event)})


def _lost(hub: EventHub, number: int) -> bytes:
    return _event(hub, number, "lost", {"reload": True})


def _event(hub: EventHub, number: int, name: str, data: dict[str, object]) -> bytes:
    return f"id: {hub.epoch}.{number}\nevent: {name}\ndata: ".encode() + orjson.dumps(data) + b"\n\n"


def router() -> APIRouter:
    """Return the resource."""
    found = APIRouter(tags=["events"])
    described = failing(400, 503)
    described[200] = {"description": "Server-sent events", "content": {"text/event-stream": {}}}
    found.add_api_route("/events", follow_events, methods=["GET"], response_model=None, responses=described)
    return found
