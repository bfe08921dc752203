"""Answers of other web servers are bounded in length and time, and come from where they were asked for."""

import re
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from archimage.config import Config
from archimage.errors import UnavailableError
from archimage.tls.contexts import requestor
from archimage.web.fetching import MAX_BYTES, HttpFetch

_FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def _request(client: socket.socket) -> bytes:
    """Read a request whole."""
    asked = b""
    while b"\r\n\r\n" not in asked:
        asked += client.recv(65_536)
    length = re.search(rb"(?i)content-length: (\d+)", asked)
    whole = asked.index(b"\r\n\r\n") + 4 + (int(length[1]) if length else 0)
    while len(asked) < whole:
        asked += client.recv(65_536)
    return asked


@contextmanager
def answering(*pieces: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """Answer every request on a free port with these bytes; give the address, and what was asked."""
    asked: list[bytes] = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            asked.append(_request(self.request))
            try:
                for piece in pieces:
                    self.request.sendall(piece)
            except OSError:  # the client has had enough
                pass

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/x", asked
        finally:
            server.shutdown()
            thread.join(20)


@pytest.fixture
def fetch() -> HttpFetch:
    """Our side, with the system's authorities."""
    return HttpFetch(lambda: requestor(Config()))


def test_what_stands_there_is_returned_and_a_form_is_sent(fetch: HttpFetch) -> None:
    with answering(_FINE) as (address, asked):
        assert fetch(address, None, {"X-Demo": "1"}) == b"{}"
        assert fetch(address, {"code": "a b"}) == b"{}"
    assert asked[0].startswith(b"GET /x ")
    assert b"x-demo: 1" in asked[0].lower()
    assert asked[1].startswith(b"POST /x ")
    assert asked[1].endswith(b"code=a+b")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}",
        b"no HTTP at all\r\n\r\n",
        b"",
    ],
)
def test_anything_but_an_answer_is_a_failure(fetch: HttpFetch, answer: bytes) -> None:
    with answering(answer) as (address, _), pytest.raises(UnavailableError, match="was asked in vain"):
        fetch(address)


def test_an_answer_without_an_end_is_cut_off(fetch: HttpFetch) -> None:
    endless = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        *([b"ffff\r\n" + b"x" * 0xFFFF + b"\r\n"] * 64),
    )
    with answering(*endless) as (address, _), pytest.raises(UnavailableError, match=f"longer than {MAX_BYTES}"):
        fetch(address)


def test_an_answer_that_comes_too_slowly_is_cut_off() -> None:
    times = iter((0.0, 10.5))
    slow = HttpFetch(lambda: requestor(Config()), lambda: next(times))
    with answering(_FINE) as (address, _), pytest.raises(UnavailableError, match="longer than 10 s"):
        slow(address)


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/x", "https://127.0.0.1:1/x", "http://[/x", "http://\0/"])
def test_where_nobody_answers_it_is_said(fetch: HttpFetch, address: str) -> None:
    with pytest.raises(UnavailableError, match="was asked in vain"):
        fetch(address)
