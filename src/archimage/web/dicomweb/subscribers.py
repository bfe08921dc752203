"""UPS-RS: who is told of work items, over a WebSocket.

Events wait for a subscriber who is away. One that was sent is forgotten once the client has closed in order, or was
there long enough after to have answered a ping; so a connection that breaks off loses none, and may bring some twice.

Ref: PS3.18 §11.10 to §11.13, §8.10.4 (sending events), §8.10.5 (their form).
"""

import asyncio
from collections import deque
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Final

import orjson
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from archimage.errors import InvalidRequestError, NotAuthorisedError, UnavailableError
from archimage.model import callers
from archimage.model.ids import is_ae_title
from archimage.model.ups import Door, KeptEvent
from archimage.protocol.uids import UPS_PUSH
from archimage.services.datasets import Model
from archimage.services.qido import keys_of, parse_path
from archimage.services.ups_events import keys_model
from archimage.web.dicomweb.resources import DicomWebRequest, Parameter, Resource
from archimage.web.dicomweb.workitems import answering, headers
from archimage.web.errors import status_report
from archimage.web.sockets import CLOSED_IN_ORDER, PING_EVERY_S, SOCKET, Socket

MAX_SOCKETS: Final = 256
"""Subscribers who are connected to one process at a time."""
_LOOK_EVERY_S: Final = 2.0
"""How soon an event that another process keeps is found."""
_HEARD_AFTER_S: Final = 2 * PING_EVERY_S + 5


@answering
async def _subscribe(request: DicomWebRequest) -> ASGIApp:
    uid, ae_title = request.variables["workitem"], _ae_title(request)
    subscribe = request.services.procedures.subscriptions.subscribe
    lock = request.query.flag("deletionlock")
    keys = _filter(request)
    await request.run(partial(subscribe, uid, ae_title, Door.WEB, keys, lock=lock))
    address = f"{request.base_url}/subscribers/{ae_title}".replace("http", "ws", 1)
    return Response(b"", HTTPStatus.CREATED, headers(request, more={"Content-Location": address, "Location": address}))


@answering
async def _unsubscribe(request: DicomWebRequest) -> ASGIApp:
    unsubscribe = request.services.procedures.subscriptions.unsubscribe
    return _left(request, await request.run(unsubscribe, request.variables["workitem"], _ae_title(request)))


@answering
async def _suspend(request: DicomWebRequest) -> ASGIApp:
    suspend = request.services.procedures.subscriptions.suspend
    return _left(request, await request.run(suspend, request.variables["workitem"], _ae_title(request)))


def _left(request: DicomWebRequest, was_there: bool) -> Response:
    """Answer who gives up a subscription, which has to be there (PS3.18 §11.11.3.1, §11.12.3.1)."""
    if not was_there:
        return status_report(HTTPStatus.NOT_FOUND, "there is no such subscription", "Subscribe first.")
    return Response(b"", HTTPStatus.OK, headers(request))


def _ae_title(request: DicomWebRequest) -> str:
    title = request.variables["aetitle"]
    if not is_ae_title(title):
        raise InvalidRequestError(f"{title[:40]!r} is no AE title")
    return title


def _filter(request: DicomWebRequest) -> Model:
    """Read the keys of `filter`: `PatientID=1,00741202=CT`, or as parameters of their own."""
    pairs = [(name, value) for name, value in request.query.pairs if name not in {"deletionlock", "filter", "accept"}]
    for part in request.query.split("filter"):
        name, _, value = part.partition("=")
        pairs.append((name, value))
    return keys_model(keys_of([(parse_path(name), value) for name, value in pairs], ()))


# Events


async def _connect(request: DicomWebRequest) -> ASGIApp:
    socket: Socket | None = request.scope.get(SOCKET)
    if callers.granted().within:
        raise NotAuthorisedError("who was granted a part of the archive may not hear of all of it")
    ae_title = _ae_title(request)
    if socket is None:
        return status_report(
            HTTPStatus.UPGRADE_REQUIRED,
            "events are told over a WebSocket",
            "Open this address with a WebSocket client.",
            {"Upgrade": "websocket", "Connection": "Upgrade"},
        )
    return _Telling(request, socket, ae_title)


