"""Deadlines: ARTIM, PS3.8 §9.1.4, and idling."""

import pytest

from archimage.protocol.association import AssociationSettings
from archimage.protocol.command import c_echo_rq, encode_command
from archimage.protocol.events import (
    TimedOut,
)
from archimage.protocol.machine import State
from archimage.protocol.pdu import (
    encode_pdu,
)
from tests.protocol.joined import (
    FULL_REQUEST,
    REQUEST,
    STORE,
    abort_bytes,
    acceptor,
    data_bytes,
    echo_bytes,
    joined,
    request_to,
    requestor,
    sent,
    transfer,
)


@pytest.mark.parametrize("dripping", [False, True])
def test_a_request_has_thirty_seconds_in_all(dripping: bool) -> None:
    scp, request = acceptor(), encode_pdu(FULL_REQUEST)
    for second in range(0, 30, 5):
        if dripping:
            scp.receive_data(request[second // 5 :][:1], float(second))
        assert (scp.deadline, scp.handle_timeout(float(second))) == (30.0, [])

    assert scp.handle_timeout(30.0) == [TimedOut()]
    assert (scp.closed, sent(scp), scp.deadline) == (True, b"", None)


def test_the_end_of_the_connection_has_thirty_seconds_in_all() -> None:
    _, scp = joined()
    scp.receive_data(bytes.fromhex("99 00 00000000"), 100.0)
    for now in (110.0, 120.0):
        scp.receive_data(bytes.fromhex("99 00 00000000"), now)
        assert scp.deadline == 130.0

    assert scp.handle_timeout(130.0) == []
    assert (scp.closed, sent(scp)) == (True, abort_bytes(2, 1))


def test_an_answer_has_thirty_seconds() -> None:
    scu = requestor()
    scu.request(REQUEST, 5.0)
    sent(scu)

    assert (scu.deadline, scu.handle_timeout(35.0)) == (35.0, [TimedOut()])
    assert (sent(scu), scu.state, scu.deadline) == (abort_bytes(0, 0), State.AWAITING_TRANSPORT_CLOSE, 65.0)


def test_a_release_has_thirty_seconds() -> None:
    scu, _ = joined()
    scu.release(7.0)

    assert (scu.deadline, scu.handle_timeout(37.0)) == (37.0, [TimedOut()])


def test_deciding_on_a_request_is_our_own_time() -> None:
    scp = acceptor()
    request_to(scp)

    assert (scp.deadline, scp.handle_timeout(1e9)) == (None, [])


def test_an_idle_association_is_aborted() -> None:
    _, scp = joined()
    scp.receive_data(echo_bytes(), 10.0)
    scp.send_command(1, c_echo_rq(1).response(0), 11.0)
    sent(scp)

    assert (scp.deadline, scp.handle_timeout(70.9)) == (71.0, [])
    assert scp.handle_timeout(71.0) == [TimedOut()]
    assert sent(scp) == abort_bytes(0, 0)


def test_idling_may_be_without_limit() -> None:
    _, scp = joined(scp_settings=AssociationSettings("SCP", idle_timeout_s=None))

    assert scp.deadline is None


def test_an_operation_of_ours_keeps_the_association() -> None:
    scu, scp = joined()
    scu.send_command(1, c_echo_rq(1), 0.0)
    transfer(scu, scp)

    assert (scu.deadline, scp.deadline) == (None, None)
    assert (set(scu.invoked), set(scp.outstanding)) == ({1}, {1})
    scp.send_command(1, c_echo_rq(1).response(0), 1.0)
    transfer(scp, scu, 2.0)
    assert (scu.deadline, scp.deadline) == (62.0, 61.0)
    assert not scu.invoked
    assert not scp.outstanding


def test_a_peer_that_falls_silent_within_a_message_is_idle() -> None:
    _, scp = joined()
    scp.receive_data(data_bytes(encode_command(STORE, has_dataset=True), 3) + data_bytes(b"half", 3, control=0), 10.0)

    assert scp.deadline == 70.0
    scp.pause_idle()
    assert scp.deadline is None
    scp.resume_idle(100.0)
    assert scp.deadline == 160.0
