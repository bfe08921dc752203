"""Requests to other archives end in time, whatever these do, and large answers of slow ones arrive."""

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest

from archimage.web.web_client import Pace, WebClient
from tests.web.dripping import BODY, EVERY_S, FAR_S, HEAD, dripping

_PACE: Final = Pace(within_s=0.5, least_bytes_per_s=1_000)
_PATIENT: Final = Pace(within_s=1.5, least_bytes_per_s=1_000)
"""Longer than a busy machine keeps a peer of ours from answering."""
_SLOW: Final = "it is silent, or slower than 1000 bytes a second, for 0.5 s"


@contextmanager
def given_up() -> Iterator[None]:
    """Expect that a peer is given up in time."""
    began = time.monotonic()
    with pytest.raises(TimeoutError, match=_SLOW):
        yield
    assert _PACE.within_s <= time.monotonic() - began < FAR_S


def ask(address: str, body: Iterator[bytes] | None = None, pace: Pace = _PACE) -> bytes:
    """Ask, and return what is answered."""
    headers = {"Content-Length": "1"} if body is None else {}
    with (
        WebClient(address, ssl.create_default_context, pace) as client,
        client.asked("POST", address, headers, body or iter([b"?"])) as answer,
    ):
        return b"".join(answer.pieces(4_096))


@pytest.mark.parametrize(
    ("begin", "drop"), [(HEAD, b" "), (BODY, b" "), (b"", b"HTTP/1.1 100 Continue\r\n\r\n"), (b"", b"")], ids=repr
)
def test_who_answers_a_byte_now_and_then_is_given_up(begin: bytes, drop: bytes) -> None:
    with dripping(begin, drop) as address, given_up():
        ask(address)


def test_who_takes_nothing_of_what_is_sent_is_given_up() -> None:
    with dripping(b"") as address, given_up():
        ask(address, (b" " * 1_000 for _ in range(1_000_000)))


def test_an_answer_that_comes_slowly_arrives() -> None:
    drop, drops = b"x" * 200, 40
    began = time.monotonic()
    with dripping(BODY.replace(b"1000000", b"%d" % (len(drop) * drops)), drop, drops) as address:
        assert ask(address, pace=_PATIENT) == drop * drops
    assert time.monotonic() - began >= drops * EVERY_S > _PATIENT.within_s


def test_what_takes_long_to_make_or_keep_is_not_the_peers_time() -> None:
    never = threading.Event()

    def body() -> Iterator[bytes]:
        for _ in range(2):
            never.wait(_PATIENT.within_s + 0.1)
            yield b"?"

    with dripping(BODY.replace(b"1000000", b"1"), b"x", 1) as address:
        assert ask(address, body(), _PATIENT) == b"x"
    with (
        dripping(BODY.replace(b"1000000", b"8192"), b"x" * 4_096, 2) as address,
        WebClient(address, ssl.create_default_context, _PATIENT) as client,
        client.asked("GET", address, {}) as answer,
    ):
        for piece in answer.pieces(4_096):
            assert len(piece) == 4_096
            never.wait(_PATIENT.within_s + 0.1)
