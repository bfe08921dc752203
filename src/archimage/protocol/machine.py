"""The upper layer's state machine as data: everything that decides what happens next lives here.

Of the 13 x 19 cells 123 are defined. Two actions end in one of two states; `ALTERNATIVES` holds the second one.

Ref: PS3.8 §9.2, Tables 9-6 to 9-10.
"""

from collections.abc import Mapping
from enum import Enum, Flag, auto
from types import MappingProxyType


class State(Enum):
    """States, named by what is waited for. Ref: PS3.8 Tables 9-1 to 9-5."""

    IDLE = "Sta1"
    AWAITING_RQ = "Sta2"
    AWAITING_LOCAL_ACCEPT = "Sta3"
    AWAITING_TRANSPORT_OPEN = "Sta4"
    AWAITING_AC = "Sta5"
    ESTABLISHED = "Sta6"
    AWAITING_RELEASE_RP = "Sta7"
    AWAITING_LOCAL_RELEASE = "Sta8"
    COLLISION_REQUESTOR_AWAITING_LOCAL = "Sta9"
    COLLISION_ACCEPTOR_AWAITING_RP = "Sta10"
    COLLISION_REQUESTOR_AWAITING_RP = "Sta11"
    COLLISION_ACCEPTOR_AWAITING_LOCAL = "Sta12"
    AWAITING_TRANSPORT_CLOSE = "Sta13"


class Event(Enum):
    """Events: local primitives, PDUs of the peer, transport and timer. Ref: PS3.8 Table 9-10."""

    REQUEST = "Evt1"
    TRANSPORT_OPENED = "Evt2"
    AC_RECEIVED = "Evt3"
    RJ_RECEIVED = "Evt4"
    TRANSPORT_INDICATED = "Evt5"
    RQ_RECEIVED = "Evt6"
    ACCEPT = "Evt7"
    REJECT = "Evt8"
    DATA = "Evt9"
    DATA_RECEIVED = "Evt10"
    RELEASE = "Evt11"
    RELEASE_RQ_RECEIVED = "Evt12"
    RELEASE_RP_RECEIVED = "Evt13"
    ACCEPT_RELEASE = "Evt14"
    ABORT = "Evt15"
    ABORT_RECEIVED = "Evt16"
    TRANSPORT_CLOSED = "Evt17"
    ARTIM_EXPIRED = "Evt18"
    INVALID_PDU_RECEIVED = "Evt19"


class Action(Enum):
    """Actions. Ref: PS3.8 Tables 9-6 to 9-9."""

    AE_1 = "AE-1"
    AE_2 = "AE-2"
    AE_3 = "AE-3"
    AE_4 = "AE-4"
    AE_5 = "AE-5"
    AE_6 = "AE-6"
    AE_7 = "AE-7"
    AE_8 = "AE-8"
    DT_1 = "DT-1"
    DT_2 = "DT-2"
    AR_1 = "AR-1"
    AR_2 = "AR-2"
    AR_3 = "AR-3"
    AR_4 = "AR-4"
    AR_5 = "AR-5"
    AR_6 = "AR-6"
    AR_7 = "AR-7"
    AR_8 = "AR-8"
    AR_9 = "AR-9"
    AR_10 = "AR-10"
    AA_1 = "AA-1"
    AA_2 = "AA-2"
    AA_3 = "AA-3"
    AA_4 = "AA-4"
    AA_5 = "AA-5"
    AA_6 = "AA-6"
    AA_7 = "AA-7"
    AA_8 = "AA-8"


class Effect(Flag):
    """What an action does besides naming the next state."""

    NOTHING = 0
    SEND = auto()
    """The PDU that belongs to the action goes out."""
    INDICATE = auto()
    """The owner is told."""
    START_TIMER = auto()
    """ARTIM starts, or starts again."""
    STOP_TIMER = auto()
    CLOSE = auto()
    """The transport connection is to be closed once everything is sent."""


_S = State
_IN_USE = (
    _S.ESTABLISHED,
    _S.AWAITING_RELEASE_RP,
    _S.AWAITING_LOCAL_RELEASE,
    _S.COLLISION_REQUESTOR_AWAITING_LOCAL,
    _S.COLLISION_ACCEPTOR_AWAITING_RP,
    _S.COLLISION_REQUESTOR_AWAITING_RP,
    _S.COLLISION_ACCEPTOR_AWAITING_LOCAL,
)
_ASSOCIATING = (_S.AWAITING_LOCAL_ACCEPT, _S.AWAITING_AC)

