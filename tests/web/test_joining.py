"""The head of an answer comes with what follows it, and does not wait for what comes later."""

import asyncio
import threading

import pytest
from starlette.types import Receive, Scope, Send

from tests.web.test_direct import connect, listening

GET = b"GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n"
HEAD = b"HEAD /%s HTTP/1.1\r\nHost: localhost\r\n\r\n"
WITHIN_S = 20.0
COME = threading.Event()


async def answer(scope: Scope, _receive: Receive, send: Send) -> None:
    """Answer with a body of five bytes: at once, or for `/later` once the head has come."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    if scope["path"] == "/later":
        await asyncio.to_thread(COME.wait, WITHIN_S)
    await send({"type": "http.response.body", "body": b"hello"})


@pytest.mark.parametrize("count", [1, 3])
def test_a_short_answer_comes_in_one_piece(count: int) -> None:
    with listening(answer) as port, connect(port) as connection:
        for _ in range(count):
            connection.sendall(GET % b"now")
            received = connection.recv(65_536)
            assert received.startswith(b"HTTP/1.1 200 OK\r\n")
            assert received.endswith(b"\r\n\r\nhello")


def test_a_head_does_not_wait_for_a_body_that_comes_later() -> None:
    with listening(answer) as port, connect(port) as connection:
        connection.sendall(GET % b"later")
        assert connection.recv(65_536).endswith(b"\r\n\r\n")
        COME.set()
        assert connection.recv(65_536) == b"hello"


def test_an_answer_that_is_no_more_than_its_head_comes_whole_and_before_the_next() -> None:
    with listening(answer) as port, connect(port) as connection:
        connection.sendall(HEAD % b"now" + GET % b"now")
        received = b""
        while not received.endswith(b"hello"):
            received += connection.recv(65_536)
    assert received.count(b"HTTP/1.1 200 OK\r\n") == 2
    assert received.count(b"hello") == 1
