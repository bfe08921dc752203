"""Calls to the receivers of subscriptions: bounded in time, answers are not read, and no redirection is followed."""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from typing import Final

from archimage.errors import UnavailableError

WITHIN_S: Final = 10.0


class HookCalls:
    """Implements `ports.fhir.CallHook`; context makes what HTTPS is spoken with."""

    def __init__(self, context: Callable[[], ssl.SSLContext], within_s: float = WITHIN_S) -> None:
        """Give a call so long, however slowly a receiver goes on."""
        self._context = context
        self._within_s = within_s

    def __call__(self, method: str, address: str, headers: Mapping[str, str], body: bytes) -> int:
        """Send a request and return the status of its answer; raises UnavailableError."""
        import httpx  # an archive without subscriptions needs it never

        verify: ssl.SSLContext | bool = self._context() if address.startswith("https:") else False

        async def call() -> int:
            async with (
                asyncio.timeout(self._within_s),  # the client's own is for each step
                httpx.AsyncClient(verify=verify, timeout=self._within_s, trust_env=False) as client,
                client.stream(method, address, content=body, headers={**headers}) as response,
            ):
                return response.status_code

        try:
            return asyncio.run(call())
        except TimeoutError:
            raise _in_vain(f"it does not answer within {self._within_s:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError, UnicodeError) as error:
            raise _in_vain(str(error) or type(error).__name__) from error


def _in_vain(why: str) -> UnavailableError:
    return UnavailableError(
        f"the receiver was called in vain: {why}", next_step="See whether the receiver is in order."
    )
