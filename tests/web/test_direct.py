"""Large bodies go between sockets, files and threads, whatever the client does meanwhile."""

import asyncio
import os
import random
import socket
import threading
import zlib
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
import uvloop
from starlette.types import ASGIApp, Receive, Scope, Send

from archimage.errors import ArchimageError, ConnectionFailedError, SlowRequestError
from archimage.ports.storage import FileSpan
from archimage.storage.filesystem import FileReader
from archimage.web.direct import DIRECT, Piece, chunked, in_memory
from archimage.web.protocol import HttpLimits
from archimage.web.receiving import TimedReceive
from archimage.web.responses import ThreadedResponse
from archimage.web.server import HttpServer
from tests.web.serving import read_all

_WITHIN_S = 20.0
GET = b"GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n"
LAST = b"GET /%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
SIZES = (0, 1, 65_536, 700_001, 9 << 20, 3)
"""Of the files; the largest is more than a socket takes at once."""


def bytes_of(seed: int, size: int) -> bytes:
    """Return bytes of chance, the same for the same seed."""
    return random.Random(seed).randbytes(size)  # noqa: S311 - nothing is secret here


@dataclass
class Files:
    """An application: `/plain` answers with its files between lines, `/chunked` without telling a length."""

    directory: Path
    executor: ThreadPoolExecutor
    declared_bytes: int | None = None
    extended: bool = True
    closed: threading.Event = field(default_factory=threading.Event)
    opened: list[FileReader] = field(default_factory=list)

    @property
    def whole(self) -> bytes:
        """What the answer is."""
        return b"".join(b"<%d>" % number + self.path(number).read_bytes() for number in range(len(SIZES))) + b"end"

    def path(self, number: int) -> Path:
        """Where a file is."""
        return self.directory / str(number)

    def pieces(self) -> Generator[Piece, None, None]:
        """Yield lines and files, each file open until the next step."""
        try:
            for number, size in enumerate(SIZES):
                yield b"<%d>" % number
                with FileReader(self.path(number)) as file:
                    self.opened.append(file)
                    yield FileSpan(file.spans(0, size)[0].descriptor, 0, size)
            yield b"end"
        finally:
            self.closed.set()

    async def run(self, work: Any, *args: Any, **kwargs: Any) -> Any:
        """Work in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self.executor, partial(work, *args, **kwargs))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        length = len(self.whole) if self.declared_bytes is None else self.declared_bytes
        headers = {} if scope["path"] == "/chunked" else {"Content-Length": str(length)}
        if not self.extended:
            del scope["extensions"][DIRECT]
        await ThreadedResponse(self.pieces(), self.run, headers)(scope, receive, send)


@dataclass
class Bodies:
    """An application that tells of each body how long it was, its checksum, and whether threads received it."""

    executor: ThreadPoolExecutor
    errors: SimpleQueue[ArchimageError] = field(default_factory=SimpleQueue)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        body = TimedReceive(receive, 0.4)
        told = b"%d %d %d" % await self.read(scope, body)
        headers = [(b"content-length", b"%d" % len(told))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": told})

    async def read(self, scope: Scope, body: TimedReceive) -> tuple[int, int, bool]:
        """Receive the whole body."""
        length = crc32 = 0
        direct = body.direct(scope)

        def take() -> None:
            nonlocal length, crc32
            assert direct is not None
            for buffer, size in direct.chunks():
                length, crc32 = length + size, zlib.crc32(memoryview(buffer)[:size], crc32)

        try:
            while direct is None and not body.finished:
                chunk = (await body())["body"]
                length, crc32 = length + len(chunk), zlib.crc32(chunk, crc32)
            while direct is not None:
                await asyncio.get_running_loop().run_in_executor(self.executor, take)
                if direct.finished:
                    break
                await direct.wait()
        except ArchimageError as error:
            self.errors.put(error)
        finally:
            if direct is not None:
                direct.close()
        return length, crc32, direct is not None


@contextmanager
def listening(application: ASGIApp, limits: HttpLimits | None = None) -> Iterator[int]:
    """Serve it; yields the port."""
    loop = uvloop.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def listen(listener: socket.socket) -> HttpServer:
        server = HttpServer(application, limits)
        await server.listen(listener)
        return server

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = asyncio.run_coroutine_threadsafe(listen(listener), loop).result(_WITHIN_S)
        try:
            yield listener.getsockname()[1]
        finally:
            asyncio.run_coroutine_threadsafe(_stop(server), loop).result(_WITHIN_S)
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()


async def _stop(server: HttpServer) -> None:
    """Stop as a process that ends."""
    await server.close()
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Files]:
    """The application, with files of chance."""
    for number, size in enumerate(SIZES):
        (tmp_path / str(number)).write_bytes(bytes_of(number, size))
    with ThreadPoolExecutor(2) as executor:
        yield Files(tmp_path, executor)


def connect(port: int, receive_bytes: int = 0) -> socket.socket:
    """Connect, with a small window if so wanted."""
    connection = socket.socket()
    if receive_bytes:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    connection.settimeout(_WITHIN_S)
    connection.connect(("127.0.0.1", port))
    return connection


def read_exactly(connection: socket.socket, count: int) -> bytes:
    """Read so many bytes, few at a time."""
    data = b""
    while len(data) < count:
        piece = connection.recv(min(count - len(data), 50_000))
        assert piece, "the server closed"
        data += piece
    return data


def read_answer(connection: socket.socket, length: int) -> bytes:
    """Read one answer of a length that is known; return its body."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += read_exactly(connection, 1)
    return read_exactly(connection, length)


