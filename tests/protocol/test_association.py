"""An association from first byte to last, PS3.8 §9."""

from dataclasses import replace

import pytest

from archimage.errors import LocalProtocolError
from archimage.protocol import uids
from archimage.protocol.association import Association, AssociationSettings
from archimage.protocol.command import c_echo_rq, c_find_rq
from archimage.protocol.events import (
    Aborted,
    AssociationAccepted,
    AssociationRejected,
    AssociationRequested,
    CommandReceived,
    ConnectionLost,
    DataReceived,
    ReleaseConfirmed,
    ReleaseRequested,
)
from archimage.protocol.items import (
    AsyncOperationsWindow,
    ContextAnswer,
    ExtendedNegotiation,
    RoleSelection,
    UserIdentity,
    UserInformation,
)
from archimage.protocol.machine import State
from archimage.protocol.pdu import (
    AssociateAccept,
    AssociateRequest,
    PDUType,
    decode_pdu,
)
from archimage.protocol.wire import encode_item
from tests.protocol.joined import (
    CONTEXTS,
    CT,
    FULL_REQUEST,
    REQUEST,
    STORE,
    SYNTAXES,
    abort_bytes,
    accept_all,
    acceptor,
    echo_bytes,
    flatten,
    joined,
    request_to,
    requestor,
    sent,
    transfer,
)


def test_both_sides_agree_on_what_was_negotiated() -> None:
    scu, scp = joined()

    assert (scu.state, scp.state) == (State.ESTABLISHED, State.ESTABLISHED)
    assert {number: context.result for number, context in scu.contexts.items()} == {1: 0, 3: 0, 5: 3}
    assert [(context.as_scu, context.as_scp) for context in scu.contexts.values()] == [(True, False)] * 2 + [
        (False, False)
    ]
    assert [(context.as_scu, context.as_scp) for context in scp.contexts.values()] == [(False, True)] * 2 + [
        (False, False)
    ]
    assert scu.requested == scp.requested
    assert scu.accepted is not None
    assert scu.accepted.user_information == (scp.accepted and scp.accepted.user_information)
    assert (scu.peer_max_pdu_length, scp.peer_max_pdu_length) == (131072, 131072)


def test_the_request_carries_our_names() -> None:
    _, scp = joined()

    assert scp.requested
    assert (scp.requested.calling_ae_title, scp.requested.called_ae_title) == ("SCU", "SCP")
    assert scp.requested.user_information.implementation_class_uid == uids.IMPLEMENTATION_CLASS_UID
    assert scp.requested.user_information.implementation_version_name == uids.IMPLEMENTATION_VERSION_NAME


def test_a_store_travels_both_ways_and_ends() -> None:
    scu, scp = joined()
    dataset = bytes(range(256)) * 2000

    scu.send_command(3, STORE, 0.0, has_dataset=True)
    scu.send_data(3, memoryview(dataset)[:1000], 0.0, last=False)
    scu.send_data(3, memoryview(dataset)[1000:], 0.0, last=True)
    received = flatten(transfer(scu, scp))
    scp.send_command(3, STORE.response(0), 0.0)
    answered = transfer(scp, scu)
    scu.release(0.0)
    asked = transfer(scu, scp)
    scp.accept_release(0.0)
    confirmed = transfer(scp, scu)

    assert received == [CommandReceived(3, STORE, True), DataReceived(3, memoryview(dataset), True)]
    assert answered == [CommandReceived(3, STORE.response(0), False)]
    assert (asked, confirmed) == ([ReleaseRequested()], [ReleaseConfirmed()])
    assert (scu.closed, scp.receive_eof(0.0), scp.closed) == (True, [], True)


def test_data_is_neither_copied_in_nor_out() -> None:
    scu, scp = joined()
    dataset = bytearray(b"a" * 300_000)

    scu.send_command(3, STORE, 0.0, has_dataset=True)
    scu.send_data(3, dataset, 0.0, last=True)
    pieces = scu.data_to_send()
    dataset[:] = b"b" * 300_000
    ring = bytearray(b"".join(pieces))
    events = scp.receive_data(memoryview(ring), 0.0)
    received = [event for event in events if isinstance(event, DataReceived)]
    ring[:] = b"c" * len(ring)

    assert sum(len(event.data) for event in received) == 300_000
    assert all(bytes(event.data) == b"c" * len(event.data) for event in received)
    assert pieces[-1] == b"b" * len(pieces[-1])


def test_fragments_keep_to_the_peers_maximum() -> None:
    scu, scp = joined(scp_settings=AssociationSettings("SCP", max_pdu_length=4096))
    scu.send_message(3, STORE, bytes(10_000), 0.0)

    pieces = scu.data_to_send()

    assert scu.peer_max_pdu_length == 4096
    assert max(map(len, pieces)) == 4096 - 6
    assert flatten(scp.receive_data(b"".join(pieces), 0.0)) == [
        CommandReceived(3, STORE, True),
        DataReceived(3, memoryview(bytes(10_000)), True),
    ]


