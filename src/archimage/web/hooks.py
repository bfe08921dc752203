"""Calls to the receivers of subscriptions: bounded in time, answers are not read, and no redirection is followed."""

import ssl
from collections.abc import Callable, Mapping
from typing import Final

from archimage.errors import UnavailableError

WITHIN_S: Final = 10.0


class HookCalls:
    """Implements `ports.fhir.CallHook`; context makes what HTTPS is spoken with."""

    def __init__(self, context: Callable[[], ssl.SSLContext]) -> None:
        self._context = context

    def __call__(self, method: str, address: str, headers: Mapping[str, str], body: bytes) -> int:
        """Send a request and return the status of its answer; raises UnavailableError."""
        import httpx  # an archive without subscriptions needs it never

        verify: ssl.SSLContext | bool = self._context() if address.startswith("https:") else False
        try:
            with (
                httpx.Client(verify=verify, timeout=WITHIN_S, trust_env=False, follow_redirects=False) as client,
                client.stream(method, address, content=body, headers={**headers}) as response,
            ):
                return response.status_code
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError, UnicodeError) as error:
            raise UnavailableError(
                f"the receiver was called in vain: {str(error) or type(error).__name__}",
                next_step="See whether the receiver is in order.",
            ) from error