def unchunked(body: bytes) -> bytes:
    """Join chunks."""
    data = b""
    while True:
        line, _, body = body.partition(b"\r\n")
        size = int(line, 16)
        data += body[:size]
        assert body[size : size + 2] == b"\r\n"
        body = body[size + 2 :]
        if not size:
            assert body == b""
            return data


@pytest.mark.parametrize("extended", [True, False], ids=["direct", "read"])
@pytest.mark.parametrize("receive_bytes", [0, 4_096], ids=["wide", "narrow"])
def test_an_answer_of_files_is_their_bytes_and_the_connection_lives_on(
    files: Files, receive_bytes: int, *, extended: bool
) -> None:
    files.extended = extended
    with listening(files) as port, connect(port, receive_bytes) as connection:
        for _ in range(2):
            connection.sendall(GET % b"plain")
            assert read_answer(connection, len(files.whole)) == files.whole
        connection.sendall(LAST % b"chunked")
        assert unchunked(read_all(connection).partition(b"\r\n\r\n")[2]) == files.whole


def test_answers_to_requests_that_came_together_come_one_after_the_other(files: Files) -> None:
    with listening(files) as port, connect(port) as connection:
        connection.sendall(GET % b"plain" + GET % b"plain" + LAST % b"chunked")
        assert read_answer(connection, len(files.whole)) == files.whole
        assert read_answer(connection, len(files.whole)) == files.whole
        assert unchunked(read_all(connection).partition(b"\r\n\r\n")[2]) == files.whole


def test_a_head_opens_no_file(files: Files) -> None:
    with listening(files) as port, connect(port) as connection:
        connection.sendall((LAST % b"plain").replace(b"GET", b"HEAD"))
        assert read_all(connection).endswith(b"\r\n\r\n")
    assert not files.opened


def test_a_client_that_leaves_lets_go_of_the_files(files: Files) -> None:
    with listening(files) as port:
        with connect(port, 4_096) as connection:
            connection.sendall(GET % b"plain")
            read_exactly(connection, 1_000_000)
        assert files.closed.wait(_WITHIN_S)


def test_a_client_that_does_not_read_is_cut_off_in_the_middle_of_a_file(files: Files) -> None:
    with listening(files, HttpLimits(send_timeout_s=0.3)) as port, connect(port, 4_096) as connection:
        connection.sendall(GET % b"plain")
        assert files.closed.wait(_WITHIN_S)
        assert len(read_all(connection)) < len(files.whole)


def test_a_server_that_stops_leaves_no_thread_behind(files: Files) -> None:
    with connect_to_stopping(files) as connection:
        assert len(read_all(connection)) < len(files.whole)
    assert files.closed.is_set()


@contextmanager
def connect_to_stopping(files: Files) -> Iterator[socket.socket]:
    """Yield a connection whose server was stopped in the middle of an answer."""
    with listening(files) as port:
        connection = connect(port, 4_096)
        connection.sendall(GET % b"plain")
        read_exactly(connection, 1_000_000)
    with connection:
        yield connection


@pytest.mark.parametrize("path", [b"plain", b"chunked"])
def test_a_file_that_is_shorter_than_it_was_breaks_the_answer_off(files: Files, path: bytes) -> None:
    whole = files.whole
    os.truncate(files.path(4), 8 << 20)
    files.declared_bytes = len(whole)
    with listening(files) as port, connect(port) as connection:
        connection.sendall(GET % path)
        said = read_all(connection)
    assert said[-5:] != b"0\r\n\r\n"
    assert files.closed.is_set()
    assert len(said) < len(whole)