def test_without_a_maximum_data_goes_in_large_pdus() -> None:
    scp = acceptor()
    request_to(scp, replace(FULL_REQUEST, user_information=UserInformation(max_pdu_length=0)))
    accept_all(scp)
    sent(scp)

    scp.send_command(3, STORE, 0.0, has_dataset=True)
    scp.send_data(3, bytes(1_000_000), 0.0, last=True)

    assert [len(piece) for piece in scp.data_to_send()[2:]] == [12, 1_000_000]


def test_a_small_message_leaves_in_one_piece() -> None:
    scu, scp = joined()
    scu.send_message(3, STORE, b"data", 0.0)

    pieces = scu.data_to_send()

    assert len(pieces) == 1
    assert flatten(scp.receive_data(pieces[0], 0.0))[1] == DataReceived(3, memoryview(b"data"), True)


def test_a_message_without_a_data_set_is_a_command() -> None:
    scu, scp = joined()

    scu.send_message(1, c_echo_rq(1), None, 0.0)

    assert transfer(scu, scp) == [CommandReceived(1, c_echo_rq(1), False)]


def test_an_empty_data_set_ends_with_an_empty_piece() -> None:
    scu, scp = joined()

    scu.send_command(3, STORE, 0.0, has_dataset=True)
    scu.send_data(3, b"", 0.0, last=False)
    scu.send_data(3, b"", 0.0, last=True)

    assert transfer(scu, scp)[1:] == [DataReceived(3, memoryview(b""), True)]


def test_roles_are_negotiated() -> None:
    roles = (RoleSelection(CT, scu_role=True, scp_role=True),)
    scu, scp = joined(replace(REQUEST, user_information=UserInformation(roles=roles)))

    assert (scu.contexts[3].as_scu, scu.contexts[3].as_scp) == (True, True)
    assert (scp.contexts[3].as_scu, scp.contexts[3].as_scp) == (True, True)


def test_extended_negotiation_and_identity_are_answered() -> None:
    scu, scp = requestor(), acceptor()
    identity = UserIdentity(2, b"ann", b"secret", positive_response_requested=True)
    scu.request(replace(REQUEST, user_information=UserInformation(user_identity=identity)), 0.0)
    asked = transfer(scu, scp)
    answer = ExtendedNegotiation(uids.STUDY_ROOT_FIND, b"\1")
    scp.accept((), 0.0, user_identity_response=b"ticket", extended=(answer,))
    accepted = transfer(scp, scu)

    assert isinstance(asked[0], AssociationRequested)
    assert asked[0].request.user_information.user_identity == identity
    assert "secret" not in repr(asked)
    assert isinstance(accepted[0], AssociationAccepted)
    assert accepted[0].accept.user_information.user_identity_response == b"ticket"
    assert accepted[0].accept.user_information.extended == (answer,)
    assert {context.result for context in scu.contexts.values()} == {2}


def test_a_rejection_ends_both_sides() -> None:
    scu, scp = requestor(), acceptor()
    scu.request(REQUEST, 0.0)
    transfer(scu, scp)
    scp.reject(1, 1, 7, 0.0)

    assert transfer(scp, scu) == [AssociationRejected(1, 1, 7)]
    assert (scu.closed, scp.state) == (True, State.AWAITING_TRANSPORT_CLOSE)


def test_an_abort_ends_both_sides() -> None:
    scu, scp = joined()
    scu.abort(0.0, source=2, reason=1)

    assert transfer(scu, scp) == [Aborted(2, 1, by_peer=True)]
    assert (scp.closed, scu.state) == (True, State.AWAITING_TRANSPORT_CLOSE)


def test_data_may_still_come_after_we_asked_to_release() -> None:
    scu, scp = joined()
    scu.release(0.0)
    scp.send_command(1, c_echo_rq(9), 0.0)

    assert transfer(scp, scu) == [CommandReceived(1, c_echo_rq(9), False)]


def test_what_follows_the_end_is_dropped() -> None:
    _, scp = joined()

    events = scp.receive_data(abort_bytes(0, 0) + echo_bytes(), 0.0)

    assert events == [Aborted(0, 0, by_peer=True)]
    assert scp.receive_data(echo_bytes(), 0.0) == []


def test_a_lost_connection_is_told_once_and_sends_nothing_more() -> None:
    scu, _ = joined()
    scu.send_command(1, c_echo_rq(1), 0.0)

    assert scu.receive_eof(0.0) == [ConnectionLost()]
    assert (scu.receive_eof(0.0), sent(scu), scu.closed) == ([], b"", True)


def test_a_connection_that_never_opened_is_closed() -> None:
    scu = requestor()

    assert (scu.receive_eof(0.0), scu.closed) == ([], True)
    with pytest.raises(LocalProtocolError, match="used once"):
        scu.request(REQUEST, 0.0)