_Cell = tuple[Action, State]
_Row = dict[State, _Cell]


def _pdu_row(in_closing: Action, **known: _Cell) -> _Row:
    """Return the row of a PDU: what is not known aborts, politely before an association and as provider within."""
    row = dict.fromkeys((*_ASSOCIATING, *_IN_USE), (Action.AA_8, _S.AWAITING_TRANSPORT_CLOSE))
    row[_S.AWAITING_RQ] = (Action.AA_1, _S.AWAITING_TRANSPORT_CLOSE)
    row[_S.AWAITING_TRANSPORT_CLOSE] = (in_closing, _S.AWAITING_TRANSPORT_CLOSE)
    return row | {State[name]: cell for name, cell in known.items()}


_ROWS: dict[Event, _Row] = {
    Event.REQUEST: {_S.IDLE: (Action.AE_1, _S.AWAITING_TRANSPORT_OPEN)},
    Event.TRANSPORT_OPENED: {_S.AWAITING_TRANSPORT_OPEN: (Action.AE_2, _S.AWAITING_AC)},
    Event.AC_RECEIVED: _pdu_row(Action.AA_6, AWAITING_AC=(Action.AE_3, _S.ESTABLISHED)),
    Event.RJ_RECEIVED: _pdu_row(Action.AA_6, AWAITING_AC=(Action.AE_4, _S.IDLE)),
    Event.TRANSPORT_INDICATED: {_S.IDLE: (Action.AE_5, _S.AWAITING_RQ)},
    Event.RQ_RECEIVED: _pdu_row(Action.AA_7, AWAITING_RQ=(Action.AE_6, _S.AWAITING_LOCAL_ACCEPT)),
    Event.ACCEPT: {_S.AWAITING_LOCAL_ACCEPT: (Action.AE_7, _S.ESTABLISHED)},
    Event.REJECT: {_S.AWAITING_LOCAL_ACCEPT: (Action.AE_8, _S.AWAITING_TRANSPORT_CLOSE)},
    Event.DATA: {
        _S.ESTABLISHED: (Action.DT_1, _S.ESTABLISHED),
        _S.AWAITING_LOCAL_RELEASE: (Action.AR_7, _S.AWAITING_LOCAL_RELEASE),
    },
    Event.DATA_RECEIVED: _pdu_row(
        Action.AA_6,
        ESTABLISHED=(Action.DT_2, _S.ESTABLISHED),
        AWAITING_RELEASE_RP=(Action.AR_6, _S.AWAITING_RELEASE_RP),
    ),
    Event.RELEASE: {_S.ESTABLISHED: (Action.AR_1, _S.AWAITING_RELEASE_RP)},
    Event.RELEASE_RQ_RECEIVED: _pdu_row(
        Action.AA_6,
        ESTABLISHED=(Action.AR_2, _S.AWAITING_LOCAL_RELEASE),
        AWAITING_RELEASE_RP=(Action.AR_8, _S.COLLISION_REQUESTOR_AWAITING_LOCAL),
    ),
    Event.RELEASE_RP_RECEIVED: _pdu_row(
        Action.AA_6,
        AWAITING_RELEASE_RP=(Action.AR_3, _S.IDLE),
        COLLISION_REQUESTOR_AWAITING_RP=(Action.AR_3, _S.IDLE),
        COLLISION_ACCEPTOR_AWAITING_RP=(Action.AR_10, _S.COLLISION_ACCEPTOR_AWAITING_LOCAL),
    ),
    Event.ACCEPT_RELEASE: {
        _S.AWAITING_LOCAL_RELEASE: (Action.AR_4, _S.AWAITING_TRANSPORT_CLOSE),
        _S.COLLISION_REQUESTOR_AWAITING_LOCAL: (Action.AR_9, _S.COLLISION_REQUESTOR_AWAITING_RP),
        _S.COLLISION_ACCEPTOR_AWAITING_LOCAL: (Action.AR_4, _S.AWAITING_TRANSPORT_CLOSE),
    },
    Event.ABORT: {
        **dict.fromkeys((*_ASSOCIATING, *_IN_USE), (Action.AA_1, _S.AWAITING_TRANSPORT_CLOSE)),
        _S.AWAITING_TRANSPORT_OPEN: (Action.AA_2, _S.IDLE),
    },
    Event.ABORT_RECEIVED: {
        **dict.fromkeys((*_ASSOCIATING, *_IN_USE), (Action.AA_3, _S.IDLE)),
        _S.AWAITING_RQ: (Action.AA_2, _S.IDLE),
        _S.AWAITING_TRANSPORT_CLOSE: (Action.AA_2, _S.IDLE),
    },
    Event.TRANSPORT_CLOSED: {
        **dict.fromkeys((*_ASSOCIATING, *_IN_USE), (Action.AA_4, _S.IDLE)),
        _S.AWAITING_TRANSPORT_OPEN: (Action.AA_4, _S.IDLE),
        _S.AWAITING_RQ: (Action.AA_5, _S.IDLE),
        _S.AWAITING_TRANSPORT_CLOSE: (Action.AR_5, _S.IDLE),
    },
    Event.ARTIM_EXPIRED: {
        _S.AWAITING_RQ: (Action.AA_2, _S.IDLE),
        _S.AWAITING_TRANSPORT_CLOSE: (Action.AA_2, _S.IDLE),
    },
    Event.INVALID_PDU_RECEIVED: _pdu_row(Action.AA_7),
}

