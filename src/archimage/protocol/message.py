"""Messages in P-DATA-TF: assembling what arrives, fragmenting what leaves, and counting operations.

A message is a command set, then perhaps a data set, all on one presentation context; fragments of two messages never
mix. Command sets are collected; data sets are handed on piece by piece as views into the received buffer.

Ref: PS3.8 §9.3.5, Annex E; PS3.7 §6.3.1.
"""

from collections import Counter
from collections.abc import Container

from archimage.errors import LocalProtocolError, RemoteProtocolError
from archimage.protocol.command import Command, decode_command, encode_command
from archimage.protocol.elements import garbage
from archimage.protocol.events import CommandReceived, DataReceived, Event
from archimage.protocol.items import AsyncOperationsWindow
from archimage.protocol.pdu import CONTROL_COMMAND, CONTROL_LAST, encode_data_header, value_header
from archimage.protocol.wire import AbortReason, SplitHeader, invalid

_UNLIMITED_FRAGMENT = 1 << 20

Buffer = bytes | bytearray | memoryview

VALUE_HEADER_SIZE = value_header.size
"""Bytes of a P-DATA-TF that go to the header of a presentation data value."""

MIN_VALUE_LENGTH = 2
"""Bytes of a presentation data value without a fragment: context id and control."""


def _unexpected(message: str) -> RemoteProtocolError:
    return RemoteProtocolError(message, reason=AbortReason.UNEXPECTED_PARAMETER)


class Operations:
    """Requests without a final response, in both directions.

    window: what may be outstanding, from our side; 0 is without limit.
    """

    __slots__ = ("invoked", "performed", "window")

    def __init__(self, window: AsyncOperationsWindow) -> None:
        self.window = window
        self.invoked: set[int] = set()
        self.performed: Counter[int] = Counter()

    def receive(self, command: Command) -> bool:
        """Note a received command; tell whether it repeats the message id of an unanswered request."""
        if command.is_final_response:
            self.invoked.discard(_answered(command))
        elif command.is_request:
            message_id = _own(command)
            self.performed[message_id] += 1
            return self.performed[message_id] > 1
        return False

    def send(self, command: Command) -> None:
        """Note a command about to be sent.

        Raises:
            LocalProtocolError: the window is full, or the message id is in use.
        """
        if command.is_final_response:
            self._answer(_answered(command))
        elif command.is_request:
            self._invoke(_own(command))

    def _answer(self, message_id: int) -> None:
        if self.performed[message_id] <= 1:
            del self.performed[message_id]
        else:
            self.performed[message_id] -= 1

    def _invoke(self, message_id: int) -> None:
        if message_id in self.invoked:
            raise LocalProtocolError(f"message id {message_id} is in use")
        if self.window.invoked and len(self.invoked) >= self.window.invoked:
            raise LocalProtocolError(f"{len(self.invoked)} operations are outstanding, the window allows no more")
        self.invoked.add(message_id)


def _own(command: Command) -> int:
    if command.message_id is None:
        raise LocalProtocolError("a request needs a message id")
    return command.message_id


def _answered(command: Command) -> int:
    if command.message_id_being_responded_to is None:
        raise LocalProtocolError("a response needs the message id of its request")
    return command.message_id_being_responded_to


class MessageReader:
    """Takes the values of P-DATA-TF PDUs, in pieces of any size, and yields events.

    left: bytes of the current P-DATA-TF that are still to come; to be set where one begins, header excluded.
    """

    __slots__ = (
        "_command",
        "_context_id",
        "_contexts",
        "_control",
        "_fragment_left",
        "_header",
        "_in_fragment",
        "_max_command_length",
        "_message_context",
        "_operations",
        "_wants_data",
        "left",
    )

    def __init__(self, contexts: Container[int], operations: Operations, max_command_length: int) -> None:
        self.left = 0
        self._contexts = contexts
        self._operations = operations
        self._max_command_length = max_command_length
        self._header = SplitHeader(value_header)
        self._in_fragment = False
        self._fragment_left = 0
        self._context_id = 0
        self._control = 0
        self._command = bytearray()
        self._message_context: int | None = None
        self._wants_data = False

    @property
    def incomplete(self) -> bool:
        """Tell whether a message has begun and is not all there."""
        return self._message_context is not None

    def feed(self, data: memoryview, position: int, events: list[Event]) -> int:
        """Read on from a position up to the end of the PDU or of data; return the new position.

        Raises:
            RemoteProtocolError: what arrived is no valid message; `left` stays exact.
        """
        end = min(len(data), position + self.left)
        while position < end:
            if not self._in_fragment:
                position = self._read_header(data, position, end)
                if not self._in_fragment:
                    break
            stop = min(end, position + self._fragment_left)
            self._fragment_left -= stop - position
            self.left -= stop - position
            self._deliver(data[position:stop], events)
            position = stop
        return position

    def _read_header(self, data: memoryview, position: int, end: int) -> int:
        if self.left < self._header.missing:
            raise invalid(f"a presentation data value begins {self.left} bytes before the end of its PDU")
        fields, after = self._header.read(data, position, end)
        self.left -= after - position
        if fields:
            self._open_fragment(*fields)
        return after

    def _open_fragment(self, length: int, context_id: int, control: int) -> None:
        if not MIN_VALUE_LENGTH <= length <= self.left + MIN_VALUE_LENGTH:
            raise invalid(f"a presentation data value of {length} bytes, {self.left} are left in its PDU")
        if context_id not in self._contexts:
            raise _unexpected(f"presentation context {context_id} is not accepted")
        is_command = bool(control & CONTROL_COMMAND)
        if is_command == self._wants_data or self._message_context not in (None, context_id):
            raise _unexpected(f"a fragment on context {context_id} is out of order")
        self._fragment_left = length - MIN_VALUE_LENGTH
        if is_command and len(self._command) + self._fragment_left > self._max_command_length:
            raise garbage(f"a command set of more than {self._max_command_length} bytes")
        self._context_id = self._message_context = context_id
        self._control = control
        self._in_fragment = True

    def _deliver(self, piece: memoryview, events: list[Event]) -> None:
        done = not self._fragment_left
        last = done and bool(self._control & CONTROL_LAST)
        self._in_fragment = not done
        if self._control & CONTROL_COMMAND:
            self._command += piece
            if last:
                events.append(self._finish_command())
        elif last or piece:
            events.append(DataReceived(self._context_id, piece, last))
            if last:
                self._expect(dataset=False)

    def _finish_command(self) -> CommandReceived:
        command, has_dataset = decode_command(bytes(self._command))
        self._command.clear()
        self._expect(dataset=has_dataset)
        return CommandReceived(self._context_id, command, has_dataset, self._operations.receive(command))

    def _expect(self, *, dataset: bool) -> None:
        """Expect the data set of this message, or a new message."""
        self._wants_data = dataset
        if not dataset:
            self._message_context = None


