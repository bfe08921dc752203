"""The DICOM JSON Model as encoded data sets, for what web clients store (PS3.18 §10.5, Annex F; PS3.5 §7).

Text is written in UTF-8, whatever character set the model names. Values that stand elsewhere are fetched in pieces when
their turn comes: only their sizes are needed before.
"""

import base64
import binascii
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from archimage.dicom.fragments import basic_offset_table, item_head
from archimage.dicom.jsonmodel import Attribute, Model
from archimage.dicom.jsonvalues import BINARY_VRS
from archimage.dicom.layout import (
    DEFLATED_SYNTAXES,
    LONG_VRS,
    PIXEL_DATA,
    SEQUENCE_DELIMITATION,
    UNDEFINED_LENGTH,
    Layout,
    layout_of,
)
from archimage.dicom.reencode import element_head
from archimage.dicom.text import CHARSET_VRS
from archimage.dicom.wanted import SPECIFIC_CHARACTER_SET
from archimage.errors import InvalidRequestError, UnsupportedTransferSyntaxError

_NATIVE: Final = frozenset({"1.2.840.10008.1.2", "1.2.840.10008.1.2.1"})
_CODES: Final = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "UV": "Q", "SV": "q", "FL": "f", "FD": "d"}
_NUL_PADDED: Final = BINARY_VRS | {"UI"}
_LONGEST_SHORT: Final = 0xFFFE
_LONGEST: Final = 0xFFFFFFFE
_DECIMAL_BYTES: Final = 16
_UTF_8: Final = "ISO_IR 192"
_CHARSET: Final = f"{SPECIFIC_CHARACTER_SET:08X}"
_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")


@dataclass(frozen=True, slots=True)
class BulkValue:
    """A value, or part of one, that is kept elsewhere; pieces yields its size_bytes bytes, little endian."""

    size_bytes: int
    pieces: Callable[[], Iterable[bytes]]


Bulk = Callable[[str], Sequence[BulkValue]]
"""Finds the value of a URI: in one part or, of encapsulated pixels, a part for each frame."""


@dataclass(slots=True)
class _Encoded:
    """Bytes to be, in their order."""

    size_bytes: int = 0
    parts: list[bytes | BulkValue] = field(default_factory=list)

    def add(self, *parts: bytes | BulkValue) -> None:
        self.parts += parts
        for part in parts:
            self.size_bytes += len(part) if isinstance(part, bytes) else part.size_bytes

    def extend(self, other: "_Encoded") -> None:
        self.parts += other.parts
        self.size_bytes += other.size_bytes

    def pieces(self) -> Iterator[bytes]:
        for part in self.parts:
            if isinstance(part, bytes):
                yield part
            else:
                yield from part.pieces()


def encode_json_dataset(model: Model, transfer_syntax_uid: str, bulk: Callable[[str], bytes]) -> bytes:
    """Encode a data set whose bulk values fit into memory; raises what `encode_json_pieces` raises."""

    def found(uri: str) -> Sequence[BulkValue]:
        value = bulk(uri)
        return (BulkValue(len(value), lambda: (value,)),)

    return b"".join(encode_json_pieces(model, transfer_syntax_uid, found))


def encode_json_pieces(model: Model, transfer_syntax_uid: str, bulk: Bulk) -> Iterator[bytes]:
    """Encode a data set; what is wrong with it is found before the first piece comes.

    Groups 0000 and 0002 and group lengths are left out. Pixel Data of an encapsulated syntax gets a fragment for each
    part of its bulk value.

    Raises:
        InvalidRequestError: a value does not fit its VR.
        UnsupportedTransferSyntaxError: the syntax is deflated, big endian or none of DICOM's.
    """
    layout = layout_of(transfer_syntax_uid)
    if not layout.little or transfer_syntax_uid in DEFLATED_SYNTAXES:
        raise UnsupportedTransferSyntaxError(f"data sets are not made in transfer syntax {transfer_syntax_uid}")
    return _ModelEncoder(layout, bulk, encapsulated=transfer_syntax_uid not in _NATIVE).encode(model).pieces()


