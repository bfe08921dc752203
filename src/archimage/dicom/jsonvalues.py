"""Values of elements as DICOM JSON (PS3.18 Annex F.2.3 to F.2.7), straight from their bytes."""

import base64
import re
import sys
from array import array
from collections.abc import Sequence
from math import isfinite, isnan
from typing import Final

import orjson

from archimage.dicom.layout import BULK_VRS
from archimage.dicom.text import decode_text

BINARY_VRS: Final = BULK_VRS | {"UN"}
"""Value representations that JSON gives in base64, or by reference."""

_ARRAYS: Final = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "UV": "Q", "SV": "q", "FL": "f", "FD": "d"}
_WORDS: Final = {"OW": "H", "OL": "I", "OF": "I", "OD": "Q", "OV": "Q"}
NUMBER_VRS: Final = frozenset({"DS", "IS", *_ARRAYS})
_SINGLE: Final = frozenset({"LT", "ST", "UT", "UR"})
"""Text that a backslash does not split (PS3.5 §6.2)."""

_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,15})?(?:[eE][+-]?[0-9]{1,2})?")
"""What is a number in JSON as it is in DICOM, of a size that every reader holds."""
_INTEGER_STRING_BYTES: Final = 12
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,15}")
_LONG: Final = frozenset({"SV", "UV"})
_LONG_INTEGER: Final = re.compile(r"-?[0-9]{1,20}")
_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


def format_members(raw: bytes, vr: str, charset: bytes | None, *, little: bool) -> bytes:
    """Return what follows the vr in an attribute's object: its Value or InlineBinary, or nothing for an empty one.

    raw is a value of any VR but SQ. Bytes beyond the last whole number are left out, bytes that are no character
    replaced. What should be a number and is none becomes a string, and so do infinities and NaN (PS3.18 F.2.3).
    """
    if not raw:
        return b""
    if vr in BINARY_VRS:
        return b',"InlineBinary":"%b"' % base64.b64encode(raw if little else _turned(raw, vr))
    if vr in _ARRAYS:
        values = _numbers(raw, _ARRAYS[vr], little=little)
    elif vr == "AT":
        values = _tags(raw, little=little)
    else:
        text = decode_text(raw, vr, charset)
        values = format_texts(split_text(text, vr), vr) if text else b""
    return b',"Value":[%b]' % values if values else b""


def _turned(raw: bytes, vr: str) -> bytes:
    """Return a binary value in little endian, as JSON has it whatever the data set's byte order (PS3.18 F.2.7)."""
    words = array(_WORDS.get(vr, "B"))
    whole = len(raw) - len(raw) % words.itemsize
    words.frombytes(raw[:whole])
    words.byteswap()
    return words.tobytes() + raw[whole:]


def _numbers(raw: bytes, code: str, *, little: bool) -> bytes:
    numbers = array(code)
    numbers.frombytes(raw[: len(raw) - len(raw) % numbers.itemsize])
    if little != (sys.byteorder == "little"):
        numbers.byteswap()
    if code in "fd" and not all(map(isfinite, numbers)):
        return b",".join([orjson.dumps(number if isfinite(number) else _special(number)) for number in numbers])
    return orjson.dumps(numbers.tolist())[1:-1]


def _special(number: float) -> str:
    return "NaN" if isnan(number) else "inf" if number > 0 else "-inf"


def _tags(raw: bytes, *, little: bool) -> bytes:
    words = array("H")
    words.frombytes(raw[: len(raw) - len(raw) % 4])
    if little != (sys.byteorder == "little"):
        words.byteswap()
    return b",".join(b'"%04X%04X"' % (words[index], words[index + 1]) for index in range(0, len(words), 2))


def split_text(text: str, vr: str) -> list[str]:
    """Return the values of text that are joined with a backslash; of a VR without several values the whole."""
    return [text] if vr in _SINGLE else text.split("\\")


def format_attribute(tag: int, vr: str, values: Sequence[str]) -> bytes:
    """Return a whole attribute, its tag and its object, from values as text."""
    return b'"%08X":{"vr":"%b","Value":[%b]}' % (tag, vr.encode(), format_texts(values, vr))


def format_texts(values: Sequence[str], vr: str) -> bytes:
    """Return the elements of a Value array from values as text; null for an empty one (PS3.18 F.2.5)."""
    if vr == "PN":
        return b",".join(map(_name, values))
    if vr in NUMBER_VRS:
        return b",".join([_number(value, vr) for value in values])
    return b",".join([orjson.dumps(value) if value else b"null" for value in values])


def _name(name: str) -> bytes:
    """Return a person name by its component groups, those that are not empty (PS3.18 F.2.2)."""
    groups = zip(("Alphabetic", "Ideographic", "Phonetic"), name.split("="), strict=False)
    found = {key: group for key, group in groups if group}
    return orjson.dumps(found) if found else b"null"


def _number(text: str, vr: str) -> bytes:
    if _NUMBER.fullmatch(text):
        return text.encode()
    if not text:
        return b"null"
    if (vr != "DS" and _INTEGER.fullmatch(text)) or (vr in _LONG and _LONG_INTEGER.fullmatch(text)):
        return b"%d" % int(text)
    possible = vr != "IS" or len(text) <= _INTEGER_STRING_BYTES
    if possible and _DECIMAL.fullmatch(text) and isfinite(number := float(text)):
        return orjson.dumps(number)
    return orjson.dumps(text)
