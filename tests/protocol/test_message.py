"""Fragments, messages and operations, PS3.8 Annex E."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archimage.errors import LocalProtocolError, RemoteProtocolError
from archimage.protocol.command import Command, CommandField, c_echo_rq, c_store_rq
from archimage.protocol.events import CommandReceived, DataReceived, Event
from archimage.protocol.items import AsyncOperationsWindow
from archimage.protocol.message import MessageReader, MessageWriter, Operations
from archimage.protocol.negotiation import SYNCHRONOUS
from archimage.protocol.pdu import pdu_header
from tests.protocol.joined import CT, flatten

STORE = c_store_rq(1, CT, "1.2.3")


def _reader(max_command_length: int = 1 << 16) -> MessageReader:
    return MessageReader({3}, Operations(SYNCHRONOUS), max_command_length)


def _writer(peer_max_pdu_length: int) -> MessageWriter:
    return MessageWriter({3}, Operations(SYNCHRONOUS), peer_max_pdu_length)


def _read(reader: MessageReader, stream: bytes) -> list[Event]:
    """Read whole P-DATA-TF PDUs, one after the other."""
    events: list[Event] = []
    view, position = memoryview(stream), 0
    while position < len(view):
        _, reader.left = pdu_header.unpack_from(view, position)
        position = reader.feed(view, position + pdu_header.size, events)
    return events


@given(st.binary(max_size=2000), st.integers(128, 600))
@settings(max_examples=100)
def test_what_is_written_is_read(dataset: bytes, peer_max_pdu_length: int) -> None:
    pieces = _writer(peer_max_pdu_length).message(3, STORE, dataset)

    assert flatten(_read(_reader(), b"".join(pieces))) == [
        CommandReceived(3, STORE, True),
        DataReceived(3, memoryview(dataset), True),
    ]


@given(st.lists(st.binary(max_size=500), min_size=1, max_size=6))
@settings(max_examples=100)
def test_a_data_set_may_be_written_in_any_pieces(datas: list[bytes]) -> None:
    writer = _writer(200)
    pieces = writer.command(3, STORE, has_dataset=True)
    for data in datas:
        pieces += writer.data(3, data, last=False)
    pieces += writer.data(3, b"", last=True)

    assert flatten(_read(_reader(), b"".join(pieces)))[1] == DataReceived(3, memoryview(b"".join(datas)), True)


@pytest.mark.parametrize("peer_max_pdu_length", [128, 129, 4096])
def test_no_pdu_is_longer_than_the_peer_takes(peer_max_pdu_length: int) -> None:
    pieces = _writer(peer_max_pdu_length).message(3, STORE, bytes(10_000))

    lengths = [pdu_header.unpack_from(header)[1] for header in pieces[::2]]

    assert max(lengths) <= peer_max_pdu_length
    assert all(length % 2 == 0 for length in lengths)
    assert lengths == [len(fragment) + 6 for fragment in pieces[1::2]]


def test_a_message_is_incomplete_until_its_last_fragment() -> None:
    reader, writer = _reader(), _writer(0)

    steps = [
        writer.command(3, STORE, has_dataset=True),
        writer.data(3, b"a", last=False),
        writer.data(3, b"b", last=True),
    ]

    assert not reader.incomplete
    incomplete = []
    for step in steps:
        _read(reader, b"".join(step))
        incomplete.append(reader.incomplete)
    assert incomplete == [True, True, False]


def test_a_command_set_may_be_as_long_as_the_limit() -> None:
    stream = b"".join(_writer(0).command(3, c_echo_rq(1), has_dataset=False))
    size = len(stream) - 12

    assert len(_read(_reader(size), stream)) == 1
    with pytest.raises(RemoteProtocolError, match="command set of more than"):
        _read(_reader(size - 1), stream)


def test_a_message_id_in_use_may_not_be_used_again() -> None:
    operations = Operations(AsyncOperationsWindow(0, 0))
    operations.send(c_echo_rq(1))
    operations.send(c_echo_rq(2))

    with pytest.raises(LocalProtocolError, match="in use"):
        operations.send(c_echo_rq(1))
    assert not operations.receive(c_echo_rq(1).response(0))
    operations.send(c_echo_rq(1))
    assert operations.invoked == {1, 2}


def test_answering_what_was_not_asked_changes_nothing() -> None:
    operations = Operations(SYNCHRONOUS)

    operations.send(c_echo_rq(1).response(0))

    assert not operations.performed


def test_messages_without_ids_are_our_own_mistake() -> None:
    operations = Operations(SYNCHRONOUS)

    for command in (Command(CommandField.C_ECHO_RQ), Command(CommandField.C_ECHO_RSP, status=0)):
        with pytest.raises(LocalProtocolError, match="message id"):
            operations.send(command)
