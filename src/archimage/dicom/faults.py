"""Whether text may be the value of an attribute: its length, its characters, its form (PS3.5 §6.2, Table 6.2-1)."""

import re
from datetime import date
from typing import Final

from archimage.dicom.text import decode_text

_UTF8: Final = b"ISO_IR 192"
_LONGEST: Final = {"AS": 4, "CS": 16, "DA": 8, "DS": 16, "IS": 12, "LO": 64, "LT": 10_240, "SH": 16, "TM": 14}
"""Characters of one value."""
_PN_GROUP: Final = 64
_PN_GROUPS: Final = 3
_PN_COMPONENTS: Final = 5
_FORMS: Final = {
    "AS": (re.compile("[0-9]{3}[DWMY]", re.ASCII), "is no age: three digits and D, W, M or Y, as in 043Y"),
    "CS": (re.compile("[A-Z0-9_ ]*", re.ASCII), "may hold capital letters A to Z, digits, spaces and _ only"),
    "DA": (re.compile("[0-9]{8}", re.ASCII), "is no date: eight digits, YYYYMMDD"),
    "DS": (re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII), "is no number"),
    "IS": (re.compile("[+-]?[0-9]+", re.ASCII), "is no whole number"),
    "TM": (
        re.compile(r"([01][0-9]|2[0-3])([0-5][0-9](([0-5][0-9]|60)(\.[0-9]{1,6})?)?)?", re.ASCII),
        "is no time: HHMMSS, HHMM or HH, and a fraction after seconds",
    ),
}
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")
_CONTROL_IN_TEXT: Final = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f]")


def tidy(text: str, vr: str) -> str:
    """Return text as it is read back once it has been stored: without padding."""
    return decode_text(text.encode("utf-8", "replace"), vr, _UTF8)


def fault(text: str, vr: str, *, multiple: bool = False) -> str:
    """Say what is wrong with text as a value, several joined with a backslash where that may be; empty if nothing is.

    An empty text is fine.
    """
    if any("\ud800" <= char <= "\udfff" for char in text):
        return "holds half a surrogate pair, which no character set can write"
    if (_CONTROL_IN_TEXT if vr == "LT" else _CONTROL).search(text):
        return "holds a control character"
    if vr == "LT":
        return _fault_of_one(text, vr)
    values = text.split("\\")
    if len(values) > 1 and not multiple:
        return "may have one value only: a backslash separates values"
    return next(filter(None, (_fault_of_one(value, vr) for value in values if value)), "")


def _fault_of_one(value: str, vr: str) -> str:
    if vr == "PN":
        return _fault_of_name(value)
    if len(value) > _LONGEST[vr]:
        return f"is longer than {_LONGEST[vr]} characters"
    form, words = _FORMS.get(vr, (None, ""))
    if form is not None and not form.fullmatch(value):
        return words
    if vr == "IS" and not -(1 << 31) <= int(value) < 1 << 31:
        return "is beyond 32 bits"
    return _fault_of_date(value) if vr == "DA" else ""


def _fault_of_date(value: str) -> str:
    try:
        date.fromisoformat(f"{value[:4]}-{value[4:6]}-{value[6:]}")
    except ValueError:
        return "is no day of the calendar"
    return ""


def _fault_of_name(value: str) -> str:
    groups = value.split("=")
    if len(groups) > _PN_GROUPS:
        return f"has more than {_PN_GROUPS} groups: alphabetic, ideographic and phonetic, separated by ="
    if any(len(group) > _PN_GROUP for group in groups):
        return f"has more than {_PN_GROUP} characters in a group"
    if any(group.count("^") >= _PN_COMPONENTS for group in groups):
        return f"has more than {_PN_COMPONENTS} components, which ^ separates"
    return ""
