"""Connections whose answer is overdue are cut, and only those; whoever watches rests between."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from archimage.index.watch import Watch

WITHIN_S = 10.0
PATIENCE_S = 0.02


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Connect two sockets, of which the second one never says anything."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(WITHIN_S)
        yield ours, theirs


def test_who_waits_for_a_server_that_is_gone_is_cut_off_each_time(pair: tuple[socket.socket, socket.socket]) -> None:
    """Also when the watch has rested meanwhile, as after every second of silence."""
    ours, _ = pair
    with closing(Watch(lambda: False, PATIENCE_S)) as watch:
        with watch.waiting(ours.fileno()):
            assert ours.recv(1) == b""
        for _ in range(2):
            again, other = socket.socketpair()
            with again, other:
                again.settimeout(WITHIN_S)
                with watch.waiting(again.fileno()):
                    assert again.recv(1) == b""


def test_who_waits_for_a_server_that_lives_is_left_alone(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    asked = threading.Event()

    def lives() -> bool:
        asked.set()
        return True

    with closing(Watch(lives, PATIENCE_S)) as watch, watch.waiting(ours.fileno()):
        assert asked.wait(WITHIN_S)
        theirs.sendall(b"!")
        assert ours.recv(1) == b"!"


def test_nobody_is_asked_while_nobody_waits(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, _ = pair
    asked = threading.Event()

    def lives() -> bool:
        asked.set()
        return True

    with closing(Watch(lives, patience_s=WITHIN_S)) as watch:
        for _ in range(100):
            with watch.waiting(ours.fileno()):
                pass
    assert not asked.is_set()
