"""Our web side on a loop in a thread of its own, over a small archive, so that a test may talk to it with sockets."""

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from archimage.app import App, build
from archimage.concurrency.uses import Uses
from archimage.config import Config, DicomConfig, HttpConfig, QueryConfig, StorageConfig
from archimage.model.records import InstanceRecord
from archimage.server import web_side
from archimage.threads import WorkerThreads
from archimage.web.dicomweb.resources import Threads
from archimage.web.protocol import HttpLimits
from archimage.web.server import HttpServer

_WITHIN_S = 20.0


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, from JSON."""
        return json.loads(self.body)


class Client:
    """Talks to a server, each request on a connection of its own."""

    def __init__(self, port: int) -> None:
        self.port = port

    def ask(
        self, path: str, method: str = "GET", body: bytes | Iterable[bytes] | None = None, **headers: str
    ) -> Answer:
        """Send one request; headers with underscores for hyphens."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_WITHIN_S)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            found: dict[str, str] = {}
            for name, value in response.getheaders():
                found[name.lower()] = f"{found[name.lower()]}, {value}" if name.lower() in found else value
            return Answer(response.status, found, response.read())
        finally:
            connection.close()

    def raw(self, data: bytes) -> bytes:
        """Send bytes and read until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=_WITHIN_S) as connection:
            connection.sendall(data)
            return read_all(connection)


def read_all(connection: socket.socket) -> bytes:
    """Read until the peer closes."""
    pieces = []
    try:
        while piece := connection.recv(1 << 16):
            pieces.append(piece)
    except ConnectionResetError:
        pass
    return b"".join(pieces)


def config(directory: Path, http: HttpConfig | None = None, query: QueryConfig | None = None) -> Config:
    """Return settings on free ports."""
    return Config(
        dicom=DicomConfig(port=0),
        http=http or HttpConfig(port=0),
        query=query or QueryConfig(),
        storage=StorageConfig(directory=directory, durability="os"),
    )


@contextmanager
def serving(
    settings: Config, records: Iterable[InstanceRecord] = (), limits: HttpLimits | None = None
) -> Iterator[Client]:
    """Serve an archive that holds rows of these records."""
    app = build(settings)
    app.index.add(list(records))
    loop = uvloop.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    with closing(WorkerThreads(4, "web")) as threads, socket.create_server(("127.0.0.1", 0)) as listener:
        server = _listen(loop, app, threads, listener, limits)
        app.jobs.start(settings, "0")
        try:
            yield Client(listener.getsockname()[1])
        finally:
            asyncio.run_coroutine_threadsafe(server.close(), loop).result(_WITHIN_S)
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()
    app.close()


def _listen(
    loop: asyncio.AbstractEventLoop,
    app: App,
    threads: WorkerThreads,
    listener: socket.socket,
    limits: HttpLimits | None,
) -> HttpServer:
    served = web_side(app, Threads(threads, threads), Uses(app)).application

    async def listen() -> HttpServer:
        server = HttpServer(served, limits)
        await server.listen(listener)
        return server

    return asyncio.run_coroutine_threadsafe(listen(), loop).result(_WITHIN_S)
