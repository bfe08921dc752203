"""Text from outside, made safe to show."""

from typing import Final

LIMIT: Final = 1_000  # characters of one value


def escape(text: str, limit: int = LIMIT) -> str:
    """Write text on one line: control, format and separator characters as `\\x1b`, `\\u202e`; cut after limit."""
    kept = text if len(text) <= limit else text[:limit] + "..."
    if kept.isprintable():
        return kept
    return "".join(mark if mark.isprintable() else mark.encode("unicode_escape").decode("ascii") for mark in kept)