class MessageWriter:
    """Turns messages into P-DATA-TF PDUs, one value each, without copying data sets that are handed over in pieces.

    peer_max_pdu_length: bytes, header excluded; 0 is without limit.
    """

    __slots__ = ("_contexts", "_data_due_on", "_limit", "_operations")

    def __init__(self, contexts: Container[int], operations: Operations, peer_max_pdu_length: int) -> None:
        self._contexts = contexts
        self._operations = operations
        # Even, so that every fragment but the last is.
        self._limit = peer_max_pdu_length - VALUE_HEADER_SIZE & ~1 if peer_max_pdu_length else _UNLIMITED_FRAGMENT
        self._data_due_on: int | None = None

    def command(self, context_id: int, command: Command, *, has_dataset: bool) -> list[bytes | memoryview]:
        """Return a command set; with has_dataset, the data set is due next.

        Raises:
            LocalProtocolError: a data set is due, the context is not accepted, a field lacks, or the window is full.
        """
        encoded = self._encode(context_id, command, has_dataset)
        self._data_due_on = context_id if has_dataset else None
        return self._fragments(context_id, encoded, CONTROL_COMMAND, last=True)

    def data(self, context_id: int, data: Buffer, *, last: bool) -> list[bytes | memoryview]:
        """Return a piece of the data set that is due: headers, and slices of data.

        Raises:
            LocalProtocolError: no data set is due on this context.
        """
        if self._data_due_on != context_id:
            raise LocalProtocolError(f"no data set is due on presentation context {context_id}")
        if last:
            self._data_due_on = None
        return self._fragments(context_id, data, 0, last=last) if last or len(data) else []

    def message(self, context_id: int, command: Command, dataset: bytes) -> list[bytes | memoryview]:
        """Return a command set and its whole data set; small ones in one piece. Raises as `command` does."""
        encoded = self._encode(context_id, command, has_dataset=True)
        if max(len(encoded), len(dataset)) > self._limit:
            return [
                *self._fragments(context_id, encoded, CONTROL_COMMAND, last=True),
                *self._fragments(context_id, dataset, 0, last=True),
            ]
        command_header = encode_data_header(context_id, len(encoded), CONTROL_COMMAND | CONTROL_LAST)
        return [
            b"".join((command_header, encoded, encode_data_header(context_id, len(dataset), CONTROL_LAST), dataset))
        ]

    def _encode(self, context_id: int, command: Command, has_dataset: bool) -> bytes:
        if self._data_due_on is not None:
            raise LocalProtocolError(f"the data set on presentation context {self._data_due_on} is not complete")
        if context_id not in self._contexts:
            raise LocalProtocolError(f"presentation context {context_id} is not accepted")
        encoded = encode_command(command, has_dataset)
        self._operations.send(command)
        return encoded

    def _fragments(self, context_id: int, data: Buffer, kind: int, *, last: bool) -> list[bytes | memoryview]:
        view = memoryview(data)
        pieces: list[bytes | memoryview] = []
        for start in range(0, len(view), self._limit) or (0,):
            piece = view[start : start + self._limit]
            ends = last and start + self._limit >= len(view)
            pieces.append(encode_data_header(context_id, len(piece), kind | CONTROL_LAST if ends else kind))
            pieces.append(piece)
        return pieces
