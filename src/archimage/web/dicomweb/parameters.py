"""Query parameters: bounded, and typed where a handler asks for a type.

Ref: PS3.18 §8.3.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final, Self
from urllib.parse import unquote_to_bytes

from archimage.errors import ExcessiveRequestError, InvalidRequestError

MAX_QUERY_BYTES: Final = 48 << 10
MAX_PARAMETERS: Final = 512
_INTEGER: Final = re.compile(r"\d{1,18}", re.ASCII)
_NUMBER: Final = re.compile(r"-?(?:\d{1,18}(?:\.\d{0,18})?|\.\d{1,18})(?:[eE][+-]?\d{1,3})?", re.ASCII)
_TRUTH: Final = {"true": True, "false": False}


class Parameters:
    """The parameters of one request in their order; names are case-sensitive."""

    __slots__ = ("_values", "pairs")

    def __init__(self, pairs: tuple[tuple[str, str], ...]) -> None:
        self.pairs = pairs
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)

    @classmethod
    def parse(cls, query: bytes) -> Self:
        """Read a query string.

        Raises:
            ExcessiveRequestError: it is longer, or has more parameters, than any request needs.
            InvalidRequestError: it is not UTF-8, or holds a NUL.
        """
        if len(query) > MAX_QUERY_BYTES:
            raise ExcessiveRequestError(f"the query is longer than {MAX_QUERY_BYTES} bytes")
        parts = [part for part in query.split(b"&") if part]
        if len(parts) > MAX_PARAMETERS:
            raise ExcessiveRequestError(f"the query has more than {MAX_PARAMETERS} parameters")
        return cls(tuple(_pair(part) for part in parts))

    def all(self, name: str) -> Sequence[str]:
        """Return every value of a parameter."""
        return self._values.get(name, ())

    def one(self, name: str) -> str | None:
        """Return the value of a parameter, None without one; InvalidRequestError when it is repeated."""
        values = self.all(name)
        if len(values) > 1:
            raise InvalidRequestError(f"{name} is given {len(values)} times; it has one value")
        return values[0] if values else None

    def joined(self, name: str) -> str | None:
        """Return the values of a parameter that is a list with commas as one list; None without any."""
        values = self.all(name)
        return ", ".join(values) if values else None

    def split(self, name: str) -> list[str]:
        """Return every value of a parameter that may be repeated, and list several with commas."""
        return [part for value in self.all(name) for part in value.split(",") if part]

    def integer(self, name: str, *, default: int, low: int, high: int) -> int:
        """Return a whole number; above high it becomes high. InvalidRequestError when it is none, or below low."""
        value = self.one(name)
        if value is None:
            return default
        if not _INTEGER.fullmatch(value) or int(value) < low:
            raise InvalidRequestError(f"{name} = {value[:40]!r} is not a whole number from {low} on")
        return min(int(value), high)

    def number(self, name: str, *, default: float | None = None) -> float | None:
        """Return a number; InvalidRequestError when it is none."""
        value = self.one(name)
        if value is None:
            return default
        if not _NUMBER.fullmatch(value):
            raise InvalidRequestError(f"{name} = {value[:40]!r} is not a number")
        return float(value)

    def flag(self, name: str) -> bool:
        """Return whether a parameter is `true`; InvalidRequestError when it is neither that nor `false`."""
        value = self.one(name)
        if value is None:
            return False
        if value.lower() not in _TRUTH:
            raise InvalidRequestError(f"{name} = {value[:40]!r} is neither true nor false")
        return _TRUTH[value.lower()]

    def choice(self, name: str, choices: Mapping[str, str] | frozenset[str]) -> str | None:
        """Return one of choices, or None; InvalidRequestError when it is another."""
        value = self.one(name)
        if value is not None and value not in choices:
            raise InvalidRequestError(f"{name} = {value[:40]!r} is none of {', '.join(sorted(choices))}")
        return value


def _pair(part: bytes) -> tuple[str, str]:
    name, _, value = part.partition(b"=")
    return _text(name), _text(value)


def _text(raw: bytes) -> str:
    """Decode percent-encoded UTF-8; a plus sign is a space, as in forms."""
    if raw.isalnum():
        return raw.decode("ascii")
    try:
        text = unquote_to_bytes(raw.replace(b"+", b" ")).decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidRequestError("the query is not UTF-8") from None
    if "\0" in text:
        raise InvalidRequestError("the query holds a NUL character")
    return text
