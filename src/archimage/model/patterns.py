"""Bounds of text and of dates and times, as plain strings that compare by code point.

Dates and times are compared as text, which is right as long as both sides drop what says nothing: `10`, `1000` and
`100000.000` are one time. A lower bound is therefore shortened as far as it means the same, and an upper bound takes in
everything that begins with it, so that partial values cover their whole hour, day or month.
Ref: PS3.5 §6.2, PS3.4 §C.2.2.2.
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

_LAST: Final = "\U0010ffff"
_OFFSET: Final = re.compile(r"(.{4,})([+-])(\d\d)(\d\d)", re.ASCII | re.DOTALL)
_DATE_TIME: Final = re.compile(r"(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:\.(\d{1,6}))?", re.ASCII)
_YEARS: Final = range(2, 9999)  # room for an offset at both ends


def successor(prefix: str) -> str | None:
    """Return the least string above every string that begins with prefix; None when there is none."""
    trimmed = prefix.rstrip(_LAST)
    if not trimmed:
        return None
    following = ord(trimmed[-1]) + 1
    if 0xD800 <= following <= 0xDFFF:  # surrogates are no characters
        following = 0xE000
    return trimmed[:-1] + chr(following)


def literal_prefix(pattern: str) -> str:
    """Return what stands before the first wildcard."""
    return re.split(r"[*?]", pattern, maxsplit=1)[0]


def _shorten(text: str, keep: int) -> str:
    """Drop a zero fraction and the zero pairs at the end, but not the first keep characters."""
    whole, dot, fraction = text.partition(".")
    fraction = fraction.rstrip("0")
    if dot and fraction:
        return f"{whole}.{fraction}"
    while len(whole) - 2 >= keep and whole.endswith("00"):
        whole = whole[:-2]
    return whole


def time_floor(text: str) -> str:
    """Shorten a TM lower bound."""
    return _shorten(text, 2)


def date_time_floor(text: str) -> str:
    """Shorten a DT lower bound."""
    shorter = _shorten(text, 8)
    for length in (8, 6):
        if len(shorter) == length and shorter.endswith("01"):
            shorter = shorter[:-2]
    return shorter


def has_offset(text: str) -> bool:
    """Tell whether a DT value carries an offset from UTC."""
    return _OFFSET.fullmatch(text) is not None


def to_utc(text: str, *, end: bool = False) -> str:
    """Move a DT value that carries an offset to UTC; others, and what is no date, come back without it.

    A partial value becomes the first instant that it covers, or with end the last.
    """
    found = _OFFSET.fullmatch(text)
    if found is None:
        return text
    plain, sign, hours, minutes = found.groups()
    parts = _DATE_TIME.fullmatch(plain)
    if parts is None or int(parts[1]) not in _YEARS:
        return plain
    shift = timedelta(hours=int(hours), minutes=int(minutes)) * (-1 if sign == "-" else 1)
    try:
        instant = _instant(parts, end).replace(tzinfo=timezone(shift))
    except ValueError:
        return plain
    return f"{instant.astimezone(UTC):%Y%m%d%H%M%S.%f}"


def _instant(parts: re.Match[str], end: bool) -> datetime:
    """Make the first or last instant of a partial DT value; a leap second counts as the second before."""
    year, month = int(parts[1]), int(parts[2] or (12 if end else 1))
    day = int(parts[3] or (_days(year, month) if end else 1))
    hour, minute = int(parts[4] or (23 if end else 0)), int(parts[5] or (59 if end else 0))
    second = min(int(parts[6] or (59 if end else 0)), 59)
    micro = int((parts[7] or "").ljust(6, "9" if end else "0"))
    return datetime(year, month, day, hour, minute, second, micro)  # noqa: DTZ001 - the caller sets the zone


def _days(year: int, month: int) -> int:
    """Return the number of days in a month."""
    following = datetime(year + month // 12, month % 12 + 1, 1)  # noqa: DTZ001
    return (following - timedelta(days=1)).day
