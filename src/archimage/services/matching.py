"""What the text of a query key asks for: value and VR to a `Match`.

Ref: PS3.4 §C.2.2.2 (attribute matching), PS3.5 §6.2 (value representations).
"""

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Final

from archimage.dicom.olddates import plain_date, plain_time
from archimage.errors import InvalidQueryError
from archimage.model.ids import is_uid
from archimage.model.query import Empty, Exact, Match, Range, UIDList, Universal, Wildcard

MAX_VALUES: Final = 8_192
MAX_WILDCARDS: Final = 16
MAX_KEY_LENGTH: Final = 1_024

_WILDCARD_VRS: Final = frozenset(["AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"])
_LIST_VRS: Final = frozenset(["AE", "AS", "CS", "LO", "SH", "UI"])
_NO_VALUE: Final = '""'
_STARS: Final = re.compile(r"\*{2,}")
_TIME: Final = re.compile(r"([01]\d|2[0-3])(?:([0-5]\d)(?:([0-5]\d|60)(\.\d{1,6})?)?)?", re.ASCII)
_DATE_TIME: Final = re.compile(
    r"\d{4}(?:(?:0[1-9]|1[0-2])(?:(?:0[1-9]|[12]\d|3[01])(?:(?:[01]\d|2[0-3])(?:[0-5]\d(?:(?:[0-5]\d|60)"
    r"(?:\.\d{1,6})?)?)?)?)?)?(?:[+-](?:0\d|1[0-4])[0-5]\d)?",
    re.ASCII,
)
_DECIMAL: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[Ee][+-]?\d+)?", re.ASCII)
_INTEGER: Final = re.compile(r"[+-]?\d{1,12}", re.ASCII)


def parse_match(value: str, vr: str, *, empty_values: bool = False) -> Match:
    """Read a key's text, padding included; with empty_values two quotation marks ask for what has no value.

    Several values ask for any of them, in the VRs where a list is meaningful; a `*` alone, in any VR, is universal.

    Raises:
        InvalidQueryError: the value does not fit the VR or is beyond a limit.
    """
    text = value.strip(" \0")
    if not text or not text.strip("*"):
        return Universal()
    if empty_values and text == _NO_VALUE:
        return Empty()
    if vr in _LIST_VRS and "\\" in text:
        return _list(text, vr)
    return _single(text, vr)


def _list(text: str, vr: str) -> Match:
    if text.count("\\") >= MAX_VALUES:
        raise InvalidQueryError(f"more than {MAX_VALUES} values in one key")
    matches = [_single(part, vr) for raw in text.split("\\") if (part := raw.strip(" \0"))]
    values = tuple(dict.fromkeys(match.value for match in matches if isinstance(match, Exact)))
    if len(matches) == 1:
        return matches[0]
    if not all(isinstance(match, Exact) for match in matches):
        raise InvalidQueryError("a list of values cannot hold wildcards")
    return UIDList(values) if values else Universal()


def _single(text: str, vr: str) -> Match:
    if len(text) > MAX_KEY_LENGTH:
        raise InvalidQueryError(f"a key of {len(text)} characters; at most {MAX_KEY_LENGTH} are searched")
    if vr in _RANGES:
        return _range(text, _RANGES[vr])
    if vr in _WILDCARD_VRS and ("*" in text or "?" in text):
        return _wildcard(text)
    if vr in _CHECKS and not _CHECKS[vr](text):
        raise InvalidQueryError(f"{text[:80]!r} is not a value of VR {vr}")
    return Exact(text)


def _wildcard(text: str) -> Match:
    pattern = _STARS.sub("*", text)
    if pattern.count("*") > MAX_WILDCARDS:
        raise InvalidQueryError(f"more than {MAX_WILDCARDS} wildcards in one key")
    return Wildcard(pattern)


def _range(text: str, parse: Callable[[str], str | None]) -> Match:
    """Read `a`, `a-b`, `a-` or `-b`; the hyphen of a DT's offset from UTC belongs to its value."""
    single = parse(text)
    if single is not None:
        return Exact(single)
    for position, char in enumerate(text):
        if char == "-" and (found := _ends(text[:position], text[position + 1 :], parse)):
            return found
    raise InvalidQueryError(f"{text[:80]!r} is not a date, a time or a range of them")


def _ends(low: str, high: str, parse: Callable[[str], str | None]) -> Range | None:
    first, last = parse(low.strip()), parse(high.strip())
    if (low.strip() and first is None) or (high.strip() and last is None) or (first is None and last is None):
        return None
    return Range(first, last)


def _date(text: str) -> str | None:
    """Return text as YYYYMMDD, also from the older YYYY.MM.DD; None when it is no date."""
    plain = plain_date(text)
    if len(plain) != 8 or not plain.isascii() or not plain.isdecimal():
        return None
    try:
        date(int(plain[:4]), int(plain[4:6]), int(plain[6:]))
    except ValueError:
        return None
    return plain


def _time(text: str) -> str | None:
    """Return text as HH[MM[SS[.F]]], also from the older HH:MM:SS; None when it is no time."""
    plain = plain_time(text)
    return plain if _TIME.fullmatch(plain) else None


def _date_time(text: str) -> str | None:
    return text if _DATE_TIME.fullmatch(text) else None


_RANGES: Final[Mapping[str, Callable[[str], str | None]]] = {"DA": _date, "TM": _time, "DT": _date_time}
_CHECKS: Final[Mapping[str, Callable[[str], object]]] = {
    "UI": is_uid,
    "IS": _INTEGER.fullmatch,
    "DS": _DECIMAL.fullmatch,
    "US": _INTEGER.fullmatch,
}
