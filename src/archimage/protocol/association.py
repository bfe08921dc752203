"""One association: received bytes in, events out, bytes to send out, and a deadline instead of a clock.

The machine in `machine.py` decides what happens; this module feeds it and carries out the effects. PDUs that the
state refuses are refused on their 6-byte header; P-DATA-TF is passed on as it arrives; the rest is collected, bounded.

Ref: PS3.8 §9; PS3.7 Annex D.
"""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import cast

from archimage.errors import LocalProtocolError, RemoteProtocolError
from archimage.protocol import machine
from archimage.protocol.command import Command
from archimage.protocol.events import (
    Aborted,
    AssociationAccepted,
    AssociationRejected,
    AssociationRequested,
    ConnectionLost,
    Event,
    ReleaseConfirmed,
    ReleaseRequested,
    TimedOut,
)
from archimage.protocol.framing import PDUFramer
from archimage.protocol.items import AsyncOperationsWindow, ExtendedNegotiation, UserInformation
from archimage.protocol.machine import Action, Effect, State
from archimage.protocol.message import VALUE_HEADER_SIZE, Buffer, MessageReader, MessageWriter, Operations
from archimage.protocol.negotiation import SYNCHRONOUS, NegotiatedContext, agreed_window, settle
from archimage.protocol.pdu import (
    PDU,
    Abort,
    AssociateAccept,
    AssociateReject,
    AssociateRequest,
    PDUType,
    ReleaseRequest,
    ReleaseResponse,
    decode_pdu,
    encode_pdu,
)
from archimage.protocol.settings import MIN_PDU_LENGTH, AssociationSettings, build_accept, complete_request
from archimage.protocol.uids import APPLICATION_CONTEXT
from archimage.protocol.wire import AbortReason, invalid

__all__ = ["Association", "AssociationSettings"]

_SHORT_PDU_LENGTH = 4
_NO_CONTEXTS: Mapping[int, NegotiatedContext] = MappingProxyType({})

_PDU_EVENTS: Mapping[int, machine.Event] = MappingProxyType(
    {
        PDUType.ASSOCIATE_RQ: machine.Event.RQ_RECEIVED,
        PDUType.ASSOCIATE_AC: machine.Event.AC_RECEIVED,
        PDUType.ASSOCIATE_RJ: machine.Event.RJ_RECEIVED,
        PDUType.DATA_TF: machine.Event.DATA_RECEIVED,
        PDUType.RELEASE_RQ: machine.Event.RELEASE_RQ_RECEIVED,
        PDUType.RELEASE_RP: machine.Event.RELEASE_RP_RECEIVED,
        PDUType.ABORT: machine.Event.ABORT_RECEIVED,
    }
)
_LONG_PDUS = frozenset((PDUType.ASSOCIATE_RQ, PDUType.ASSOCIATE_AC))
_ARTIM_STATES = frozenset(state for event, state in machine.TRANSITIONS if event is machine.Event.ARTIM_EXPIRED)


