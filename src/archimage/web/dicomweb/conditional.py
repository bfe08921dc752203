"""Requests on conditions: what the client has already, and which bytes of it the client wants.

Ref: RFC 9110 §13.1 (preconditions), §14 (ranges).
"""

import re
from typing import Final, NamedTuple

WEAK: Final = "W/"
"""Begins the entity tag of what has the same meaning each time, but not the same bytes (RFC 9110 §8.8.1)."""
_TAG: Final = re.compile(r'(?:W/)?("[^"]*")')
_RANGE: Final = re.compile(r"bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.ASCII | re.IGNORECASE)


class ByteRange(NamedTuple):
    """Bytes from start to before end; empty where nothing of what is asked for is there."""

    start: int
    end: int


def is_current(etag: str, if_none_match: str | None) -> bool:
    """Tell whether the client has what goes by an entity tag, which is given with its quotes."""
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or etag.removeprefix(WEAK) in _TAG.findall(if_none_match)


def wanted_range(wanted: str | None, if_range: str | None, etag: str, size_bytes: int) -> ByteRange | None:
    """Return which bytes a Range header asks for; None for all of them.

    Several ranges, and what cannot be read, are answered with all, as RFC 9110 allows; so is a range of what has
    changed since the client has seen the rest, or may have.
    """
    found = _RANGE.fullmatch(wanted.strip()) if wanted else None
    if found is None or not (found[1] or found[2]):
        return None
    if if_range is not None and (if_range.strip() != etag or etag.startswith(WEAK)):
        return None
    if not found[1]:
        start, last = max(0, size_bytes - int(found[2])), size_bytes - 1
    else:
        start, last = int(found[1]), int(found[2]) if found[2] else size_bytes - 1
        if found[2] and last < start:
            return None
    return ByteRange(start, max(start, min(last + 1, size_bytes)))
