"""Notifications of rules, to web addresses: signed, bounded in time, tried until they were heard.

The signature is an HMAC-SHA-256 over the time, a dot and the body, with the key of the settings; the time keeps
somebody who has heard one from telling it again later.
"""

import hashlib
import hmac
import time
from collections.abc import Callable
from typing import Final

from archimage.errors import DeliveryRefusedError, UnavailableError
from archimage.model.deliveries import Delivery
from archimage.ports.fhir import CallHook

SIGNATURE: Final = "X-Archimage-Signature"
_GONE: Final = 410


class Notices:
    """Delivers notifications; the key may be empty, and they are not signed then."""

    def __init__(self, call: CallHook, key: str, now: Callable[[], float] = time.time) -> None:
        self._call = call
        self._key = key.encode()
        self._now = now

    def deliver(self, one: Delivery) -> None:
        """Tell a receiver; raises UnavailableError where it has not heard it, DeliveryRefusedError if it never will."""
        body = one.payload.encode()
        headers = {"Content-Type": "application/json", "X-Archimage-Delivery": str(one.id)}
        if self._key:
            headers[SIGNATURE] = signature(self._key, int(self._now()), body)
        status = self._call("POST", one.destination, headers, body)
        if status == _GONE:
            raise DeliveryRefusedError("the receiver answers 410: it is gone for good")
        if not 200 <= status < 300:
            raise UnavailableError(f"the receiver answers {status}", next_step="See whether the receiver is in order.")


def signature(key: bytes, at: int, body: bytes) -> str:
    """Return what a body is signed with at a time, seconds since 1970."""
    return f"t={at},v1={hmac.new(key, f'{at}.'.encode() + body, hashlib.sha256).hexdigest()}"
