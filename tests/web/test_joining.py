"""What is written at once comes in one piece, and does not wait for what comes later."""

import asyncio
import threading
from collections.abc import Iterable

import pytest
from starlette.types import Receive, Scope, Send

from archimage.web.joining import JoiningTransport
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


async def answer_in_parts(_scope: Scope, _receive: Receive, send: Send) -> None:
    """Answer with a body of many pieces, and then a long one."""
    pieces = [b"piece", b"", *(b"%d" % number for number in range(9)), bytes(3 << 20)]
    length = sum(map(len, pieces))
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % length)]})
    for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


@pytest.mark.parametrize("count", [1, 3])
def test_a_short_answer_comes_in_one_piece(count: int) -> None:
    with listening(answer) as port, connect(port) as connection:
        for _ in range(count):
            connection.sendall(GET % b"now")
            received = connection.recv(65_536)
            assert received.startswith(b"HTTP/1.1 200 OK\r\n")
            assert received.endswith(b"\r\n\r\nhello")


class Calls(asyncio.Transport):
    """Tells what it was given, call by call."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[bytes] = []

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """Note one call."""
        self.given.append(b"".join(list_of_data))


def test_what_is_written_in_one_turn_of_the_loop_is_one_call_unless_it_is_much() -> None:
    async def write() -> None:
        calls = Calls()
        joining = JoiningTransport(calls, asyncio.get_running_loop())
        for piece in (b"head", b"", b"piece", b"end"):
            joining.write(piece)
        assert calls.given == []
        await asyncio.sleep(0)
        assert calls.given == [b"headpieceend"]
        joining.write(b"more")
        joining.write(bytes(1 << 20))
        assert calls.given[1:] == [b"more" + bytes(1 << 20)]
        await asyncio.sleep(0)
        assert len(calls.given) == 2

    asyncio.run(write())


def test_what_stands_before_a_long_piece_comes_with_it_and_in_its_order() -> None:
    with listening(answer_in_parts) as port, connect(port) as connection:
        connection.sendall(GET % b"parts")
        received = connection.recv(65_536)
        assert b"\r\n\r\npiece012345678\0" in received
        body = received.partition(b"\r\n\r\n")[2]
        while len(body) < (3 << 20) + 14:
            body += connection.recv(1 << 20)
        assert body == b"piece012345678" + bytes(3 << 20)


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
