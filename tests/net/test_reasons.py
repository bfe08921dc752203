"""What a peer's refusal means is said in words, and what to do about it in a sentence."""

import errno
import socket

import pytest

from archimage.net import reasons
from archimage.net.reasons import Reason
from archimage.protocol.status import Service


@pytest.mark.parametrize("answer", [(r, s, n) for r in (1, 2) for s in (1, 2, 3) for n in range(9)])
def test_every_rejection_has_words_and_a_next_step(answer: tuple[int, int, int]) -> None:
    said = reasons.rejection(*answer, calling="ME", called="THEM")
    assert said.what.endswith("(rejected permanently)" if answer[0] == 1 else "(rejected transiently)")
    assert said.next_step.endswith(".")
    assert "{" not in said.next_step


def test_a_rejection_names_the_title_that_is_wrong() -> None:
    assert "ME" in reasons.rejection(1, 1, 3, calling="ME", called="THEM").next_step
    assert "{a}" in reasons.rejection(1, 1, 7, calling="ME", called="{a}").next_step


@pytest.mark.parametrize(
    ("error", "what", "advice"),
    [
        (socket.gaierror(-2, "Name or service not known"), "the name pacs cannot be resolved", "host name"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), "Connection refused", "port 104"),
        (OSError("Multiple exceptions: [Errno 111] Connect call failed, [Errno 111] x"), "Connection refused", "104"),
        (OSError("Multiple exceptions: [Errno 111] x, [Errno 101] y"), "Multiple exceptions", "host and port"),
        (OSError(errno.ENETUNREACH, "x"), "Network is unreachable", "address"),
        (OSError(errno.EPIPE, "x"), "Broken pipe", "host and port"),
    ],
)
def test_every_failed_connection_says_what_to_check(error: OSError, what: str, advice: str) -> None:
    said = reasons.connection(error, "pacs", 104)
    assert what in said.what
    assert advice in said.next_step


def test_a_status_is_told_by_number_and_in_the_words_of_its_service() -> None:
    assert reasons.status(0xA801, Service.MOVE).what == "0xA801: move destination unknown"
    assert "AE title" in reasons.status(0xA801, Service.MOVE).next_step
    assert reasons.status(0xA701).next_step == reasons.status(0xA7FF).next_step
    assert reasons.status(0xC123, Service.STORE) == Reason("0xC123: cannot understand", "The peer's log tells more.")
