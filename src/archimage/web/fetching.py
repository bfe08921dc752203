"""What is asked of other web servers: answers are bounded in length and time, and no redirection is followed."""

import ssl
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final

from archimage.errors import UnavailableError

MAX_BYTES: Final = 256 << 10
WITHIN_S: Final = 10.0
_PER_STEP_S: Final = 5.0


class HttpFetch:
    """Implements `ports.identity.Fetch`; context makes what HTTPS is spoken with."""

    def __init__(self, context: Callable[[], ssl.SSLContext], clock: Callable[[], float] = time.monotonic) -> None:
        self._context = context
        self._clock = clock

    def __call__(
        self, address: str, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> bytes:
        """Return what stands at an address, or what it answers to a form; raises UnavailableError."""
        import httpx  # a server without a provider needs it never

        method, body, until = "GET" if form is None else "POST", bytearray(), self._clock() + WITHIN_S
        verify: ssl.SSLContext | bool = self._context() if address.startswith("https:") else False
        try:
            with (
                httpx.Client(verify=verify, timeout=_PER_STEP_S) as client,
                client.stream(method, address, data=form, headers=headers) as response,
            ):
                for piece in response.iter_bytes():
                    body += piece
                    if len(body) > MAX_BYTES:
                        raise _failed(address, f"its answer is longer than {MAX_BYTES} bytes")
                    if self._clock() > until:
                        raise _failed(address, f"its answer takes longer than {WITHIN_S:g} s")
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError) as error:
            raise _failed(address, str(error) or type(error).__name__) from error
        if response.status_code != HTTPStatus.OK:
            raise _failed(address, f"it answers with HTTP status {response.status_code}")
        return bytes(body)


def _failed(address: str, why: str) -> UnavailableError:
    return UnavailableError(f"{address} was asked in vain: {why}", next_step="See whether the provider is in order.")