TRANSITIONS: Mapping[tuple[Event, State], _Cell] = MappingProxyType(
    {(event, state): cell for event, row in _ROWS.items() for state, cell in row.items()}
)
"""What happens on an event in a state; a cell that is not here cannot be."""

_SEND_AND_WAIT = Effect.SEND | Effect.START_TIMER
_TELL_AND_CLOSE = Effect.INDICATE | Effect.STOP_TIMER | Effect.CLOSE
_END = Effect.STOP_TIMER | Effect.CLOSE

ALTERNATIVES: Mapping[Action, tuple[State, Effect]] = MappingProxyType(
    {
        Action.AE_6: (_S.AWAITING_TRANSPORT_CLOSE, Effect.INDICATE | _SEND_AND_WAIT),
        # The owner hears of it with AR-10, when it may answer.
        Action.AR_8: (_S.COLLISION_ACCEPTOR_AWAITING_RP, Effect.NOTHING),
    }
)
"""Next state and effect when the provider refuses the request (AE-6), and in the acceptor of an association (AR-8)."""

EFFECTS: Mapping[Action, Effect] = MappingProxyType(
    {
        Action.AE_1: Effect.NOTHING,
        # The standard leaves the waits of a requestor unbounded (AE-2, AR-1); here ARTIM bounds them as well.
        Action.AE_2: _SEND_AND_WAIT,
        Action.AE_3: Effect.INDICATE | Effect.STOP_TIMER,
        Action.AE_4: _TELL_AND_CLOSE,
        Action.AE_5: Effect.START_TIMER,
        Action.AE_6: Effect.INDICATE | Effect.STOP_TIMER,
        Action.AE_7: Effect.SEND,
        Action.AE_8: _SEND_AND_WAIT,
        Action.DT_1: Effect.SEND,
        Action.DT_2: Effect.INDICATE,
        Action.AR_1: _SEND_AND_WAIT,
        Action.AR_2: Effect.INDICATE,
        Action.AR_3: _TELL_AND_CLOSE,
        Action.AR_4: _SEND_AND_WAIT,
        Action.AR_5: _END,
        Action.AR_6: Effect.INDICATE,
        Action.AR_7: Effect.SEND,
        Action.AR_8: Effect.INDICATE,
        Action.AR_9: Effect.SEND,
        Action.AR_10: Effect.INDICATE,
        Action.AA_1: _SEND_AND_WAIT,
        Action.AA_2: _END,
        Action.AA_3: _TELL_AND_CLOSE,
        Action.AA_4: _TELL_AND_CLOSE,
        Action.AA_5: _END,
        Action.AA_6: Effect.NOTHING,
        Action.AA_7: Effect.SEND,
        Action.AA_8: Effect.INDICATE | _SEND_AND_WAIT,
    }
)

REFUSALS = frozenset((Action.AA_1, Action.AA_6, Action.AA_7, Action.AA_8))
"""Actions that answer a PDU which the state does not take."""
