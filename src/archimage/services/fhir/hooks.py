"""What may stand in a Subscription: where it may call, what it may send, what it may ask for.

A server that calls whatever address it is given can be made to call what only it can reach; so addresses begin as one
of the settings' does, and are compared part by part.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from archimage.errors import InvalidRequestError
from archimage.services.fhir.ids import Resource

KIND: Final = "Subscription"
JSON: Final = "application/fhir+json"
PAYLOADS: Final = frozenset({"", JSON, "application/json"})
MAX_HEADERS: Final = 16
MAX_LENGTH: Final = 2_000
"""Characters of a criterion, of an address and of a header."""
_HEADER: Final = re.compile(r"([A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}):[ \t]*([\x20-\x7e]*)", re.ASCII)
_OURS: Final = frozenset(
    {"host", "content-length", "content-type", "transfer-encoding", "connection", "upgrade", "te", "trailer", "expect"}
)
_PLAIN_PATH: Final = re.compile(r"[A-Za-z0-9/_.~!$&'()*+,;=:@%-]*", re.ASCII)


def check_address(address: str, allowed: Sequence[str]) -> None:
    """Raise InvalidRequestError where an address may not be called."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        raise InvalidRequestError("channel.endpoint is no address") from None
    if len(address) > MAX_LENGTH or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InvalidRequestError("channel.endpoint must be an http or https address")
    if "@" in parts.netloc or parts.query or parts.fragment or not _PLAIN_PATH.fullmatch(parts.path):
        raise InvalidRequestError("channel.endpoint has no user, no query and no fragment")
    if any(part in {".", ".."} for part in re.split(r"[/\\]", unquote(parts.path))):
        raise InvalidRequestError("channel.endpoint leads elsewhere by dots")
    place = (parts.scheme, parts.hostname, port or _PORTS[parts.scheme])
    if not any(_begins(place, parts.path, one) for one in allowed):
        raise InvalidRequestError(
            "channel.endpoint is not among the addresses that may be called",
            next_step="Whoever runs this archive allows them by the setting fhir.hooks.",
        )


_PORTS: Final = {"http": 80, "https": 443}


def _begins(place: tuple[str, str, int], path: str, allowed: str) -> bool:
    parts = urlsplit(allowed)
    if place != (parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme]):
        return False
    start = parts.path.rstrip("/")
    return not start or path == start or path.startswith(f"{start}/")


def headers(channel: Resource) -> Mapping[str, str]:
    """Return the headers that a channel wants sent; InvalidRequestError where some cannot be."""
    lines = channel.get("header", ())
    found = [_HEADER.fullmatch(str(line)) for line in lines]
    if len(lines) > MAX_HEADERS or any(len(str(line)) > MAX_LENGTH for line in lines):
        raise InvalidRequestError(f"channel.header has at most {MAX_HEADERS} headers of {MAX_LENGTH} characters")
    if any(one is None or one[1].lower() in _OURS for one in found):
        raise InvalidRequestError("channel.header has a line that is no header, or one that the server sets")
    return {one[1]: one[2].strip() for one in found if one is not None}


def criterion(text: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return the kind that a criterion is about, and the parameters; InvalidRequestError where it is too long."""
    if len(text) > MAX_LENGTH:
        raise InvalidRequestError(f"criteria has at most {MAX_LENGTH} characters")
    kind, _, asked = text.partition("?")
    try:
        return kind, tuple(parse_qsl(asked, keep_blank_values=True, max_num_fields=50, errors="strict"))
    except ValueError:
        raise InvalidRequestError("criteria cannot be read") from None


def end_of(subscription: Resource) -> float | None:
    """Return when a subscription ends, seconds since 1970; None where it does not."""
    end = subscription.get("end")
    if end is None:
        return None
    try:
        return datetime.fromisoformat(str(end)).timestamp()
    except (ValueError, OverflowError):
        raise InvalidRequestError("end is no instant") from None
