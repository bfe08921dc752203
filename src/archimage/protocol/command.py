"""DIMSE command sets: every C- and N- request and response, and C-CANCEL.

A command set is a row of elements of group 0000 in implicit VR little endian, each

    0            2            4
    | group (16) | element    | length (32 bit) | value ...        padded to an even length

and opens with the group length. `elements.py` says how each element travels, `_LAYOUTS` which of them stand in
which message.

Ref: PS3.7 §6.3, §9.3, §10.3, Annex E.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from types import MappingProxyType
from typing import Any

from archimage.errors import LocalProtocolError
from archimage.protocol.elements import BY_NUMBER, DATASET_TYPE, ELEMENTS, Element, garbage
from archimage.protocol.status import is_pending
from archimage.protocol.uids import VERIFICATION

_RESPONSE_BIT = 0x8000
_NO_DATASET = 0x0101
_ANY_DATASET = 0x0001

_element_header = Struct("<HHI")


class CommandField(IntEnum):
    """Kinds of message. Ref: PS3.7 Table E.1-1, (0000,0100)."""

    C_STORE_RQ = 0x0001
    C_STORE_RSP = 0x8001
    C_GET_RQ = 0x0010
    C_GET_RSP = 0x8010
    C_FIND_RQ = 0x0020
    C_FIND_RSP = 0x8020
    C_MOVE_RQ = 0x0021
    C_MOVE_RSP = 0x8021
    C_ECHO_RQ = 0x0030
    C_ECHO_RSP = 0x8030
    N_EVENT_REPORT_RQ = 0x0100
    N_EVENT_REPORT_RSP = 0x8100
    N_GET_RQ = 0x0110
    N_GET_RSP = 0x8110
    N_SET_RQ = 0x0120
    N_SET_RSP = 0x8120
    N_ACTION_RQ = 0x0130
    N_ACTION_RSP = 0x8130
    N_CREATE_RQ = 0x0140
    N_CREATE_RSP = 0x8140
    N_DELETE_RQ = 0x0150
    N_DELETE_RSP = 0x8150
    C_CANCEL_RQ = 0x0FFF


_FIELDS: Mapping[int, CommandField] = MappingProxyType({int(field): field for field in CommandField})


def command_name(field: int) -> str:
    """Name a command as the standard does, and one that it does not know by its number."""
    known = _FIELDS.get(field)
    return f"{field:#06x}" if known is None else known.name.replace("_", "-")


class Priority(IntEnum):
    """Wish of the invoker. Ref: PS3.7 Table E.1-1, (0000,0700)."""

    MEDIUM = 0
    HIGH = 1
    LOW = 2


@dataclass(frozen=True, slots=True)
class Command:
    """One command set; what a message does not carry is None.

    field is a CommandField unless the peer wrote another number. Tags are 32-bit integers, group first.
    """

    field: int
    message_id: int | None = None
    message_id_being_responded_to: int | None = None
    affected_sop_class_uid: str | None = None
    requested_sop_class_uid: str | None = None
    affected_sop_instance_uid: str | None = None
    requested_sop_instance_uid: str | None = None
    priority: int | None = None
    status: int | None = None
    move_destination: str | None = None
    move_originator_ae_title: str | None = None
    move_originator_message_id: int | None = None
    offending_elements: tuple[int, ...] | None = None
    error_comment: str | None = None
    error_id: int | None = None
    attribute_identifier_list: tuple[int, ...] | None = None
    event_type_id: int | None = None
    action_type_id: int | None = None
    remaining_suboperations: int | None = None
    completed_suboperations: int | None = None
    failed_suboperations: int | None = None
    warning_suboperations: int | None = None

    @property
    def is_request(self) -> bool:
        """Tell whether an answer is due; C-CANCEL gets none of its own."""
        return not self.field & _RESPONSE_BIT and self.field != CommandField.C_CANCEL_RQ

    @property
    def is_final_response(self) -> bool:
        """Tell whether the operation is over with this message."""
        return bool(self.field & _RESPONSE_BIT) and not is_pending(self.status or 0)

    @property
    def sop_class_uid(self) -> str | None:
        """Return the affected or requested SOP class."""
        return self.affected_sop_class_uid or self.requested_sop_class_uid

    @property
    def sop_instance_uid(self) -> str | None:
        """Return the affected or requested SOP instance."""
        return self.affected_sop_instance_uid or self.requested_sop_instance_uid

    def response(self, status: int, **more: Any) -> "Command":
        """Return the response to this request; more are fields to add or to replace."""
        number = self.field | _RESPONSE_BIT
        fields = {
            "affected_sop_class_uid": self.sop_class_uid,
            "affected_sop_instance_uid": self.sop_instance_uid,
            "event_type_id": self.event_type_id,
            "action_type_id": self.action_type_id,
        }
        return Command(
            _FIELDS.get(number, number),
            message_id_being_responded_to=self.message_id,
            status=status,
            **(fields | more),
        )


@dataclass(frozen=True, slots=True)
class _Layout:
    """Elements of one message in the order of their numbers, before and after the data set type."""

    required: frozenset[str]
    head: tuple[Element, ...]
    tail: tuple[Element, ...]


def _layout(*required: str, optional: tuple[str, ...] = ()) -> _Layout:
    names = {"field", *required, *optional}
    chosen = [element for element in ELEMENTS if element.name in names]
    head = tuple(element for element in chosen if element.number < DATASET_TYPE.number)
    return _Layout(frozenset(required), head, tuple(chosen[len(head) :]))


_SUB_OPERATION_COUNTS = (
    "remaining_suboperations",
    "completed_suboperations",
    "failed_suboperations",
    "warning_suboperations",
)


def _answer(*optional: str) -> _Layout:
    common = ("affected_sop_class_uid", "offending_elements", "error_comment", "error_id")
    return _layout("message_id_being_responded_to", "status", optional=(*common, *optional))


def _affected(*required: str, optional: tuple[str, ...] = ()) -> _Layout:
    return _layout("affected_sop_class_uid", "message_id", *required, optional=optional)


def _requested(*required: str, optional: tuple[str, ...] = ()) -> _Layout:
    names = ("requested_sop_class_uid", "requested_sop_instance_uid", "message_id")
    return _layout(*names, *required, optional=optional)


_UNKNOWN = _answer("affected_sop_instance_uid")
_LAYOUTS: Mapping[int, _Layout] = MappingProxyType(
    {
        CommandField.C_STORE_RQ: _affected(
            "priority",
            "affected_sop_instance_uid",
            optional=("move_originator_ae_title", "move_originator_message_id"),
        ),
        CommandField.C_STORE_RSP: _answer("affected_sop_instance_uid"),
        CommandField.C_FIND_RQ: _affected("priority"),
        CommandField.C_FIND_RSP: _answer(),
        CommandField.C_GET_RQ: _affected("priority"),
        CommandField.C_GET_RSP: _answer(*_SUB_OPERATION_COUNTS),
        CommandField.C_MOVE_RQ: _affected("priority", "move_destination"),
        CommandField.C_MOVE_RSP: _answer(*_SUB_OPERATION_COUNTS),
        CommandField.C_ECHO_RQ: _affected(),
        CommandField.C_ECHO_RSP: _answer(),
        CommandField.C_CANCEL_RQ: _layout("message_id_being_responded_to"),
        CommandField.N_EVENT_REPORT_RQ: _affected("affected_sop_instance_uid", "event_type_id"),
        CommandField.N_EVENT_REPORT_RSP: _answer("affected_sop_instance_uid", "event_type_id"),
        CommandField.N_GET_RQ: _requested(optional=("attribute_identifier_list",)),
        CommandField.N_GET_RSP: _answer("affected_sop_instance_uid", "attribute_identifier_list"),
        CommandField.N_SET_RQ: _requested(),
        CommandField.N_SET_RSP: _answer("affected_sop_instance_uid", "attribute_identifier_list"),
        CommandField.N_ACTION_RQ: _requested("action_type_id"),
        CommandField.N_ACTION_RSP: _answer("affected_sop_instance_uid", "action_type_id"),
        CommandField.N_CREATE_RQ: _affected(optional=("affected_sop_instance_uid",)),
        CommandField.N_CREATE_RSP: _answer("affected_sop_instance_uid", "attribute_identifier_list"),
        CommandField.N_DELETE_RQ: _requested(),
        CommandField.N_DELETE_RSP: _answer("affected_sop_instance_uid"),
    }
)


def encode_command(command: Command, has_dataset: bool) -> bytes:
    """Encode a command set.

    Raises:
        LocalProtocolError: the message lacks a field that its kind requires.
    """
    layout = _LAYOUTS.get(command.field, _UNKNOWN)
    parts = [_encode_element(command, element, layout) for element in layout.head]
    dataset_type = _ANY_DATASET if has_dataset else _NO_DATASET
    parts.append(_element_header.pack(0, DATASET_TYPE.number, 2) + DATASET_TYPE.encode(dataset_type))
    parts += [_encode_element(command, element, layout) for element in layout.tail]
    body = b"".join(parts)
    return _element_header.pack(0, 0, 4) + len(body).to_bytes(4, "little") + body


def _encode_element(command: Command, element: Element, layout: _Layout) -> bytes:
    value = getattr(command, element.name)
    if value is None:
        if element.name in layout.required:
            raise LocalProtocolError(f"command {command.field:#06x} lacks {element.name}")
        return b""
    encoded = element.encode(value)
    return _element_header.pack(0, element.number, len(encoded)) + encoded


def decode_command(data: bytes) -> tuple[Command, bool]:
    """Decode a command set, and tell whether a data set follows it.

    An unknown command field is kept as a number, so that it can be answered.

    Raises:
        RemoteProtocolError: it cannot be decoded far enough to be answered; source and reason are 0.
    """
    values = _decode_elements(data)
    field, dataset_type = values.pop("field", None), values.pop("dataset_type", None)
    if field is None or dataset_type is None:
        raise garbage("a command set has no command field or no data set type")
    command = Command(_FIELDS.get(field, field), **values)
    answers = not command.is_request
    if (command.message_id_being_responded_to if answers else command.message_id) is None:
        raise garbage(f"command {field:#06x} has no message id")
    if field & _RESPONSE_BIT and command.status is None:
        raise garbage(f"response {field:#06x} has no status")
    return command, dataset_type != _NO_DATASET


def _decode_elements(data: bytes) -> dict[str, Any]:
    values: dict[str, Any] = {}
    position, end = 0, len(data)
    while position < end:
        if end - position < _element_header.size:
            raise garbage("a command set ends within an element")
        group, number, length = _element_header.unpack_from(data, position)
        position += _element_header.size
        if group or length > end - position:
            raise garbage(f"element ({group:04X},{number:04X}) of {length} bytes does not fit into a command set")
        element = BY_NUMBER.get(number)
        if element and length:
            values[element.name] = element.decode(data[position : position + length])
        position += length
    return values


def c_echo_rq(message_id: int) -> Command:
    """Return a C-ECHO request."""
    return Command(CommandField.C_ECHO_RQ, message_id, affected_sop_class_uid=VERIFICATION)


def c_echo_rsp(message_id_being_responded_to: int, status: int = 0) -> Command:
    """Return a C-ECHO response."""
    return c_echo_rq(message_id_being_responded_to).response(status)


def c_store_rq(
    message_id: int,
    sop_class_uid: str,
    sop_instance_uid: str,
    priority: int = Priority.MEDIUM,
    move_originator: tuple[str, int] | None = None,
) -> Command:
    """Return a C-STORE request; move_originator is the AE title and message id of the C-MOVE it belongs to."""
    ae_title, originator_id = move_originator or (None, None)
    return Command(
        CommandField.C_STORE_RQ,
        message_id,
        affected_sop_class_uid=sop_class_uid,
        affected_sop_instance_uid=sop_instance_uid,
        priority=priority,
        move_originator_ae_title=ae_title,
        move_originator_message_id=originator_id,
    )


def c_find_rq(message_id: int, sop_class_uid: str, priority: int = Priority.MEDIUM) -> Command:
    """Return a C-FIND request."""
    return Command(CommandField.C_FIND_RQ, message_id, affected_sop_class_uid=sop_class_uid, priority=priority)


def c_get_rq(message_id: int, sop_class_uid: str, priority: int = Priority.MEDIUM) -> Command:
    """Return a C-GET request."""
    return Command(CommandField.C_GET_RQ, message_id, affected_sop_class_uid=sop_class_uid, priority=priority)


def c_move_rq(message_id: int, sop_class_uid: str, destination: str, priority: int = Priority.MEDIUM) -> Command:
    """Return a C-MOVE request; destination is an AE title."""
    return Command(
        CommandField.C_MOVE_RQ,
        message_id,
        affected_sop_class_uid=sop_class_uid,
        move_destination=destination,
        priority=priority,
    )


def c_cancel_rq(message_id_being_responded_to: int) -> Command:
    """Return a C-CANCEL request for the operation with this message id."""
    return Command(CommandField.C_CANCEL_RQ, message_id_being_responded_to=message_id_being_responded_to)


def n_event_report_rq(message_id: int, sop_class_uid: str, sop_instance_uid: str, event_type_id: int) -> Command:
    """Return an N-EVENT-REPORT request."""
    return Command(
        CommandField.N_EVENT_REPORT_RQ,
        message_id,
        affected_sop_class_uid=sop_class_uid,
        affected_sop_instance_uid=sop_instance_uid,
        event_type_id=event_type_id,
    )


def n_create_rq(message_id: int, sop_class_uid: str, sop_instance_uid: str | None = None) -> Command:
    """Return an N-CREATE request; without an instance UID the performer makes one."""
    return Command(
        CommandField.N_CREATE_RQ,
        message_id,
        affected_sop_class_uid=sop_class_uid,
        affected_sop_instance_uid=sop_instance_uid,
    )


def n_get_rq(message_id: int, sop_class_uid: str, sop_instance_uid: str, tags: tuple[int, ...] = ()) -> Command:
    """Return an N-GET request; no tags ask for all attributes."""
    return _on_instance(
        CommandField.N_GET_RQ, message_id, sop_class_uid, sop_instance_uid, attribute_identifier_list=tags or None
    )


def n_set_rq(message_id: int, sop_class_uid: str, sop_instance_uid: str) -> Command:
    """Return an N-SET request."""
    return _on_instance(CommandField.N_SET_RQ, message_id, sop_class_uid, sop_instance_uid)


def n_action_rq(message_id: int, sop_class_uid: str, sop_instance_uid: str, action_type_id: int) -> Command:
    """Return an N-ACTION request."""
    return _on_instance(
        CommandField.N_ACTION_RQ, message_id, sop_class_uid, sop_instance_uid, action_type_id=action_type_id
    )


def n_delete_rq(message_id: int, sop_class_uid: str, sop_instance_uid: str) -> Command:
    """Return an N-DELETE request."""
    return _on_instance(CommandField.N_DELETE_RQ, message_id, sop_class_uid, sop_instance_uid)


def _on_instance(
    field: CommandField, message_id: int, sop_class_uid: str, sop_instance_uid: str, **more: Any
) -> Command:
    return Command(
        field,
        message_id,
        requested_sop_class_uid=sop_class_uid,
        requested_sop_instance_uid=sop_instance_uid,
        **more,
    )
