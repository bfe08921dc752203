"""Command sets and C-STORE requests that do not hold together, and the status or A-ABORT that each gets (PS3.7)."""

import itertools
import struct

import pytest

from archimage.protocol.command import Command, CommandField, c_echo_rq, encode_command
from archimage.protocol.pdu import CONTROL_COMMAND, CONTROL_LAST, Abort, encode_data_header
from archimage.protocol.status import Status
from tests.attacks.conftest import IDLE_S
from tests.attacks.datasets import (
    SERIES_INSTANCE_UID,
    SOP_CLASS_UID,
    SOP_INSTANCE_UID,
    STUDY_INSTANCE_UID,
    dataset,
    new_uid,
)
from tests.attacks.server import Server, wait_until
from tests.attacks.wire import CT, CT_CONTEXT, ECHO_CONTEXT, Peer

_NOT_UIDS = ["../../x", "/x", "..", "1.2\0.3", "1." + "2" * 63, "abc", "1.2.x", "1..2", "1.2/../../3"]
_MR = "1.2.840.10008.5.1.4.1.1.4"


def _element(number: int, value: bytes) -> bytes:
    return struct.pack("<HHI", 0, number, len(value)) + value


# Command sets, row 23 to 25.


@pytest.mark.parametrize(
    "garbage",
    [
        b"\xff" * 64,
        b"\0\0\0\1\xff\xff\xff\xff",
        b"",
        b"\0\0",
        _element(0x0100, b"\x30"),
        _element(0x0100, b"\x30\0") + _element(0x0800, b"\1\1"),
        _element(0x0100, b"\x30\x80") + _element(0x0800, b"\1\1") + _element(0x0120, b"\1\0"),
        struct.pack("<HHI", 0x0008, 0x0018, 4) + b"1.2\0",
        bytes(65_536 + 2),
    ],
    ids=["noise", "length", "empty", "cut", "odd field", "no id", "no status", "other group", "too long"],
)
def test_a_command_set_that_cannot_be_read_is_aborted(server: Server, garbage: bytes) -> None:
    with Peer.associated(server.port) as peer:
        peer.send(encode_data_header(ECHO_CONTEXT, len(garbage), CONTROL_COMMAND | CONTROL_LAST) + garbage)
        assert peer.receive() == Abort(0, 0)


def test_an_unknown_command_is_answered_as_unrecognised(server: Server) -> None:
    body = _element(0x0002, b"1.2.840.10008.1.1\0") + _element(0x0100, b"\x77\0")
    body += _element(0x0110, b"\7\0") + _element(0x0800, b"\1\1")
    with Peer.associated(server.port) as peer:
        peer.send(encode_data_header(ECHO_CONTEXT, len(body), CONTROL_COMMAND | CONTROL_LAST) + body)
        answer, _ = peer.response()
        assert (answer.status, answer.message_id_being_responded_to) == (Status.UNRECOGNISED_OPERATION, 7)
        assert peer.echo() == 0


def test_a_command_of_another_service_is_answered_as_unrecognised(server: Server) -> None:
    with Peer.associated(server.port) as peer:
        peer.ask(CommandField.C_FIND_RQ, ECHO_CONTEXT, CT, b"\0" * 16)
        assert peer.status() == Status.UNRECOGNISED_OPERATION


def test_a_message_id_that_is_still_in_use_is_answered_as_duplicate(server: Server) -> None:
    uid = new_uid()
    encoded = encode_command(
        Command(CommandField.C_STORE_RQ, 9, affected_sop_class_uid=CT, affected_sop_instance_uid=uid, priority=0), True
    )
    request = encode_data_header(CT_CONTEXT, len(encoded), CONTROL_COMMAND | CONTROL_LAST) + encoded
    data = dataset(uid)
    message = request + encode_data_header(CT_CONTEXT, len(data), CONTROL_LAST) + data
    with Peer.associated(server.port) as peer:
        peer.send(message + message)
        assert sorted((peer.status(), peer.status())) == [0, Status.DUPLICATE_INVOCATION]
        assert peer.echo() == 0


def test_an_answer_that_nobody_waits_for_changes_nothing(server: Server) -> None:
    with Peer.associated(server.port) as peer:
        peer.send_command(ECHO_CONTEXT, c_echo_rq(3).response(0), has_dataset=False)
        assert peer.echo() == 0


# Identity, row 26 to 28.


@pytest.mark.parametrize("tag", [SOP_CLASS_UID, SOP_INSTANCE_UID])
def test_a_data_set_of_another_identity_is_refused(server: Server, tag: int) -> None:
    uid = new_uid()
    with Peer.associated(server.port) as peer:
        assert peer.store(uid, dataset(uid, replaced={tag: b"1.2.3.4"})) == Status.DATASET_MISMATCH
        assert peer.echo() == 0


def test_a_command_of_another_class_than_its_context_is_refused(server: Server) -> None:
    uid = new_uid()
    with Peer.associated(server.port) as peer:
        data = dataset(uid, replaced={SOP_CLASS_UID: _MR.encode()})
        assert peer.store(uid, data, sop_class_uid=_MR) == Status.DATASET_MISMATCH


@pytest.mark.parametrize("uid", [*_NOT_UIDS, ""])
def test_an_announced_uid_that_is_none_is_refused(server: Server, uid: str) -> None:
    with Peer.associated(server.port) as peer:
        assert peer.store(uid, dataset(uid)) == Status.INVALID_SOP_INSTANCE
        assert peer.echo() == 0


@pytest.mark.parametrize(
    ("tag", "uid"), list(itertools.product((STUDY_INSTANCE_UID, SERIES_INSTANCE_UID), _NOT_UIDS)), ids=repr
)
def test_a_study_or_series_uid_that_is_none_is_refused(server: Server, tag: int, uid: str) -> None:
    sop_instance_uid = new_uid()
    with Peer.associated(server.port) as peer:
        data = dataset(sop_instance_uid, replaced={tag: uid.encode()})
        assert peer.store(sop_instance_uid, data) == Status.INVALID_SOP_INSTANCE


@pytest.mark.parametrize("tag", [SOP_CLASS_UID, SOP_INSTANCE_UID, STUDY_INSTANCE_UID, SERIES_INSTANCE_UID])
@pytest.mark.parametrize("how", ["left out", "empty"])
def test_a_data_set_without_a_uid_is_refused(server: Server, tag: int, how: str) -> None:
    uid = new_uid()
    left_out = dataset(uid, left_out=frozenset({tag})) if how == "left out" else dataset(uid, replaced={tag: b""})
    with Peer.associated(server.port) as peer:
        assert peer.store(uid, left_out) == Status.DATASET_MISMATCH


# Cut off in the middle, row 21.


@pytest.mark.parametrize("sent_bytes", [0, 300, 1_500_000])
@pytest.mark.parametrize("how", ["fin", "reset", "silence"])
def test_a_store_that_is_cut_off_leaves_no_row_and_no_file(server: Server, how: str, sent_bytes: int) -> None:
    uid = new_uid()
    rows = len(server.rows())
    peer = Peer.associated(server.port)
    peer.begin_store(uid)
    peer.send_dataset(CT_CONTEXT, dataset(uid, pixels=bytes(2_000_000))[:sent_bytes], whole=False)
    if sent_bytes > 300:
        assert wait_until(lambda: len(server.incoming()) == 1, 2.0)
    if how == "silence":
        assert peer.receive() == Abort(0, 0)
        peer.close()
    elif how == "fin":
        peer.close()
    else:
        peer.reset()
    assert wait_until(lambda: not server.incoming(), IDLE_S)
    assert len(server.rows()) == rows
