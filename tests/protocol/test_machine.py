"""The state machine, PS3.8 §9.2: all 247 cells of Table 9-10, as data and by driving an association."""

from collections.abc import Callable

import pytest

from archimage.errors import LocalProtocolError
from archimage.protocol import machine
from archimage.protocol.association import Association
from archimage.protocol.command import c_echo_rq, encode_command
from archimage.protocol.events import (
    Aborted,
    AssociationAccepted,
    AssociationRejected,
    AssociationRequested,
    CommandReceived,
    ConnectionLost,
    ReleaseConfirmed,
    ReleaseRequested,
    TimedOut,
)
from archimage.protocol.items import ContextAnswer
from archimage.protocol.machine import ALTERNATIVES, EFFECTS, TRANSITIONS, Action, Event, State
from archimage.protocol.pdu import (
    Abort,
    AssociateAccept,
    AssociateReject,
    ReleaseRequest,
    ReleaseResponse,
    encode_data_header,
    encode_pdu,
)
from tests.protocol.joined import FULL_REQUEST, REQUEST, accept_all, acceptor, joined, request_to, requestor, sent

# Action and next state, a column for each state from Sta1 to Sta13; a dot is a cell that cannot be.
TABLE = """
Evt1  AE-1/4 . . . . . . . . . . . .
Evt2  . . . AE-2/5 . . . . . . . . .
Evt3  . AA-1/13 AA-8/13 . AE-3/6 AA-8/13 AA-8/13 AA-8/13 AA-8/13 AA-8/13 AA-8/13 AA-8/13 AA-6/13
Evt4  . AA-1/13 AA-8/13 . AE-4/1 AA-8/13 AA-8/13 AA-8/13 AA-8/13 AA-8/13 AA-8/13 AA-8/13 AA-6/13
Evt5  AE-5/2 . . . . . . . . . . . .
Evt6  . AE-6/3 AA-8/13 . AA-8/13 AA-8/13 AA-8/13 AA-8/13 AA-8/13 AA-8/13 AA-8/13 AA-8/13 AA-7/13
Evt7  . . AE-7/6 . . . . . . . . . .
Evt8  . . AE-8/13 . . . . . . . . . .
Evt9  . . . . . DT-1/6 . AR-7/8 . . . . .
Evt10 . AA-1/13 AA-8/13 . AA-8/13 DT-2/6 AR-6/7 AA-8/13 AA-8/13 AA-8/13 AA-8/13 AA-8/13 AA-6/13
Evt11 . . . . . AR-1/7 . . . . . . .
Evt12 . AA-1/13 AA-8/13 . AA-8/13 AR-2/8 AR-8/9 AA-8/13 AA-8/13 AA-8/13 AA-8/13 AA-8/13 AA-6/13
Evt13 . AA-1/13 AA-8/13 . AA-8/13 AA-8/13 AR-3/1 AA-8/13 AA-8/13 AR-10/12 AR-3/1 AA-8/13 AA-6/13
Evt14 . . . . . . . AR-4/13 AR-9/11 . . AR-4/13 .
Evt15 . . AA-1/13 AA-2/1 AA-1/13 AA-1/13 AA-1/13 AA-1/13 AA-1/13 AA-1/13 AA-1/13 AA-1/13 .
Evt16 . AA-2/1 AA-3/1 . AA-3/1 AA-3/1 AA-3/1 AA-3/1 AA-3/1 AA-3/1 AA-3/1 AA-3/1 AA-2/1
Evt17 . AA-5/1 AA-4/1 AA-4/1 AA-4/1 AA-4/1 AA-4/1 AA-4/1 AA-4/1 AA-4/1 AA-4/1 AA-4/1 AR-5/1
Evt18 . AA-2/1 . . . . . . . . . . AA-2/1
Evt19 . AA-1/13 AA-8/13 . AA-8/13 AA-8/13 AA-8/13 AA-8/13 AA-8/13 AA-8/13 AA-8/13 AA-8/13 AA-7/13
"""
CELLS = [
    (row.split()[0], f"Sta{column}", cell)
    for row in TABLE.strip().splitlines()
    for column, cell in enumerate(row.split()[1:], 1)
]


def test_the_expected_table_is_whole() -> None:
    assert len(CELLS) == 13 * 19 == 247
    assert sum(cell != "." for _, _, cell in CELLS) == 123
    assert len(State) == 13
    assert len(Event) == 19
    assert len(Action) == 28


