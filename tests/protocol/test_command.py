"""Command sets, PS3.7 §6.3, §9.3, §10.3 and Annex E."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archimage.errors import LocalProtocolError, RemoteProtocolError
from archimage.protocol import command as dimse
from archimage.protocol.command import Command, CommandField, command_name, decode_command, encode_command
from tests.protocol import strategies
from tests.protocol.joined import refusal

CT = "1.2.840.10008.5.1.4.1.1.2"


@given(strategies.commands(), st.booleans())
def test_every_message_round_trips(command: Command, has_dataset: bool) -> None:
    assert decode_command(encode_command(command, has_dataset)) == (command, has_dataset)


def test_an_echo_request_has_the_bytes_of_the_standard() -> None:
    encoded = encode_command(dimse.c_echo_rq(5), has_dataset=False)

    assert encoded == bytes.fromhex(
        "00000000 04000000 38000000"
        "00000200 12000000 312e322e3834302e31303030382e312e3100"
        "00000001 02000000 3000"
        "00001001 02000000 0500"
        "00000008 02000000 0101"
    )


@pytest.mark.parametrize(
    "request_",
    [
        dimse.c_echo_rq(1),
        dimse.c_store_rq(2, CT, "1.2.3", priority=1, move_originator=("SCU", 9)),
        dimse.c_find_rq(3, CT),
        dimse.c_get_rq(4, CT),
        dimse.c_move_rq(5, CT, "DEST"),
        dimse.n_event_report_rq(6, CT, "1.2.3", 2),
        dimse.n_get_rq(7, CT, "1.2.3", (0x00100010,)),
        dimse.n_get_rq(8, CT, "1.2.3"),
        dimse.n_set_rq(9, CT, "1.2.3"),
        dimse.n_action_rq(10, CT, "1.2.3", 1),
        dimse.n_create_rq(11, CT),
        dimse.n_create_rq(12, CT, "1.2.3"),
        dimse.n_delete_rq(13, CT, "1.2.3"),
    ],
    ids=lambda request: f"{request.field.name}-{request.message_id}",
)
def test_every_request_and_its_response_can_be_sent(request_: Command) -> None:
    response = request_.response(0x0110, error_comment="disk full")

    assert decode_command(encode_command(request_, has_dataset=False))[0] == request_
    assert decode_command(encode_command(response, has_dataset=False))[0].error_comment == "disk full"
    assert response.field == CommandField(request_.field | 0x8000)
    assert response.message_id_being_responded_to == request_.message_id
    assert response.affected_sop_class_uid == request_.sop_class_uid
    assert response.affected_sop_instance_uid == request_.sop_instance_uid
    assert (response.event_type_id, response.action_type_id) == (request_.event_type_id, request_.action_type_id)


def test_an_instance_that_the_performer_made_is_named_in_the_response() -> None:
    response = dimse.n_create_rq(1, CT).response(0, affected_sop_instance_uid="1.2.3")

    assert response.affected_sop_instance_uid == "1.2.3"


def test_an_echo_response_answers_its_request() -> None:
    assert dimse.c_echo_rsp(5) == dimse.c_echo_rq(5).response(0)


def test_sub_operation_counts_travel() -> None:
    counts = {
        "remaining_suboperations": 4,
        "completed_suboperations": 3,
        "failed_suboperations": 2,
        "warning_suboperations": 1,
    }
    response = dimse.c_get_rq(1, CT).response(0xFF00, **counts)

    assert decode_command(encode_command(response, has_dataset=False))[0] == response


def test_what_awaits_an_answer_and_what_ends_an_operation() -> None:
    find = dimse.c_find_rq(1, CT)

    assert (find.is_request, find.is_final_response) == (True, False)
    assert not find.response(0xFF00).is_final_response
    assert find.response(0).is_final_response
    assert find.response(0xFE00).is_final_response
    assert (dimse.c_cancel_rq(1).is_request, dimse.c_cancel_rq(1).is_final_response) == (False, False)


def test_an_unknown_command_can_be_answered() -> None:
    known = encode_command(dimse.c_echo_rq(7), has_dataset=False)
    unknown, has_dataset = decode_command(known.replace(b"\x02\0\0\0\x30\0", b"\x02\0\0\0\x77\0"))
    response = unknown.response(0x0211)

    assert (unknown.field, unknown.is_request, has_dataset) == (0x77, True, False)
    assert decode_command(encode_command(response, has_dataset=False))[0] == response
    assert (response.field, response.status, response.message_id_being_responded_to) == (0x8077, 0x0211, 7)


def test_a_comment_is_cut_to_what_may_be_sent() -> None:
    response = dimse.c_echo_rsp(1)
    long = replace(response, error_comment="x" * 100)

    assert decode_command(encode_command(long, has_dataset=False))[0].error_comment == "x" * 64


@pytest.mark.parametrize(
    "incomplete",
    [
        Command(CommandField.C_ECHO_RQ, affected_sop_class_uid=CT),
        Command(CommandField.C_MOVE_RQ, 1, affected_sop_class_uid=CT, priority=0),
        Command(CommandField.C_STORE_RSP, message_id_being_responded_to=1),
        Command(0x77, 1),
    ],
)
def test_a_message_that_lacks_something_is_our_fault(incomplete: Command) -> None:
    with pytest.raises(LocalProtocolError, match="lacks"):
        encode_command(incomplete, has_dataset=False)


def _element(number: int, value: bytes, group: int = 0) -> bytes:
    return b"".join(part.to_bytes(size, "little") for part, size in ((group, 2), (number, 2), (len(value), 4))) + value


_FIELD, _ID, _TYPE = _element(0x0100, b"\x30\0"), _element(0x0110, b"\1\0"), _element(0x0800, b"\1\1")


@pytest.mark.parametrize(
    ("what", "data"),
    [
        ("nothing", b""),
        ("half a header", b"\0\0\0"),
        ("no command field", _ID + _TYPE),
        ("no data set type", _FIELD + _ID),
        ("no message id", _FIELD + _TYPE),
        ("an empty message id", _FIELD + _element(0x0110, b"") + _TYPE),
        ("a response without a message id", _element(0x0100, b"\x30\x80") + _element(0x0900, b"\0\0") + _TYPE),
        ("a response without a status", _element(0x0100, b"\x30\x80") + _element(0x0120, b"\1\0") + _TYPE),
        ("another group", _FIELD + _ID + _element(0x0010, b"ab", group=8) + _TYPE),
        ("a length beyond the end", _FIELD + _ID + _TYPE + b"\0\0\2\0\xff\xff\xff\xff"),
        ("a number of three bytes", _FIELD + _element(0x0110, b"\1\0\0") + _TYPE),
        ("a tag of two bytes", _FIELD + _ID + _TYPE + _element(0x0901, b"\0\0")),
    ],
)
def test_garbage_is_refused(what: str, data: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        decode_command(data)

    assert (caught.value.source, caught.value.reason) == (0, 0), what


def test_unknown_elements_are_passed_over() -> None:
    data = _element(0x0001, b"\0\0\0\0") + _FIELD + _ID + _TYPE + _element(0x5010, b"old")

    assert decode_command(data) == (Command(CommandField.C_ECHO_RQ, 1), False)


@given(st.binary(max_size=300))
def test_any_bytes_decode_or_are_refused(data: bytes) -> None:
    assert refusal(lambda: decode_command(data)) in {None, (0, 0)}


@given(strategies.commands(), st.data())
def test_any_cut_is_refused_or_says_less(command: Command, data: st.DataObject) -> None:
    encoded = encode_command(command, has_dataset=True)
    cut = encoded[: data.draw(st.integers(0, len(encoded) - 1))]

    answer = refusal(lambda: decode_command(cut))

    assert answer == (0, 0) or decode_command(cut)[0] != command


def test_a_command_is_named_as_the_standard_does_and_an_unknown_one_by_its_number() -> None:
    assert command_name(CommandField.C_STORE_RQ) == "C-STORE-RQ"
    assert command_name(0x0FFE) == "0x0ffe"