# Operations.


def test_a_duplicate_message_id_is_marked_until_both_are_answered() -> None:
    _, scp = joined()

    events = scp.receive_data(echo_bytes(7) + echo_bytes(7), 0.0)

    assert events == [CommandReceived(1, c_echo_rq(7), False), CommandReceived(1, c_echo_rq(7), False, duplicate=True)]
    scp.send_command(1, c_echo_rq(7).response(0x0210), 0.0)
    assert set(scp.outstanding) == {7}
    scp.send_command(1, c_echo_rq(7).response(0), 0.0)
    assert not scp.outstanding
    assert scp.receive_data(echo_bytes(7), 0.0) == [CommandReceived(1, c_echo_rq(7), False)]


def test_one_operation_at_a_time_unless_more_was_negotiated() -> None:
    scu, _ = joined()
    scu.send_command(1, c_echo_rq(1), 0.0)

    with pytest.raises(LocalProtocolError, match="window"):
        scu.send_command(1, c_echo_rq(2), 0.0)


def test_the_negotiated_window_holds_in_both_roles() -> None:
    scu, scp = joined(
        scu_settings=AssociationSettings("SCU", max_operations_invoked=5, max_operations_performed=3),
        scp_settings=AssociationSettings("SCP", max_operations_invoked=0, max_operations_performed=2),
    )
    assert scp.accepted
    assert scp.accepted.user_information.async_operations == AsyncOperationsWindow(2, 3)

    for association, window in ((scu, 2), (scp, 3)):
        for message_id in range(window):
            association.send_command(1, c_echo_rq(message_id), 0.0)
        with pytest.raises(LocalProtocolError, match="window"):
            association.send_command(1, c_echo_rq(99), 0.0)


def test_pending_responses_leave_the_operation_open() -> None:
    scu, scp = joined()
    find = c_find_rq(1, CT)
    scu.send_message(3, find, b"keys", 0.0)
    transfer(scu, scp)

    scp.send_message(3, find.response(0xFF00), b"match", 0.0)
    transfer(scp, scu)
    assert (set(scu.invoked), set(scp.outstanding)) == ({1}, {1})
    scp.send_command(3, find.response(0), 0.0)
    transfer(scp, scu)

    assert not scu.invoked
    assert not scp.outstanding


# Our own mistakes.


def test_sending_out_of_order_is_our_own_mistake() -> None:
    scu, _ = joined()
    with pytest.raises(LocalProtocolError, match="no data set is due"):
        scu.send_data(3, b"data", 0.0, last=True)
    scu.send_command(3, STORE, 0.0, has_dataset=True)

    with pytest.raises(LocalProtocolError, match="not complete"):
        scu.send_command(1, c_echo_rq(2), 0.0)
    with pytest.raises(LocalProtocolError, match="no data set is due"):
        scu.send_data(1, b"data", 0.0, last=True)


@pytest.mark.parametrize("context_id", [5, 7])
def test_sending_on_a_context_that_is_not_accepted_is_our_own_mistake(context_id: int) -> None:
    scu, _ = joined()

    with pytest.raises(LocalProtocolError, match="not accepted"):
        scu.send_command(context_id, c_echo_rq(1), 0.0)


def test_sending_without_an_association_is_our_own_mistake() -> None:
    scp = acceptor()

    for send in (
        lambda: scp.send_command(1, c_echo_rq(1), 0.0),
        lambda: scp.send_data(1, b"", 0.0, last=True),
        lambda: scp.send_message(1, c_echo_rq(1), b"", 0.0),
    ):
        with pytest.raises(LocalProtocolError):
            send()


def test_receiving_before_anything_was_asked_is_our_own_mistake() -> None:
    with pytest.raises(LocalProtocolError):
        requestor().receive_data(echo_bytes(), 0.0)


def test_accepting_what_nobody_asked_is_our_own_mistake() -> None:
    with pytest.raises(LocalProtocolError):
        acceptor().accept((), 0.0)


def test_a_request_that_may_not_be_sent_changes_nothing() -> None:
    scu: Association = requestor()

    with pytest.raises(LocalProtocolError):
        scu.request(AssociateRequest("", contexts=CONTEXTS), 0.0)

    assert (scu.state, sent(scu)) == (State.IDLE, b"")


def test_the_acceptance_names_a_transfer_syntax_for_refused_contexts_too() -> None:
    scp = acceptor()
    request_to(scp)
    accept_all(scp)

    encoded = sent(scp)

    assert decode_pdu(PDUType.ASSOCIATE_AC, encoded[6:]) == replace(
        scp.accepted or AssociateAccept("", ""),
        contexts=(ContextAnswer(1, 0, SYNTAXES[0]), ContextAnswer(3, 0, SYNTAXES[0]), ContextAnswer(5, 3, "")),
    )
    assert encoded.count(encode_item(0x40, uids.IMPLICIT_VR_LITTLE_ENDIAN.encode())) == 1
