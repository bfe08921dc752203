"""Command elements: the number, name and encoding of each element that a command set may hold.

Ref: PS3.7 Annex E.1.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from struct import Struct
from types import MappingProxyType
from typing import Any

from archimage.errors import RemoteProtocolError
from archimage.protocol.wire import decode_text, encode_text

MAX_COMMENT_LENGTH = 64

_US = Struct("<H")


@dataclass(frozen=True, slots=True)
class Element:
    """One element of group 0000; name is that of the field of Command which carries it."""

    number: int
    name: str
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]


def garbage(message: str) -> RemoteProtocolError:
    """Return the error for a command set that cannot be understood."""
    return RemoteProtocolError(message, source=0, reason=0)


def _decode_us(value: bytes) -> int:
    if len(value) != _US.size:
        raise garbage(f"a 16-bit command element has {len(value)} bytes")
    number: int = _US.unpack(value)[0]
    return number


def _encode_tags(tags: Sequence[int]) -> bytes:
    return b"".join(_US.pack(tag >> 16) + _US.pack(tag & 0xFFFF) for tag in tags)


def _decode_tags(value: bytes) -> tuple[int, ...]:
    if len(value) % 4:
        raise garbage(f"a list of tags has {len(value)} bytes")
    halves = [number for (number,) in _US.iter_unpack(value)]
    return tuple(group << 16 | element for group, element in zip(halves[::2], halves[1::2], strict=True))


def _encode_uid(value: str) -> bytes:
    encoded = encode_text(value)
    return encoded + b"\0" * (len(encoded) % 2)


def _encode_padded(value: str) -> bytes:
    encoded = encode_text(value)
    return encoded + b" " * (len(encoded) % 2)


def _encode_comment(value: str) -> bytes:
    return _encode_padded(value[:MAX_COMMENT_LENGTH])


def _us(number: int, name: str) -> Element:
    return Element(number, name, _US.pack, _decode_us)


def _uid(number: int, name: str) -> Element:
    return Element(number, name, _encode_uid, decode_text)


ELEMENTS = (
    _uid(0x0002, "affected_sop_class_uid"),
    _uid(0x0003, "requested_sop_class_uid"),
    _us(0x0100, "field"),
    _us(0x0110, "message_id"),
    _us(0x0120, "message_id_being_responded_to"),
    Element(0x0600, "move_destination", _encode_padded, decode_text),
    _us(0x0700, "priority"),
    _us(0x0800, "dataset_type"),
    _us(0x0900, "status"),
    Element(0x0901, "offending_elements", _encode_tags, _decode_tags),
    Element(0x0902, "error_comment", _encode_comment, decode_text),
    _us(0x0903, "error_id"),
    _uid(0x1000, "affected_sop_instance_uid"),
    _uid(0x1001, "requested_sop_instance_uid"),
    _us(0x1002, "event_type_id"),
    Element(0x1005, "attribute_identifier_list", _encode_tags, _decode_tags),
    _us(0x1008, "action_type_id"),
    _us(0x1020, "remaining_suboperations"),
    _us(0x1021, "completed_suboperations"),
    _us(0x1022, "failed_suboperations"),
    _us(0x1023, "warning_suboperations"),
    Element(0x1030, "move_originator_ae_title", _encode_padded, decode_text),
    _us(0x1031, "move_originator_message_id"),
)
"""In the order of their numbers. The data set type is no field of Command: it says whether a data set follows."""

BY_NUMBER = MappingProxyType({element.number: element for element in ELEMENTS})
DATASET_TYPE = next(element for element in ELEMENTS if element.name == "dataset_type")