@pytest.mark.parametrize("error_bytes", [-1, 1])
def test_an_answer_of_another_length_than_it_told_ends_the_connection(files: Files, error_bytes: int) -> None:
    files.declared_bytes = len(files.whole) + error_bytes
    with listening(files) as port, connect(port) as connection:
        connection.sendall(GET % b"plain")
        body = read_all(connection).partition(b"\r\n\r\n")[2]
    assert files.whole.startswith(body)
    assert files.closed.is_set()


def test_a_body_that_nobody_reads_does_not_hold_the_answer_up(files: Files) -> None:
    body = b"x" * 300_000
    request = b"POST /plain HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)
    with listening(files) as port, connect(port) as connection:
        sending = threading.Thread(target=connection.sendall, args=(request + body,))
        sending.start()
        assert read_answer(connection, len(files.whole)) == files.whole
        sending.join(_WITHIN_S)
        assert not sending.is_alive()


def test_pieces_are_read_and_framed_as_they_are_sent(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes_of(1, 3_000_000))
    with FileReader(path) as file:
        span = file.spans(10, 2_500_000)[0]
        framed = b"".join(in_memory(chunked([b"ab", b"", span])))
    assert unchunked(framed + b"0\r\n\r\n") == b"ab" + path.read_bytes()[10:2_500_010]


# Bodies of requests.


@pytest.fixture
def bodies() -> Iterator[Bodies]:
    """The application."""
    with ThreadPoolExecutor(2) as executor:
        yield Bodies(executor)


def post(length: int, *more: bytes) -> bytes:
    """Return the head of a request."""
    lines = (b"POST / HTTP/1.1", b"Host: localhost", b"Content-Length: %d" % length, *more)
    return b"\r\n".join((*lines, b"", b""))


def told(body: bytes, *, direct: bool) -> bytes:
    """Return what the answer is."""
    return b"%d %d %d" % (len(body), zlib.crc32(body), direct)


@pytest.mark.parametrize("length", [1, 1 << 20, 5_000_001])
def test_a_body_is_whole_and_the_connection_lives_on(bodies: Bodies, length: int) -> None:
    body = bytes_of(length, length)
    expected = told(body, direct=length > 1)
    with listening(bodies) as port, connect(port) as connection:
        for _ in range(2):
            connection.sendall(post(length))
            connection.sendall(body)
            assert read_answer(connection, len(expected)) == expected


def test_a_request_right_behind_a_body_is_one_of_its_own(bodies: Bodies) -> None:
    body = bytes_of(1, 3_000_000)
    with listening(bodies) as port, connect(port) as connection:
        connection.sendall(post(len(body)) + body + post(len(body)) + body + post(3) + b"abc")
        for expected in (told(body, direct=True), told(body, direct=True), told(b"abc", direct=False)):
            assert read_answer(connection, len(expected)) == expected


def test_a_client_that_waits_to_be_asked_is_asked(bodies: Bodies) -> None:
    body = bytes_of(1, 300_000)
    with listening(bodies) as port, connect(port) as connection:
        connection.sendall(post(len(body), b"Expect: 100-continue"))
        assert read_exactly(connection, 25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        expected = told(body, direct=True)
        assert read_answer(connection, len(expected)) == expected


def test_a_body_in_chunks_is_left_to_the_transport(bodies: Bodies) -> None:
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = bytes_of(1, 200_000)
    with listening(bodies) as port, connect(port) as connection:
        connection.sendall(head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
        expected = told(body, direct=False)
        assert read_answer(connection, len(expected)) == expected


def test_a_body_that_drips_is_given_up(bodies: Bodies) -> None:
    with listening(bodies) as port, connect(port) as connection:
        connection.sendall(post(5_000_000) + bytes(100_000))
        assert isinstance(bodies.errors.get(timeout=_WITHIN_S), SlowRequestError)


def test_a_client_that_leaves_in_the_middle_of_a_body_is_known_to_be_gone(bodies: Bodies) -> None:
    with listening(bodies) as port:
        with connect(port) as connection:
            connection.sendall(post(5_000_000) + bytes(100_000))
        assert isinstance(bodies.errors.get(timeout=_WITHIN_S), ConnectionFailedError)