@pytest.mark.parametrize(("event", "state", "expected"), CELLS)
def test_every_cell_is_that_of_the_standard(event: str, state: str, expected: str) -> None:
    cell = TRANSITIONS.get((Event(event), State(state)))

    assert (f"{cell[0].value}/{cell[1].value[3:]}" if cell else ".") == expected


def test_every_action_is_used_and_has_its_effect() -> None:
    assert {action for action, _ in TRANSITIONS.values()} == set(Action) == set(EFFECTS)
    assert {action: state.value for action, (state, _) in ALTERNATIVES.items()} == {
        Action.AE_6: "Sta13",
        Action.AR_8: "Sta10",
    }
    assert {action.value for action in machine.REFUSALS} == {"AA-1", "AA-6", "AA-7", "AA-8"}


def _requested() -> Association:
    scu = requestor()
    scu.request(REQUEST, 0.0)
    return scu


def _indicated() -> Association:
    scp = acceptor()
    request_to(scp)
    return scp


def _established(*, as_requestor: bool) -> Association:
    return joined()[0 if as_requestor else 1]


def _releasing(*, as_requestor: bool) -> Association:
    association = _established(as_requestor=as_requestor)
    association.release(0.0)
    return association


def _asked_to_release() -> Association:
    association = _established(as_requestor=False)
    association.receive_data(encode_pdu(ReleaseRequest()), 0.0)
    return association


def _collided(*, as_requestor: bool) -> Association:
    association = _releasing(as_requestor=as_requestor)
    association.receive_data(encode_pdu(ReleaseRequest()), 0.0)
    return association


def _collided_and_answered() -> Association:
    association = _collided(as_requestor=True)
    association.accept_release(0.0)
    return association


def _collided_and_confirmed() -> Association:
    association = _collided(as_requestor=False)
    association.receive_data(encode_pdu(ReleaseResponse()), 0.0)
    return association


def _released() -> Association:
    association = _asked_to_release()
    association.accept_release(0.0)
    return association


STATES: dict[str, Callable[[], Association]] = {
    "Sta1": requestor,
    "Sta2": acceptor,
    "Sta3": _indicated,
    "Sta5": _requested,
    "Sta6": lambda: _established(as_requestor=False),
    "Sta7": lambda: _releasing(as_requestor=True),
    "Sta8": _asked_to_release,
    "Sta9": lambda: _collided(as_requestor=True),
    "Sta10": lambda: _collided(as_requestor=False),
    "Sta11": _collided_and_answered,
    "Sta12": _collided_and_confirmed,
    "Sta13": _released,
}


def _feed(data: bytes) -> Callable[[Association], list[object]]:
    return lambda association: [*association.receive_data(data, 1.0)]


def _tell(primitive: Callable[[Association], None]) -> Callable[[Association], list[object]]:
    def act(association: Association) -> list[object]:
        primitive(association)
        return []

    return act


_ECHO = encode_command(c_echo_rq(1), has_dataset=False)
_ACCEPT = AssociateAccept("SCP", "SCU", (ContextAnswer(1, 0, "1.2.840.10008.1.2"),))

