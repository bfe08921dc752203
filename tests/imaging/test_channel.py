"""Messages come out as they went in, however they are cut; a side that is silent or gone is noticed."""

import socket
import time
from collections.abc import Iterator

import pytest

from archimage.imaging.channel import Channel


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A pair of connected sockets."""
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def test_a_message_arrives_whole_however_it_is_cut(ends: tuple[socket.socket, socket.socket]) -> None:
    sender, receiver = ends
    Channel(sender, 100).send({"a": [1]}, [b"abc", memoryview(b"de")])
    message = receiver.recv(1000)
    for piece in (message[:5], message[5:14], message[14:]):
        sender.sendall(piece)
    assert Channel(receiver, 100).receive() == ({"a": [1]}, b"abcde")


def test_silence_ends_at_the_deadline(ends: tuple[socket.socket, socket.socket]) -> None:
    sender, receiver = ends
    sender.sendall(b"\x01")
    with pytest.raises(TimeoutError):
        Channel(receiver, 100).receive(time.monotonic() + 0.05)
    with pytest.raises(TimeoutError):
        Channel(receiver, 100).send({}, [], time.monotonic() - 1)


def test_data_that_nobody_takes_ends_at_the_deadline(ends: tuple[socket.socket, socket.socket]) -> None:
    with pytest.raises(TimeoutError):
        Channel(ends[0], 100).send({}, [bytes(16 << 20)], time.monotonic() + 0.05)


def test_an_end_in_the_middle_is_an_end(ends: tuple[socket.socket, socket.socket]) -> None:
    sender, receiver = ends
    sender.sendall(b"\x01\0")
    sender.close()
    with pytest.raises(EOFError):
        Channel(receiver, 100).receive()


def test_silence_is_told_from_words_and_from_an_end(ends: tuple[socket.socket, socket.socket]) -> None:
    sender, receiver = ends
    channel = Channel(receiver, 100)
    assert channel.is_silent()
    sender.sendall(b"x")
    assert not channel.is_silent()
    receiver.recv(1)
    sender.close()
    assert not channel.is_silent()
