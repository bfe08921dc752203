"""Which form of an answer the client likes best: the Accept header, or the `accept` parameter that overrides it.

Ref: PS3.18 §8.3.3.1, §8.7 (media types); RFC 9110 §12.5.1.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from archimage.errors import ExcessiveRequestError, InvalidRequestError, NotAcceptableError

MAX_ACCEPT_LENGTH: Final = 8_192
MAX_RANGES: Final = 64
MULTIPART: Final = "multipart/related"
ANY_SYNTAX: Final = "*"
_WORD: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_RANGE: Final = re.compile(rf"\s*({_WORD}/{_WORD}|\*)\s*")
_PARAMETER: Final = re.compile(rf';\s*(?:({_WORD})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",;]*)))?\s*')
_COMMA: Final = re.compile(r"\s*(?:,\s*)+")
_QUALITY: Final = re.compile(r"[01](?:\.\d{0,3})?", re.ASCII)
_CHARSETS: Final = frozenset({"", "utf-8", "utf8", "us-ascii"})


@dataclass(frozen=True, slots=True)
class Offer:
    """A form in which an answer can be given.

    multipart tells that it goes as parts of a `multipart/related`. transfer_syntaxes are those that it can have, the
    preferred first; empty where it has none, and then what the client says of them is not looked at.
    """

    media_type: str
    multipart: bool = False
    transfer_syntaxes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """An offer that is taken, and the transfer syntax that is asked for: a UID, `*` for any, or "" for the default.

    quality is how much the client likes it, 1 at most.
    """

    offer: Offer
    transfer_syntax: str = ""
    quality: float = field(default=1.0, compare=False)


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One entry of an Accept header; `kind` is `*/*`, `type/*` or `type/subtype`, in lower case."""

    kind: str
    quality: float = 1.0
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def specificity(self) -> int:
        """0 for `*/*`, 1 for `type/*` or a multipart of any type, 2 for what names the type."""
        if self.kind == MULTIPART:
            return _specificity(self.parameters.get("type", "*/*"), 1)
        return _specificity(self.kind, 0)

    def takes(self, offer: Offer) -> bool:
        """Tell whether an offer is of this kind, whatever its transfer syntax."""
        if self.parameters.get("charset", "").lower() not in _CHARSETS:
            return False
        if self.kind == "*/*":
            return True
        if offer.multipart:
            if self.kind not in {MULTIPART, "multipart/*"}:
                return False
            return _fits(self.parameters.get("type", "*/*").lower(), offer.media_type)
        return _fits(self.kind, offer.media_type)


def choose(accept: str | None, parameter: str | None, offers: tuple[Offer, ...]) -> Choice:
    """Return the best of `rank`.

    Raises:
        NotAcceptableError: the client takes none of offers.
        InvalidRequestError, ExcessiveRequestError: what it takes cannot be read.
    """
    choices = rank(accept, parameter, offers)
    if not choices:
        raise NotAcceptableError(
            f"nothing of {(parameter or accept or '')[:200]!r} can be given here; ask for {_list(offers)}"
        )
    return choices[0]


@lru_cache(maxsize=256)
def rank(accept: str | None, parameter: str | None, offers: tuple[Offer, ...]) -> tuple[Choice, ...]:
    """Return what the client takes of offers, the best first.

    Its own preference decides; of what it likes as much, the more closely named, what it names first, and our order.
    """
    wanted = parameter.replace(" ", "+") if parameter else accept
    ranges = parse_accept(wanted) if wanted and wanted.strip() else (MediaRange("*/*"),)
    found = [
        ((-entry.quality, -entry.specificity, place, number), choice)
        for number, offer in enumerate(offers)
        for place, entry, choice in _accepted(ranges, offer)
    ]
    return tuple(dict.fromkeys(choice for _, choice in sorted(found, key=_order)))


def parse_accept(text: str) -> tuple[MediaRange, ...]:
    """Read an Accept header.

    Raises:
        InvalidRequestError: it is malformed.
        ExcessiveRequestError: it is longer than any client needs.
    """
    if len(text) > MAX_ACCEPT_LENGTH:
        raise ExcessiveRequestError(f"Accept is longer than {MAX_ACCEPT_LENGTH} characters")
    ranges = tuple(_ranges(text))
    if len(ranges) > MAX_RANGES:
        raise ExcessiveRequestError(f"Accept names more than {MAX_RANGES} media types")
    return ranges


def _accepted(ranges: Sequence[MediaRange], offer: Offer) -> Iterator[tuple[int, MediaRange, Choice]]:
    """Yield the entries that decide about an offer, those that name it most closely, and what they choose of it."""
    matching = [(place, entry) for place, entry in enumerate(ranges) if entry.takes(offer)]
    closest = max((entry.specificity for _, entry in matching), default=0)
    for place, entry in matching:
        syntax = entry.parameters.get("transfer-syntax", "") if offer.transfer_syntaxes else ""
        if entry.quality > 0 and entry.specificity == closest and _given(syntax, offer):
            yield place, entry, Choice(offer, syntax, entry.quality)


def _given(syntax: str, offer: Offer) -> bool:
    return syntax in {"", ANY_SYNTAX} or syntax in offer.transfer_syntaxes


def _ranges(text: str) -> Iterator[MediaRange]:
    pos = len(text) - len(text.lstrip(" \t,"))
    while pos < len(text):
        found = _RANGE.match(text, pos)
        if found is None:
            raise _malformed(text, pos)
        parameters: dict[str, str] = {}
        pos = found.end()
        while part := _PARAMETER.match(text, pos):
            name, quoted, plain = part.groups()
            if name is not None:
                parameters[name.lower()] = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain
            pos = part.end()
        yield _range("*/*" if found[1] == "*" else found[1].lower(), parameters)
        if pos < len(text):
            comma = _COMMA.match(text, pos)
            if comma is None:
                raise _malformed(text, pos)
            pos = comma.end()


def _range(kind: str, parameters: dict[str, str]) -> MediaRange:
    quality = parameters.pop("q", "1")
    if not _QUALITY.fullmatch(quality) or float(quality) > 1:
        raise InvalidRequestError(f"Accept: q={quality[:20]!r} is not a number from 0 to 1")
    return MediaRange(kind, float(quality), parameters)


def _malformed(text: str, pos: int) -> InvalidRequestError:
    return InvalidRequestError(f"Accept cannot be read from character {pos + 1} on: {text[pos : pos + 40]!r}")


def _specificity(kind: str, least: int) -> int:
    if kind == "*/*":
        return least
    return 1 if kind.endswith("/*") else 2


def _fits(pattern: str, media_type: str) -> bool:
    return pattern in {"*/*", media_type} or (pattern.endswith("/*") and media_type.startswith(pattern[:-1]))


def _order(found: tuple[tuple[float, int, int, int], Choice]) -> tuple[float, int, int, int]:
    return found[0]


def _list(offers: Iterable[Offer]) -> str:
    names = (f'{MULTIPART}; type="{offer.media_type}"' if offer.multipart else offer.media_type for offer in offers)
    return ", ".join(dict.fromkeys(names))