# How each event comes about; Evt2 and Evt5 are part of Evt1 and of making an acceptor.
EVENTS: dict[str, Callable[[Association], list[object]]] = {
    "Evt1": _tell(lambda association: association.request(REQUEST, 1.0)),
    "Evt3": _feed(encode_pdu(_ACCEPT)),
    "Evt4": _feed(encode_pdu(AssociateReject(1, 1, 1))),
    "Evt6": _feed(encode_pdu(FULL_REQUEST)),
    "Evt7": _tell(lambda association: association.accept((), 1.0)),
    "Evt8": _tell(lambda association: association.reject(1, 1, 1, 1.0)),
    "Evt9": _tell(lambda association: association.send_command(1, c_echo_rq(1), 1.0)),
    "Evt10": _feed(encode_data_header(1, len(_ECHO), 3) + _ECHO),
    "Evt11": _tell(lambda association: association.release(1.0)),
    "Evt12": _feed(encode_pdu(ReleaseRequest())),
    "Evt13": _feed(encode_pdu(ReleaseResponse())),
    "Evt14": _tell(lambda association: association.accept_release(1.0)),
    "Evt15": _tell(lambda association: association.abort(1.0)),
    "Evt16": _feed(encode_pdu(Abort(0, 0))),
    "Evt17": lambda association: [*association.receive_eof(1.0)],
    "Evt18": lambda association: [*association.handle_timeout(30.0)],
    "Evt19": _feed(bytes.fromhex("99 00 00000004 00000000")),
}
# First bytes of what goes out, and what the owner is told; an action that is not here does neither.
SENT = {
    "AE-1": "01",
    "AE-7": "02",
    "AE-8": "03",
    "DT-1": "04",
    "AR-7": "04",
    "AR-1": "05",
    "AR-4": "06",
    "AR-9": "06",
    "AA-1": "07 00 00000004 0000 00 00",
    "AA-7": "07 00 00000004 0000 02",
    "AA-8": "07 00 00000004 0000 02",
}
TOLD: dict[str, list[type]] = {
    "AE-3": [AssociationAccepted],
    "AE-4": [AssociationRejected],
    "AE-6": [AssociationRequested],
    "DT-2": [CommandReceived],
    "AR-2": [ReleaseRequested],
    "AR-3": [ReleaseConfirmed],
    "AR-6": [CommandReceived],
    "AR-8": [ReleaseRequested],
    "AR-10": [ReleaseRequested, ReleaseConfirmed],
    "AA-3": [Aborted],
    "AA-4": [ConnectionLost],
    "AA-8": [Aborted],
}
# A request opens and asks in one step, so the association passes through Sta4.
REACHED = {"AE-1/4": "Sta5"}
CLOSING = {"AE-4", "AR-3", "AR-5", "AA-2", "AA-3", "AA-4", "AA-5"}
REACHABLE = [cell for cell in CELLS if cell[0] in EVENTS and cell[1] in STATES]
POSSIBLE = [cell for cell in REACHABLE if cell[2] != "."]
# The clock and the end of the connection are no errors in any state.
IMPOSSIBLE = [cell for cell in REACHABLE if cell[2] == "." and cell[0] not in {"Evt17", "Evt18"}]


def _told_for_the_log(event: str, state: str, action: str) -> list[type]:
    """Return what the standard tells nobody, as there is no association yet."""
    if (event, state) == ("Evt18", "Sta2"):
        return [TimedOut]
    return [Aborted] if action == "AA-1" and event != "Evt15" else []


@pytest.mark.parametrize("state", STATES)
def test_states_are_reached(state: str) -> None:
    assert STATES[state]().state is State(state)


@pytest.mark.parametrize(("event", "state", "expected"), POSSIBLE)
def test_an_association_does_what_the_cell_says(event: str, state: str, expected: str) -> None:
    association = STATES[state]()
    sent(association)
    action, following = expected.split("/")

    told = EVENTS[event](association)

    assert association.state.value == REACHED.get(expected, f"Sta{following}")
    assert sent(association).hex().startswith(SENT.get(action, "").replace(" ", ""))
    assert association.closed == (action in CLOSING)
    assert [type(one) for one in told] == TOLD.get(action, _told_for_the_log(event, state, action))


@pytest.mark.parametrize(
    ("event", "state", "expected"), [cell for cell in POSSIBLE if cell[2].split("/")[0] not in SENT]
)
def test_nothing_is_sent_where_the_cell_sends_nothing(event: str, state: str, expected: str) -> None:
    association = STATES[state]()
    sent(association)

    EVENTS[event](association)

    assert sent(association) == b"", expected


@pytest.mark.parametrize(("event", "state", "expected"), IMPOSSIBLE)
def test_what_cannot_be_is_our_own_mistake(event: str, state: str, expected: str) -> None:
    association = STATES[state]()
    sent(association)

    with pytest.raises(LocalProtocolError):
        EVENTS[event](association)

    assert (association.state, sent(association)) == (State(state), b""), expected


def test_a_release_collision_ends_in_both_roles() -> None:
    scu, scp = joined()
    scu.release(0.0)
    scp.release(0.0)
    to_scp, to_scu = sent(scu), sent(scp)

    assert scu.receive_data(to_scu, 0.0) == [ReleaseRequested()]
    assert scp.receive_data(to_scp, 0.0) == []
    scu.accept_release(0.0)
    assert scp.receive_data(sent(scu), 0.0) == [ReleaseRequested(), ReleaseConfirmed()]
    scp.accept_release(0.0)
    assert scu.receive_data(sent(scp), 0.0) == [ReleaseConfirmed()]
    assert scu.closed
    assert scp.receive_eof(0.0) == []
    assert (scu.state, scp.state, scp.closed) == (State.IDLE, State.IDLE, True)


def test_accepting_everything_establishes() -> None:
    scp = _indicated()

    accept_all(scp)

    assert scp.state is State.ESTABLISHED