class _Telling:
    """Tells one subscriber, over one connection."""

    count = 0

    def __init__(self, request: DicomWebRequest, socket: Socket, ae_title: str) -> None:
        if _Telling.count >= MAX_SOCKETS:
            raise UnavailableError(f"{MAX_SOCKETS} subscribers are connected already")
        self._request = request
        self._socket = socket
        self._ae_title = ae_title
        self._subscriptions = request.services.procedures.subscriptions
        self._last = 0
        self._sent: deque[tuple[float, int]] = deque()
        self._woken = asyncio.Event()

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Serve the connection until its end."""
        loop = asyncio.get_running_loop()
        listening = self._request.services.procedures.steps.listening

        def wake() -> None:
            loop.call_soon_threadsafe(self._woken.set)

        await self._socket.accept(send)
        closed = asyncio.ensure_future(self._socket.until_closed())
        closed.add_done_callback(lambda _: self._woken.set())
        _Telling.count += 1
        try:
            with listening.of(self._ae_title, wake), suppress(OSError):
                await self._tell(closed)
            if closed.done() and closed.result() in CLOSED_IN_ORDER:
                await asyncio.shield(self._heard(loop.time()))  # even where the server ends meanwhile
        finally:
            _Telling.count -= 1
            closed.cancel()

    async def _tell(self, closed: "asyncio.Future[int]") -> None:
        loop = asyncio.get_running_loop()
        while not closed.done():
            self._woken.clear()
            events = await self._request.run(self._subscriptions.events, self._ae_title, self._last)
            for one in events:
                await self._socket.send(_told(one))
                self._last = one.number
                self._sent.append((loop.time(), one.number))
            await self._heard(loop.time() - _HEARD_AFTER_S)
            if not events:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_EVERY_S):
                        await self._woken.wait()

    async def _heard(self, until: float) -> None:
        """Forget what was sent up to a time."""
        number = 0
        while self._sent and self._sent[0][0] <= until:
            _, number = self._sent.popleft()
        if number:
            await self._request.run(self._subscriptions.heard, self._ae_title, number)


def _told(kept: KeptEvent) -> str:
    """Return an event as the standard has it: the command's attributes and those of the report, in one data set."""
    command = {
        "00000002": {"vr": "UI", "Value": [UPS_PUSH]},
        "00000110": {"vr": "US", "Value": [kept.number % 0xFFFF + 1]},
        "00001000": {"vr": "UI", "Value": [kept.event.uid]},
        "00001002": {"vr": "US", "Value": [int(kept.event.type)]},
    }
    return orjson.dumps({**command, **orjson.loads(kept.event.payload)}).decode()


_LOCK: Final = Parameter(
    "deletionlock", "Keep what is final from being deleted.", {"type": "string", "enum": ["true", "false"]}
)
_FILTER: Final = Parameter(
    "filter", "For the subscription with a filter, 1.2.840.10008.5.1.4.34.5.1: `PatientID=DEMO-1`, several with commas."
)
_PLACE: Final = "/workitems/{workitem}/subscribers/{aetitle}"

RESOURCES: Final = (
    Resource(
        "SubscribeToWorkitem", "POST", _PLACE, _subscribe, "Have an AE title told of a work item, or of all",
        (_LOCK, _FILTER), statuses=(201, 400, 404, 507),
    ),
    Resource(
        "UnsubscribeFromWorkitem", "DELETE", _PLACE, _unsubscribe, "Tell an AE title no more", statuses=(200, 400, 404)
    ),
    Resource(
        "SuspendWorkitemSubscription", "POST", f"{_PLACE}/suspend", _suspend,
        "Subscribe an AE title to no more work items than it is subscribed to", statuses=(200, 400, 404),
    ),
    Resource(
        "OpenWorkitemEvents", "GET", "/subscribers/{aetitle}", _connect,
        "Hear of work items, over a WebSocket", statuses=(101, 400, 426, 503),
    ),
)  # fmt: skip
