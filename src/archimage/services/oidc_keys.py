"""What a provider of OpenID Connect says of itself: its addresses, and the keys that it signs with.

Both are kept for a while. A key that is not among those known makes them be fetched again, for providers change keys;
but not more than once a minute, whoever asks, so that nobody can have the provider asked in his stead.

Ref: OpenID Connect Discovery 1.0 §3, §4; RFC 7517.
"""

import json
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Generic, TypeVar
from urllib.parse import urlsplit

from archimage.errors import UnavailableError
from archimage.ports.identity import Fetch

KEPT_S: Final = 3_600.0
ASKED_EVERY_S: Final = 60.0
RETRIED_S: Final = 5.0
"""After a failure it is asked again as soon."""
MAX_KEYS: Final = 100
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_WELL_KNOWN: Final = "/.well-known/openid-configuration"

Value = TypeVar("Value")
Key = Mapping[str, Any]
"""A public key as a JSON Web Key."""


class Provider:
    """Knows the addresses and keys of a provider; clock gives seconds. Safe for threads."""

    def __init__(self, issuer: str, fetch: Fetch, clock: Callable[[], float]) -> None:
        self._issuer = issuer
        self._fetch = fetch
        self._clock = clock
        self._known = _Kept[Mapping[str, Any]]()
        self._keys = _Kept[Sequence[Key]]()

    def endpoint(self, name: str) -> str:
        """Return one of its addresses; raises UnavailableError."""
        address = self.optional(name)
        if not address:
            raise UnavailableError(f"the provider {self._issuer} tells of no {name}")
        return address

    def optional(self, name: str) -> str:
        """Return one of its addresses, empty where it has none; raises UnavailableError."""
        known = self._known.get(self._clock(), self._discover)
        address = known.get(name) or ""
        if address and not _is_safe(address):
            raise UnavailableError(f"{name} of the provider {self._issuer} is neither HTTPS nor on this machine")
        return str(address)

    def key(self, fits: Callable[[Key], bool]) -> Key | None:
        """Return the key that fits, None where none does or several do; raises UnavailableError."""
        address, now = self.endpoint("jwks_uri"), self._clock()

        def read() -> Sequence[Key]:
            return self._read_keys(address)

        found = [key for key in self._keys.get(now, read) if fits(key)]
        if not found:
            found = [key for key in self._keys.again(now, read) if fits(key)]
        return found[0] if len(found) == 1 else None

    def _discover(self) -> Mapping[str, Any]:
        told = parsed(self._fetch(self._issuer.rstrip("/") + _WELL_KNOWN), "the provider")
        if told.get("issuer") != self._issuer:
            raise UnavailableError(
                f"the provider calls itself {str(told.get('issuer'))[:200]!r}, not {self._issuer!r}",
                next_step="Set access.oidc.issuer to exactly what it calls itself.",
            )
        return told

    def _read_keys(self, address: str) -> Sequence[Key]:
        keys = parsed(self._fetch(address), "the keys of the provider").get("keys")
        if not isinstance(keys, list) or len(keys) > MAX_KEYS:
            raise UnavailableError(f"the provider tells of no keys, or of more than {MAX_KEYS}")
        return [key for key in keys if isinstance(key, dict)]


class _Kept(Generic[Value]):
    """Something that was fetched, and when. One thread at a time fetches it; others go on with what is there."""

    def __init__(self) -> None:
        self._value: Value | None = None
        self._asked_at = -math.inf
        self._failure: UnavailableError | None = None
        self._fetching = threading.Lock()

    def get(self, now: float, fetch: Callable[[], Value]) -> Value:
        """Return it, fetched now where that was long ago; raises UnavailableError."""
        if self._value is None or now - self._asked_at > KEPT_S:
            return self.again(now, fetch)
        return self._value

    def again(self, now: float, fetch: Callable[[], Value]) -> Value:
        """Return it, fetched now unless that was a moment ago; where that fails what was known before goes on.

        Raises:
            UnavailableError: nothing was known before.
        """
        if self._fetching.acquire(blocking=self._value is None):
            try:
                self._fetch_if_due(now, fetch)
            finally:
                self._fetching.release()
        if self._value is None:
            raise self._failure or UnavailableError("the provider was asked in vain a moment ago")
        return self._value

    def _fetch_if_due(self, now: float, fetch: Callable[[], Value]) -> None:
        if now - self._asked_at <= (ASKED_EVERY_S if self._failure is None else RETRIED_S):
            return
        self._asked_at, self._failure = now, None
        try:
            self._value = fetch()
        except UnavailableError as error:
            self._failure = error


def parsed(answer: bytes, of_whom: str) -> Mapping[str, Any]:
    """Read an answer in JSON; raises UnavailableError."""
    try:
        told = json.loads(answer)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise UnavailableError(f"{of_whom} answers with no JSON object")
    return told


def _is_safe(address: object) -> bool:
    """Tell whether an address may be called: HTTPS, or this machine."""
    if not isinstance(address, str):
        return False
    try:
        found = urlsplit(address)
    except ValueError:
        return False
    return bool(found.hostname) and (
        found.scheme == "https" or (found.scheme == "http" and found.hostname in _LOOPBACK)
    )