class _ModelEncoder:
    def __init__(self, layout: Layout, bulk: Bulk, *, encapsulated: bool) -> None:
        self._layout = layout
        self._bulk = bulk
        self._encapsulated = encapsulated

    def encode(self, model: Model) -> _Encoded:
        """Encode a whole data set."""
        if _CHARSET in model or not orjson.dumps(model).isascii():
            model = {**model, _CHARSET: {"vr": "CS", "Value": [_UTF_8]}}
        return self._dataset(model, nested=False)

    def _dataset(self, model: Model, *, nested: bool) -> _Encoded:
        encoded = _Encoded()
        for name in sorted(model):
            tag = int(name, 16)
            left_out = not tag & 0xFFFF or tag >> 16 == 2 or (nested and name == _CHARSET)
            if not left_out:
                self._element(encoded, tag, model[name], nested=nested)
        return encoded

    def _element(self, encoded: _Encoded, tag: int, attribute: Attribute, *, nested: bool) -> None:
        if tag == PIXEL_DATA and self._encapsulated and not nested:
            self._encapsulated_pixels(encoded, tag, attribute)
            return
        vr = attribute["vr"]
        if vr != "SQ" and "Value" in attribute:
            encoded.add(self._plain(tag, vr, _encoded_values(tag, vr, attribute["Value"])))
            return
        value = self._value(tag, attribute)
        odd = value.size_bytes % 2
        encoded.add(self._head(tag, vr, value.size_bytes + odd))
        encoded.extend(value)
        if odd:
            encoded.add(b"\0" if vr in _NUL_PADDED else b" ")

    def _plain(self, tag: int, vr: str, value: bytes) -> bytes:
        """Return an element of a value that is there: most are, and small ones cost what is made for each."""
        if len(value) % 2:
            value += b"\0" if vr in _NUL_PADDED else b" "
        return self._head(tag, vr, len(value)) + value

    def _head(self, tag: int, vr: str, size: int) -> bytes:
        if size > (_LONGEST if vr in LONG_VRS or not self._layout.explicit else _LONGEST_SHORT):
            raise InvalidRequestError(f"{_named(tag)} has {size} bytes, too many for {vr}")
        return element_head(self._layout, tag, vr, size)

    def _value(self, tag: int, attribute: Attribute) -> _Encoded:
        value, vr = _Encoded(), attribute["vr"]
        if "BulkDataURI" in attribute and vr != "SQ":
            value.add(*self._bulk(attribute["BulkDataURI"]))
        elif "InlineBinary" in attribute and vr != "SQ":
            value.add(_binary(tag, attribute["InlineBinary"]))
        elif vr == "SQ" and "Value" in attribute:
            for item in attribute["Value"]:
                content = self._dataset(item, nested=True)
                value.add(item_head(content.size_bytes))
                value.extend(content)
        elif len(attribute) > 1:
            raise InvalidRequestError(f"{_named(tag)} is a sequence, which is given by its items")
        return value

    def _encapsulated_pixels(self, encoded: _Encoded, tag: int, attribute: Attribute) -> None:
        """Write a fragment for each frame, the Basic Offset Table before them."""
        frames = self._frames(tag, attribute)
        encoded.add(element_head(self._layout, tag, "OB", UNDEFINED_LENGTH))
        encoded.add(basic_offset_table([frame.size_bytes for frame in frames]))
        for frame in frames:
            odd = frame.size_bytes % 2
            if frame.size_bytes > _LONGEST:
                raise InvalidRequestError(f"a frame of {frame.size_bytes} bytes, too many for a fragment")
            encoded.add(item_head(frame.size_bytes + odd), frame, b"\0" * odd)
        encoded.add(self._layout.items.pack(self._layout.key(SEQUENCE_DELIMITATION), 0))

    def _frames(self, tag: int, attribute: Attribute) -> Sequence[BulkValue]:
        if "BulkDataURI" in attribute:
            return self._bulk(attribute["BulkDataURI"])
        if "InlineBinary" in attribute:
            data = _binary(tag, attribute["InlineBinary"])
            return (BulkValue(len(data), lambda: (data,)),)
        raise InvalidRequestError(f"{_named(tag)} has no value")


def _named(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _binary(tag: int, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidRequestError(f"{_named(tag)}.InlineBinary is not base64") from None


def _encoded_values(tag: int, vr: str, values: Sequence[Any]) -> bytes:
    """Encode the values of a VR that is not SQ."""
    try:
        if vr in _CODES:
            return b"".join(struct.pack(f"<{_CODES[vr]}", _number(vr, value)) for value in values)
        if vr == "AT":
            return b"".join(struct.pack("<HH", int(value[:4], 16), int(value[4:], 16)) for value in values)
        if vr in BINARY_VRS:
            raise ValueError
        text = "\\".join(_text(vr, value) for value in values)
        return text.encode("utf-8" if vr in CHARSET_VRS else "ascii")
    except (ValueError, TypeError, OverflowError, struct.error):
        raise InvalidRequestError(f"{_named(tag)} holds what no value of VR {vr} is") from None


def _number(vr: str, value: Any) -> float | int:
    if vr in {"FL", "FD"}:
        return float(value)
    return int(value) if isinstance(value, str) or value == int(value) else float(value)


def _text(vr: str, value: Any) -> str:
    if value is None:
        return ""
    if vr == "PN":
        return value if isinstance(value, str) else "=".join(_groups(value)).rstrip("=")
    if isinstance(value, str):
        return value
    if vr == "DS":
        return str(value) if len(str(value)) <= _DECIMAL_BYTES else _shortened(float(value))
    if value != int(value):
        raise ValueError
    return str(int(value))


def _shortened(number: float) -> str:
    from pydicom.valuerep import format_number_as_ds  # with all codecs that are installed; few decimals are so long

    return format_number_as_ds(number)


def _groups(name: dict[str, Any]) -> Iterator[str]:
    for group in _GROUPS:
        text = name.get(group, "")
        if not isinstance(text, str):
            raise TypeError
        yield text