class Association:
    """Our side of one association over one transport connection; `now` is in seconds, monotonic.

    closed: the transport connection is to be closed once data_to_send is drained.
    requested, accepted: the A-ASSOCIATE-RQ and -AC, whoever sent them.
    contexts: by id, accepted or not; peer_max_pdu_length: bytes, 0 is without limit.
    """

    def __init__(self, settings: AssociationSettings, *, requestor: bool, now: float) -> None:
        self.settings = settings
        self.requestor = requestor
        self.state = State.IDLE
        self.closed = False
        self.requested: AssociateRequest | None = None
        self.accepted: AssociateAccept | None = None
        self.contexts: Mapping[int, NegotiatedContext] = _NO_CONTEXTS
        self.peer_max_pdu_length = 0
        self._out: list[bytes | memoryview] = []
        self._timer: float | None = None
        self._last_activity = now
        self._idle_paused = False
        self._abort_sent = False
        self._sends_data = False
        self._operations = Operations(SYNCHRONOUS)
        self._reader = MessageReader(frozenset(), self._operations, settings.max_command_length)
        self._writer = MessageWriter(frozenset(), self._operations, 0)
        self._framer = PDUFramer()
        self._pdu_type = PDUType.ABORT
        if not requestor:
            self._step(machine.Event.TRANSPORT_INDICATED, now)

    # What the owner asks.

    @property
    def outstanding(self) -> Collection[int]:
        """Return the message ids of received requests that still lack our final response."""
        return self._operations.performed.keys()

    @property
    def invoked(self) -> Collection[int]:
        """Return the message ids of sent requests that still lack the peer's final response."""
        return self._operations.invoked

    @property
    def deadline(self) -> float | None:
        """Return when handle_timeout is to be called, if the peer has not moved by then."""
        if self._timer is not None:
            return self._timer
        timeout = self.settings.idle_timeout_s
        if timeout is None or self._idle_paused or self.state is not State.ESTABLISHED:
            return None
        waits_for_us = bool(self._operations.performed or self._operations.invoked)
        return None if waits_for_us and not self._reader.incomplete else self._last_activity + timeout

    def pause_idle(self) -> None:
        """Hold the idle deadline, even within a message: an operation runs, or we do not read."""
        self._idle_paused = True

    def resume_idle(self, now: float) -> None:
        """Let the idle deadline run again, from now."""
        self._idle_paused = False
        self._last_activity = now

    def data_to_send(self) -> list[bytes | memoryview]:
        """Return what is to be sent, once; views point into what was passed to send_data."""
        pieces, self._out = self._out, []
        return pieces

    # What the peer, the transport and the clock do.

    def receive_data(self, data: Buffer, now: float) -> list[Event]:
        """Take received bytes, all of them. Views in DataReceived point into data."""
        view = memoryview(data)
        events: list[Event] = []
        self._last_activity = now
        position, end = 0, len(view)
        while position < end and not self.closed:
            if self._reader.left:
                position = self._receive_values(view, position, now, events)
                continue
            unit, position = self._framer.read(view, position, end)
            if isinstance(unit, bytes):
                self._receive_body(unit, now, events)
            elif unit:
                pdu_type, length = unit
                self._open_pdu(pdu_type, length, now, events)
        return events

    def receive_eof(self, now: float) -> list[Event]:
        """Take note that the transport connection is closed or broken."""
        events: list[Event] = []
        self._out.clear()
        if self.state is State.IDLE:
            self.closed = True
        else:
            self._step(machine.Event.TRANSPORT_CLOSED, now, events, indications=(ConnectionLost(),))
        return events

    def handle_timeout(self, now: float) -> list[Event]:
        """Act on the deadline, if it has passed."""
        deadline = self.deadline
        if deadline is None or now < deadline:
            return []
        events: list[Event] = [] if self.state is State.AWAITING_TRANSPORT_CLOSE else [TimedOut()]
        if self.state in _ARTIM_STATES:
            self._step(machine.Event.ARTIM_EXPIRED, now, events)
        else:
            self.abort(now)
        return events

    # Local primitives. Each raises LocalProtocolError where the state does not allow it.

    def request(self, request: AssociateRequest, now: float) -> None:
        """Ask for an association; the transport connection is open. Settings complete the user information."""
        if self.closed:
            raise LocalProtocolError("an association is used once")
        request = complete_request(request, self.settings)
        encoded = encode_pdu(request)
        self._step(machine.Event.REQUEST, now)
        self._step(machine.Event.TRANSPORT_OPENED, now, pdu=encoded)
        self.requested = request

    def accept(
        self,
        contexts: Sequence[NegotiatedContext],
        now: float,
        *,
        user_identity_response: bytes | None = None,
        extended: Sequence[ExtendedNegotiation] = (),
    ) -> None:
        """Accept the association with these answers to the proposed contexts."""
        request = self.requested
        if request is None:
            raise LocalProtocolError("nothing was requested that could be accepted")
        accept = build_accept(request, contexts, self.settings, user_identity_response, extended)
        self._step(machine.Event.ACCEPT, now, pdu=encode_pdu(accept))
        self.accepted = accept
        asked, answered = request.user_information, accept.user_information
        window = agreed_window(asked.async_operations, answered.async_operations)
        self._establish(contexts, asked.max_pdu_length, AsyncOperationsWindow(window.performed, window.invoked))

    def reject(self, result: int, source: int, reason: int, now: float) -> None:
        """Refuse the association. Ref: PS3.8 Table 9-21."""
        self._step(machine.Event.REJECT, now, pdu=encode_pdu(AssociateReject(result, source, reason)))

    def send_command(self, context_id: int, command: Command, now: float, *, has_dataset: bool = False) -> None:
        """Send a command set; with has_dataset, send_data has to follow."""
        self._check_sends()
        self._send(self._writer.command(context_id, command, has_dataset=has_dataset), now)

    def send_data(self, context_id: int, data: Buffer, now: float, *, last: bool) -> None:
        """Send a piece of the data set without copying it: it may not change before it has left."""
        self._check_sends()
        self._send(self._writer.data(context_id, data, last=last), now)

    def send_message(self, context_id: int, command: Command, dataset: bytes | None, now: float) -> None:
        """Send a command set and, unless it is None, a whole data set."""
        self._check_sends()
        if dataset is None:
            self._send(self._writer.command(context_id, command, has_dataset=False), now)
        else:
            self._send(self._writer.message(context_id, command, dataset), now)

    def release(self, now: float) -> None:
        """Ask to end the association."""
        self._step(machine.Event.RELEASE, now, pdu=encode_pdu(ReleaseRequest()))

    def accept_release(self, now: float) -> None:
        """Answer ReleaseRequested."""
        self._step(machine.Event.ACCEPT_RELEASE, now, pdu=encode_pdu(ReleaseResponse()))

    def abort(self, now: float, source: int = 0, reason: int = 0) -> None:
        """End the association at once. Ref: PS3.8 Table 9-26."""
        self._step(machine.Event.ABORT, now, pdu=encode_pdu(Abort(source, reason)))
        self._abort_sent = True

    # Reading.

    def _receive_values(self, view: memoryview, position: int, now: float, events: list[Event]) -> int:
        left = self._reader.left
        try:
            return self._reader.feed(view, position, events)
        except RemoteProtocolError as error:
            position += left - self._reader.left
            # What the upper layer cannot take is an invalid PDU; a bad command set is for its user to abort.
            user_error = error.source == 0
            self._refuse(machine.Event.ABORT if user_error else machine.Event.INVALID_PDU_RECEIVED, error, now, events)
            return position

    def _open_pdu(self, pdu_type: int, length: int, now: float, events: list[Event]) -> None:
        """Decide on the 6-byte header: pass values on, collect the rest, or refuse and skip it."""
        event = _PDU_EVENTS.get(pdu_type, machine.Event.INVALID_PDU_RECEIVED)
        if self._action(event) in machine.REFUSALS:
            known = event is not machine.Event.INVALID_PDU_RECEIVED
            reason = AbortReason.UNEXPECTED_PDU if known else AbortReason.UNRECOGNISED_PDU
            error = RemoteProtocolError(f"PDU type {pdu_type:#04x} in {self.state.value}", reason=reason)
        elif not self._fits(pdu_type, length):
            event = machine.Event.INVALID_PDU_RECEIVED
            error = invalid(f"PDU type {pdu_type:#04x} of {length} bytes")
        elif event is machine.Event.DATA_RECEIVED:
            self._reader.left = length
            return
        else:
            self._pdu_type = PDUType(pdu_type)
            self._framer.collect(length)
            return
        self._framer.skip(length)
        self._refuse(event, error, now, events)

    def _fits(self, pdu_type: int, length: int) -> bool:
        if pdu_type == PDUType.DATA_TF:
            return VALUE_HEADER_SIZE <= length <= self.settings.max_pdu_length
        if pdu_type in _LONG_PDUS:
            return 0 < length <= self.settings.max_request_length
        return length == _SHORT_PDU_LENGTH

    def _receive_body(self, body: bytes, now: float, events: list[Event]) -> None:
        try:
            self._receive_pdu(decode_pdu(self._pdu_type, body), now, events)
        except RemoteProtocolError as error:
            self._refuse(machine.Event.INVALID_PDU_RECEIVED, error, now, events)

    def _receive_pdu(self, pdu: PDU, now: float, events: list[Event]) -> None:
        match pdu:
            case AssociateRequest():
                self._receive_request(pdu, now, events)
            case AssociateAccept():
                self._receive_accept(pdu, now, events)
            case AssociateReject(result, source, reason):
                rejected = AssociationRejected(result, source, reason)
                self._step(machine.Event.RJ_RECEIVED, now, events, indications=(rejected,))
            case ReleaseRequest():
                collides = self.state is State.AWAITING_RELEASE_RP and not self.requestor
                self._step(
                    machine.Event.RELEASE_RQ_RECEIVED,
                    now,
                    events,
                    indications=(ReleaseRequested(),),
                    alternative=collides,
                )
            case ReleaseResponse():
                if self.state is State.COLLISION_ACCEPTOR_AWAITING_RP:
                    events.append(ReleaseRequested())
                self._step(machine.Event.RELEASE_RP_RECEIVED, now, events, indications=(ReleaseConfirmed(),))
            case _:
                aborted = Aborted(pdu.source, pdu.reason, by_peer=True)
                self._step(machine.Event.ABORT_RECEIVED, now, events, indications=(aborted,))

    def _receive_request(self, request: AssociateRequest, now: float, events: list[Event]) -> None:
        _check_peer_maximum(request.user_information)
        self.requested = request
        refusal = _refusal(request)
        self._step(
            machine.Event.RQ_RECEIVED,
            now,
            events,
            pdu=encode_pdu(refusal) if refusal else b"",
            indications=(
                AssociationRejected(refusal.result, refusal.source, refusal.reason)
                if refusal
                else AssociationRequested(request),
            ),
            alternative=refusal is not None,
        )

    def _receive_accept(self, accept: AssociateAccept, now: float, events: list[Event]) -> None:
        answered = accept.user_information
        _check_peer_maximum(answered)
        self.accepted = accept
        self._step(machine.Event.AC_RECEIVED, now, events, indications=(AssociationAccepted(accept),))
        request = cast(
            "AssociateRequest", self.requested
        )  # Sta5, the only state that takes this PDU, follows request().
        asked = request.user_information
        contexts = settle(request.contexts, accept.contexts, asked.roles, answered.roles)
        window = agreed_window(asked.async_operations, answered.async_operations)
        self._establish(contexts, answered.max_pdu_length, window)

    # Carrying out.

    def _establish(
        self, contexts: Sequence[NegotiatedContext], peer_max_pdu_length: int, window: AsyncOperationsWindow
    ) -> None:
        self.contexts = MappingProxyType({context.context_id: context for context in contexts})
        accepted_ids = frozenset(context.context_id for context in contexts if context.accepted)
        self.peer_max_pdu_length = peer_max_pdu_length
        self._operations = Operations(window)
        self._reader = MessageReader(accepted_ids, self._operations, self.settings.max_command_length)
        self._writer = MessageWriter(accepted_ids, self._operations, peer_max_pdu_length)

    def _check_sends(self) -> None:
        if not self._sends_data:
            raise LocalProtocolError(f"DATA is not possible in {self.state.value}")

    def _send(self, pieces: list[bytes | memoryview], now: float) -> None:
        self._out += pieces
        self._last_activity = now

    def _action(self, event: machine.Event) -> Action:
        return self._cell(event)[0]

    def _cell(self, event: machine.Event) -> tuple[Action, State]:
        cell = machine.TRANSITIONS.get((event, self.state))
        if cell is None:
            raise LocalProtocolError(f"{event.name} is not possible in {self.state.value}")
        return cell

    def _refuse(self, event: machine.Event, error: RemoteProtocolError, now: float, events: list[Event]) -> None:
        """Answer what the peer may not send with A-ABORT, as the state has it."""
        action = self._action(event)
        by_user = action is Action.AA_1
        abort = Abort(0, 0) if by_user else Abort(error.source, error.reason)
        indication = Aborted(abort.source, abort.reason, by_peer=False, detail=str(error))
        if by_user:
            events.append(indication)
        # One A-ABORT tells all: a peer that goes on sending cannot make us queue more of them.
        pdu = b"" if self._abort_sent else encode_pdu(abort)
        self._step(event, now, events, pdu=pdu, indications=(indication,))
        self._abort_sent = self._abort_sent or action is not Action.AA_6

    def _step(
        self,
        event: machine.Event,
        now: float,
        events: list[Event] | None = None,
        *,
        pdu: bytes = b"",
        indications: tuple[Event, ...] = (),
        alternative: bool = False,
    ) -> None:
        """Let the machine act on an event: send, tell, time and close as its action has it."""
        action, state = self._cell(event)
        effect = machine.EFFECTS[action]
        if alternative:
            state, effect = machine.ALTERNATIVES[action]
        if Effect.SEND in effect and pdu:
            self._out.append(pdu)
            self._last_activity = now
        if Effect.INDICATE in effect and events is not None:
            events += indications
        if Effect.START_TIMER in effect:
            self._timer = now + self.settings.artim_timeout_s
        elif Effect.STOP_TIMER in effect:
            self._timer = None
        self.closed = Effect.CLOSE in effect
        self._enter(state)

    def _enter(self, state: State) -> None:
        self.state = state
        self._sends_data = (machine.Event.DATA, state) in machine.TRANSITIONS
        if state is State.AWAITING_TRANSPORT_CLOSE:
            # Whatever PDU was under way is of no more interest; the next header is.
            self._framer.skip(self._reader.left)
            self._reader.left = 0


def _check_peer_maximum(information: UserInformation) -> None:
    if 0 < information.max_pdu_length < MIN_PDU_LENGTH:
        raise invalid(f"a maximum length of {information.max_pdu_length} bytes is too small to work with")


def _refusal(request: AssociateRequest) -> AssociateReject | None:
    """Return what the provider itself refuses a request with. Ref: PS3.8 §7.1.1.2, Table 9-21."""
    if not request.protocol_version & 1:
        return AssociateReject(result=1, source=2, reason=2)
    if request.application_context != APPLICATION_CONTEXT:
        return AssociateReject(result=1, source=1, reason=2)
    return None
